"""The page that a person reads: one HTML file with everything in it, for the screen and for paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from MSLesionSegLib.lesions import regions
from MSLesionSegLib.lesions.components import LesionRule
from MSLesionSegLib.lesions.regions import REGION_RULE
from MSLesionSegLib.lesions.table import Lesion, dictation, percent
from MSLesionSegLib.page_template import fill_page
from MSLesionSegLib.segmentation.report.close_ups import CloseUp, close_ups
from MSLesionSegLib.segmentation.report.pictures import Colour, Pictures, Projection, SlicePicture, css
from MSLesionSegLib.segmentation.report.viewer import ViewedLesion, ViewedScan, view
from MSLesionSegLib.tasks import get_task

_TEMPLATE = Path(__file__).with_name("report.html")

# after Okabe and Ito, so that colour-blind readers tell them apart, and bright enough on grey
REGION_COLOURS: dict[str, Colour] = {
    regions.PERIVENTRICULAR: (240, 100, 40),
    regions.JUXTACORTICAL: (86, 180, 233),
    regions.IN_INFRATENTORIAL: (230, 120, 190),
    regions.DEEP_WHITE_MATTER: (225, 195, 40),
}
_OTHER_COLOUR: Colour = (0, 190, 140)


def write_report(
    path: Path,
    manifest: Mapping[str, Any],
    image: nib.Nifti1Image,
    brain: np.ndarray,
    labels: np.ndarray,
    lesions: Sequence[Lesion],
    others: Mapping[str, nib.Nifti1Image] | None = None,
    possible: Sequence[Lesion] = (),
    possible_labels: np.ndarray | None = None,
) -> None:
    """Write the page.

    Args:
        path: HTML file to write (UTF-8, no external resources; no scripts but those of the viewer).
        manifest: content of ``result.json``; its counts, settings and findings are shown.
        image: the scan that was segmented (X, Y, Z).
        brain: brain mask on the same grid.
        labels: lesion ids on the same grid, 0 outside.
        lesions: rows of the lesion table.
        others: further scans of the session on that grid, by name of the input; lesions are then shown on all.
        possible: what may be a lesion and is not counted, the most probable one first.
        possible_labels: their ids on the same grid; None leaves out the viewer, in which the scans can be scrolled.
    """
    task = get_task(manifest["task"])
    near: list[CloseUp] = []
    colours = {lesion.id: region_colour(lesion.region) for lesion in lesions}
    pictures = Pictures(image, brain, labels, colours)
    scans = {**(others or {}), task.reference: image}
    shown = {scan.name: scans[scan.name] for scan in task.inputs if scan.name in scans}
    if others:
        near = close_ups(shown, task.reference, brain, labels, lesions, colours)
    viewer = None
    if possible_labels is not None:
        first = max((lesion.id for lesion in lesions), default=0)
        ids = np.where(possible_labels > 0, possible_labels + first, labels)
        viewer = view(
            [ViewedScan(task.scan(name).title, scan, ids) for name, scan in shown.items()],
            [*(_viewed(one) for one in lesions), *(_viewed(one, first) for one in possible)],
            brain,
            image.affine,
        )
    page = render(manifest, lesions, pictures.slices(), pictures.projections(), near, possible, viewer)
    path.write_text(page, encoding="utf-8")


def region_colour(region: str | None) -> Colour:
    """Return the colour in which lesions of a region are drawn."""
    return REGION_COLOURS.get(region or "", _OTHER_COLOUR)


def render(
    manifest: Mapping[str, Any],
    lesions: Sequence[Lesion],
    slices: Sequence[SlicePicture],
    projections: Sequence[Projection],
    near: Sequence[CloseUp] = (),
    possible: Sequence[Lesion] = (),
    viewer: Mapping[str, Any] | None = None,
) -> str:
    """Return the page as text. Everything that comes from outside is escaped."""
    counts = manifest["counts"]
    task, settings = get_task(manifest["task"]), manifest["settings"]
    rule = LesionRule(
        *(settings[name] for name in ("threshold", "minimum_mm3", "minimum_peak", "connectivity"))
    )
    shown = {lesion for picture in slices for lesion in picture.lesions}
    return fill_page(
        _TEMPLATE,
        {
            "colour": lambda region: css(region_colour(region)),
            "number": _number,
            "percent": percent,
            "place": _place,
            "spacing": _spacing,
        },
        manifest=manifest,
        task=task,
        counts=counts,
        settings=settings,
        lesions=lesions,
        possible=possible,
        viewer=viewer,
        slices=slices,
        projections=projections,
        near=near,
        unsure=sum(bool(lesion.remark) for lesion in lesions),
        unseen=sum(lesion.id not in shown for lesion in lesions),
        largest_region_mm3=max((r["volume_mm3"] for r in counts["by_region"].values()), default=0) or 1.0,
        region_rule=REGION_RULE,
        text=dictation(lesions, rule, task.kind),
    )


def _viewed(lesion: Lesion, first: int | None = None) -> ViewedLesion:
    """A lesion, or with ``first`` a possible one, whose ids in the labels begin after that."""
    return ViewedLesion(
        id=lesion.id + (first or 0),
        number=lesion.id,
        name=lesion.region or "unknown",
        colour=css(region_colour(lesion.region)),
        size=lesion.volume_mm3,
        centre=lesion.centre_ras,
        possible=first is not None,
    )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _spacing(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _place(centre: Sequence[float]) -> str:
    sides = (("R", "L"), ("A", "P"), ("S", "I"))
    return " ".join(f"{s[0] if v >= 0 else s[1]} {abs(v):.0f}" for s, v in zip(sides, centre, strict=True))
