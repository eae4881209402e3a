"""The page of a comparison: one HTML file with everything in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from MSLesionSegLib.lesions.followup_table import FollowedLesion
from MSLesionSegLib.lesions.lesion_states import ENLARGED, NEW, SHRUNKEN, STABLE, STATE_RULE, STATES, VANISHED
from MSLesionSegLib.page_template import fill_page
from MSLesionSegLib.segmentation.longitudinal.comparison import LesionChange
from MSLesionSegLib.segmentation.report.pair_pictures import PictureTriple, lesion_triples, overview_triples
from MSLesionSegLib.segmentation.report.pictures import Colour, css

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
    path: Path, manifest: Mapping[str, Any], change: LesionChange, rows: Sequence[FollowedLesion]
) -> None:
    """Write the page (UTF-8, no external resources, no scripts).

    Args:
        path: HTML file to write.
        manifest: content of ``result.json``; comparability, counts, settings and findings are shown.
        change: what was found.
        rows: rows of the lesion table.
    """
    triples = lesion_triples(change.subtraction, change.tracked, rows, STATE_COLOURS)
    page = render(manifest, rows, triples, overview_triples(change.subtraction))
    path.write_text(page, encoding="utf-8")


def render(
    manifest: Mapping[str, Any],
    rows: Sequence[FollowedLesion],
    triples: Sequence[PictureTriple],
    overview: Sequence[PictureTriple],
) -> str:
    """Return the page as text. Everything that comes from outside is escaped."""
    by_state = sorted(rows, key=lambda row: (STATES.index(row.state), row.lesion.id))
    return fill_page(
        _TEMPLATE,
        {"colour": lambda state: css(STATE_COLOURS[state])},
        manifest=manifest,
        counts=manifest["counts"],
        settings=manifest["settings"],
        comparability=manifest["comparability"],
        rows=by_state,
        triples=triples,
        overview=overview,
        states=STATES,
        state_rule=STATE_RULE,
        titles={"baseline": "Baseline", "followup": "Follow-up"},
    )
