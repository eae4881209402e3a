"""Layouts of this module: scans of a patient side by side, and thick slices large.

A scene keeps the number of its layout only, so Slicer must know what is behind that number before it loads one. The
layout that a person had before is remembered in the scene as well: it is given back also after saving and loading.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.tasks import TASKS

from ..scene.volumes import affineOf

BEFORE = "MSLesionSeg.Before"  # attribute of nodes: what the person had set there
SUBTRACTION = "subtraction"  # shown beside the scans of a task that has no button for it
_THICK = 2.0  # slices from here on: times the size of voxels within them
_COLOURS = {
    "baseline": "#56B4E9",
    "followup": "#D55E00",
    "pre": "#56B4E9",
    "post": "#D55E00",
    SUBTRACTION: "#999999",
    "flair": "#009E73",
}
_3D = '<view class="vtkMRMLViewNode" singletontag="1"/>'


@dataclass(frozen=True)
class Layout:
    """A layout of this module.

    Attributes:
        number: by which Slicer knows it; ids of other layouts are small, or chosen at random above 10000.
        views: names of slice views by the scan that they show; empty: all of Slicer's views show the same scan.
        exchanged: the two scans that a key exchanges.
        xml: what it looks like.
    """

    number: int
    views: Mapping[str, tuple[str, ...]]
    exchanged: tuple[str, ...]
    xml: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its own slice views."""
        return tuple(name for names in self.views.values() for name in names)


def heading(shown: str) -> str:
    """What is written over the views of a scan."""
    return {
        "baseline": _("Baseline"),
        "followup": _("Follow-up"),
        "pre": _("Before contrast"),
        "post": _("After contrast"),
        SUBTRACTION: _("Subtraction"),
        "flair": _("FLAIR"),
    }[shown]


def colour(shown: str) -> tuple[float, float, float]:
    """Of the bar over the views of a scan: red, green and blue, 0 to 1."""
    return tuple(int(_COLOURS[shown][i : i + 2], 16) / 255 for i in (1, 3, 5))


def _item(view: str) -> str:
    return f"<item>{view}</item>"


def _view(name: str, orientation: str, shown: str) -> str:
    return (
        f'<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
        f'<property name="orientation" action="default">{orientation}</property>'
        f'<property name="viewlabel" action="default">{shown}</property>'
        f'<property name="viewcolor" action="default">{_COLOURS[shown]}</property>'
        "</view></item>"
    )


def _pair() -> Layout:
    """Baseline above, follow-up below, and where the lesions are beside them."""
    views = {
        "baseline": ("BaselineAxial", "BaselineSagittal"),
        "followup": ("FollowupAxial", "FollowupSagittal"),
    }
    rows = "".join(
        '<item><layout type="horizontal">'
        + "".join(map(_view, names, ("Axial", "Sagittal"), (shown, shown)))
        + "</layout></item>"
        for shown, names in views.items()
    )
    xml = (
        '<layout type="horizontal" split="true">'
        f'<item splitSize="780"><layout type="vertical">{rows}</layout></item>'
        f'<item splitSize="220">{_3D}</item></layout>'
    )
    return Layout(73501, views, ("baseline", "followup"), xml)


def _contrast(number: int, *more: str) -> Layout:
    """Before and after contrast side by side, and what else there is below them."""
    shown = ("pre", "post", *more)
    views = {scan: (f"Contrast{scan.capitalize()}",) for scan in shown}
    cells = [_view(*views[scan], "Axial", scan) for scan in shown]
    if len(cells) < 4:
        cells.append(_item(_3D))
    rows = ("".join(cells[:2]), "".join(cells[2:]))
    xml = "".join(f'<item><layout type="horizontal">{row}</layout></item>' for row in rows)
    return Layout(number, views, ("pre", "post"), f'<layout type="vertical">{xml}</layout>')


def _thick() -> Layout:
    """One large axial view, the others small beside it."""
    small = "".join(
        f'<item><view class="vtkMRMLSliceNode" singletontag="{name}"/></item>' for name in ("Yellow", "Green")
    )
    xml = (
        '<layout type="horizontal" split="true"><item splitSize="700">'
        '<view class="vtkMRMLSliceNode" singletontag="Red"/></item>'
        f'<item splitSize="300"><layout type="vertical">{small}{_item(_3D)}</layout></item></layout>'
    )
    return Layout(73502, {}, (), xml)


PAIR, THICK = _pair(), _thick()
_CONTRAST = {
    more: _contrast(
        73503 + index, *(name for name, there in zip((SUBTRACTION, "flair"), more, strict=True) if there)
    )
    for index, more in enumerate(product((False, True), repeat=2))
}
LAYOUTS = {layout.number: layout for layout in (PAIR, THICK, *_CONTRAST.values())}


def layoutFor(task: str, volumes: Mapping[str, str]) -> Layout | None:
    """The layout that suits the scans of a task (volume IDs by input name), or None: the person's own is as good."""
    row = TASKS[task]
    if row.compares:
        return PAIR
    if row.before_after and volumes.get(row.before_after[0]):
        return _CONTRAST[bool(volumes.get(SUBTRACTION)), bool(volumes.get("flair"))]
    scan = slicer.mrmlScene.GetNodeByID(volumes.get(row.reviewed_on) or "")
    return THICK if scan is not None and _hasThickSlices(scan) else None


def describe() -> None:
    """Tell Slicer what the layouts look like; where one is the current one already, its views appear."""
    node = _layoutNode()
    if node is None:
        return
    for number, layout in LAYOUTS.items():
        node.AddLayoutDescription(number, layout.xml)
        if node.GetViewArrangement() == number:
            node.SetViewArrangement(number)  # the layout manager does nothing for an equal number


def show(layout: Layout) -> None:
    """Change to a layout, and remember the one of before."""
    node = _layoutNode()
    if node is None:
        return
    describe()
    if node.GetViewArrangement() != layout.number:
        with slicer.util.NodeModify(node):  # each change of it builds the views anew
            if node.GetViewArrangement() not in LAYOUTS:
                node.SetAttribute(BEFORE, str(node.GetViewArrangement()))
            slicer.app.layoutManager().setLayout(layout.number)


def leave() -> None:
    """Give back the layout of before; one that the person has chosen meanwhile stays."""
    node = _layoutNode()
    if node is None:
        return
    with slicer.util.NodeModify(node):
        if node.GetViewArrangement() in LAYOUTS:
            before = node.GetAttribute(BEFORE)
            slicer.app.layoutManager().setLayout(int(before) if before else node.SlicerLayoutFourUpView)
        node.RemoveAttribute(BEFORE)


def _hasThickSlices(volumeNode) -> bool:
    """Whether axial slices are much thicker than what lies within them."""
    steps = affineOf(volumeNode)[:3, :3]
    sizes = np.linalg.norm(steps, axis=0)
    thickest = int(np.argmax(sizes))
    return sizes[thickest] > _THICK * sizes.min() and int(np.argmax(np.abs(steps[:, thickest]))) == 2


def _layoutNode():
    """The scene's layout, or None where Slicer has no window."""
    manager = slicer.app.layoutManager()
    return None if manager is None else manager.layoutLogic().GetLayoutNode()
