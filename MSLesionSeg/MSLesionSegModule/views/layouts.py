"""The layout for two scans of a patient: baseline above, follow-up below.

A scene keeps the number of its layout only, so Slicer must know what is behind that number before it loads one. The
layout that a person had before is remembered in the scene as well: it is given back also after saving and loading.
"""

import slicer

PAIR_LAYOUT = 73501  # ids of other layouts are small, or chosen at random above 10000
PAIR_VIEWS = {
    "baseline": ("BaselineAxial", "BaselineSagittal"),
    "followup": ("FollowupAxial", "FollowupSagittal"),
}
BEFORE = "MSLesionSeg.Before"  # attribute of nodes: what the person had set there
_ORIENTATIONS = ("Axial", "Sagittal")
_COLOURS = {"baseline": "#56B4E9", "followup": "#D55E00"}


def description() -> str:
    """What the layout looks like, as Slicer's XML."""
    rows = []
    for scan, names in PAIR_VIEWS.items():
        views = "".join(
            f'<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
            f'<property name="orientation" action="default">{orientation}</property>'
            f'<property name="viewlabel" action="default">{scan[0].upper()}{orientation[0]}</property>'
            f'<property name="viewcolor" action="default">{_COLOURS[scan]}</property>'
            "</view></item>"
            for name, orientation in zip(names, _ORIENTATIONS, strict=True)
        )
        rows.append(f'<item><layout type="horizontal">{views}</layout></item>')
    return f'<layout type="vertical">{"".join(rows)}</layout>'


def describe() -> None:
    """Tell Slicer what the layout looks like; where it is the current one already, its views appear."""
    node = _layoutNode()
    if node is None:
        return
    node.AddLayoutDescription(PAIR_LAYOUT, description())
    if node.GetViewArrangement() == PAIR_LAYOUT:
        node.SetViewArrangement(PAIR_LAYOUT)  # the layout manager does nothing for an equal number


def show() -> None:
    """Change to the layout, and remember the one of before."""
    node = _layoutNode()
    if node is None:
        return
    describe()
    if node.GetViewArrangement() != PAIR_LAYOUT:
        with slicer.util.NodeModify(node):  # each change of it builds the views anew
            node.SetAttribute(BEFORE, str(node.GetViewArrangement()))
            slicer.app.layoutManager().setLayout(PAIR_LAYOUT)


def leave() -> None:
    """Give back the layout of before; one that the person has chosen meanwhile stays."""
    node = _layoutNode()
    if node is None:
        return
    with slicer.util.NodeModify(node):
        if node.GetViewArrangement() == PAIR_LAYOUT:
            before = node.GetAttribute(BEFORE)
            slicer.app.layoutManager().setLayout(int(before) if before else node.SlicerLayoutFourUpView)
        node.RemoveAttribute(BEFORE)


def _layoutNode():
    """The scene's layout, or None where Slicer has no window."""
    manager = slicer.app.layoutManager()
    return None if manager is None else manager.layoutLogic().GetLayoutNode()
