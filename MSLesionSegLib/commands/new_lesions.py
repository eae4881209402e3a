"""``mslesionseg segment new``: what changed between two FLAIRs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from MSLesionSegLib.commands.options import Dicom, FlairModel, SegmentOptions, Series, takes_options
from MSLesionSegLib.commands.running import new_table, print_table
from MSLesionSegLib.commands.segment import MOST_ROWS, print_places, run_task

if TYPE_CHECKING:
    from MSLesionSegLib.segmentation.segment import SegmentationResult


@dataclass(frozen=True, kw_only=True)
class PairOptions(SegmentOptions):
    """Options of the task that compares two visits."""

    flair_model: FlairModel = None
    registration: Annotated[
        str,
        typer.Option(
            help="rigid, affine, restricted-syn (rigid, then few coarse steps) or full-syn (the usual SyN)."
        ),
    ] = "rigid"
    mirroring: Annotated[
        bool,
        typer.Option(
            "--mirroring", "--flips", help="Average over mirrored inputs in all networks; four times as long."
        ),
    ] = False
    previous: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the earlier comparison whose follow-up is now the baseline, a label image of its "
            "lesions, or the DICOM Segmentation of its study; lesions keep their ids, and with --dicom their "
            "tracking UIDs."
        ),
    ] = None
    force: Annotated[
        bool, typer.Option("--force", help="Count lesions although a check of comparability is red.")
    ] = False


@takes_options
def segment_new(
    options: PairOptions,
    baseline: Annotated[
        Path,
        typer.Option(
            help="Earlier FLAIR: a file, or a DICOM series or study; a folder with both studies may be given twice."
        ),
    ],
    followup: Annotated[Path, typer.Option(help="Later FLAIR of the same patient.")],
    series: Series = None,
    dicom: Dicom = False,
) -> None:
    """New, enlarged, shrunken and vanished lesions between two FLAIRs."""
    run_task("new", {"baseline": baseline, "followup": followup}, series, options, print_pair, dicom=dicom)


def print_pair(result: SegmentationResult) -> None:
    for check in result.checks:
        typer.secho(f"{check.light:<6}{check.sentence}", fg={"amber": "yellow"}.get(check.light, check.light))
    if result.counts is None:
        typer.echo("No lesions are counted, because these scans cannot be compared (--force counts anyway).")
    else:
        changed = [row for row in result.lesions if row.state != "stable"]
        table = new_table("No.", "State", "Region", "Baseline mm3", "Follow-up mm3", "p change")
        for row in changed[:MOST_ROWS]:
            table.add_row(
                str(row.lesion.id),
                row.state,
                row.lesion.region,
                f"{row.baseline_mm3:.0f}",
                f"{row.followup_mm3:.0f}",
                f"{row.lesion.peak_probability:.2f}",
            )
        if changed:
            print_table(table)
        if len(changed) > MOST_ROWS:
            typer.echo(f"... and {len(changed) - MOST_ROWS} more in {result.files['table']}")
        settings = result.settings
        numbers = ", ".join(f"{count} {state}" for state, count in result.counts["states"].items())
        typer.echo(
            f"{numbers} ({settings['connectivity']}-connected, change of at least {settings['minimum_mm3']:g} mm3, "
            f"probability from {settings['threshold']:g}; {result.timings['total']:.0f} s)"
        )
    print_places(result)
