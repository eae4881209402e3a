"""The page of a comparison: one HTML file with everything in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from MSLesionSegLib.lesions.followup_table import FollowedLesion
from MSLesionSegLib.lesions.lesion_states import ENLARGED, NEW, SHRUNKEN, STABLE, STATE_RULE, STATES, VANISHED
from MSLesionSegLib.page_template import fill_page
from MSLesionSegLib.segmentation.longitudinal.comparison import LesionChange
from MSLesionSegLib.segmentation.report.pair_pictures import PictureTriple, lesion_triples, overview_triples
from MSLesionSegLib.segmentation.report.pictures import Colour, css
from MSLesionSegLib.segmentation.report.viewer import ViewedLesion, ViewedScan, view

TITLES = {"baseline": "Baseline", "followup": "Follow-up"}
_TEMPLATE = Path(__file__).with_name("pair.html")

# after Okabe and Ito, as the regions of the other page
STATE_COLOURS: dict[str, Colour] = {
    NEW: (213, 60, 0),
    ENLARGED: (230, 140, 0),
    STABLE: (120, 130, 140),
    SHRUNKEN: (60, 150, 215),
    VANISHED: (0, 140, 105),
}


def write_pair_report(
    path: Path,
    manifest: Mapping[str, Any],
    change: LesionChange,
    rows: Sequence[FollowedLesion],
    scans: Mapping[str, nib.Nifti1Image] | None = None,
) -> None:
    """Write the page (UTF-8, no external resources; no scripts but those of the viewer).

    Args:
        path: HTML file to write.
        manifest: content of ``result.json``; comparability, counts, settings and findings are shown.
        change: what was found.
        rows: rows of the lesion table.
        scans: ``baseline`` and ``followup``, to be scrolled through; None leaves the viewer out.
    """
    triples = lesion_triples(change.subtraction, change.tracked, rows, STATE_COLOURS)
    viewer = None if scans is None else _viewer(change, rows, scans)
    page = render(manifest, rows, triples, overview_triples(change.subtraction), viewer)
    path.write_text(page, encoding="utf-8")


def render(
    manifest: Mapping[str, Any],
    rows: Sequence[FollowedLesion],
    triples: Sequence[PictureTriple],
    overview: Sequence[PictureTriple],
    viewer: Mapping[str, Any] | None = None,
) -> str:
    """Return the page as text. Everything that comes from outside is escaped."""
    return fill_page(
        _TEMPLATE,
        {"colour": lambda state: css(STATE_COLOURS[state])},
        manifest=manifest,
        counts=manifest["counts"],
        settings=manifest["settings"],
        comparability=manifest["comparability"],
        rows=_by_state(rows),
        viewer=viewer,
        triples=triples,
        overview=overview,
        states=STATES,
        state_rule=STATE_RULE,
        titles=TITLES,
    )


def _viewer(
    change: LesionChange, rows: Sequence[FollowedLesion], scans: Mapping[str, nib.Nifti1Image]
) -> dict[str, Any]:
    pair, tracked = change.subtraction, change.tracked
    known = np.isin(tracked.labels, [row.lesion.id for row in rows])
    registrations = {"baseline": None, "followup": change.registration}
    shown = {"baseline": tracked.before & known, "followup": tracked.after & known}
    return view(
        [
            ViewedScan(title, scans[name], np.where(shown[name], tracked.labels, 0), registrations[name])
            for name, title in TITLES.items()
        ],
        [
            ViewedLesion(
                id=row.lesion.id,
                number=row.lesion.id,
                name=f"{row.state}, {row.lesion.region}",
                colour=css(STATE_COLOURS[row.state]),
                size=max(row.baseline_mm3, row.followup_mm3),
                centre=row.lesion.centre_ras,
            )
            for row in _by_state(rows)
        ],
        pair.brain,
        pair.affine,
    )


def _by_state(rows: Sequence[FollowedLesion]) -> list[FollowedLesion]:
    return sorted(rows, key=lambda row: (STATES.index(row.state), row.lesion.id))
