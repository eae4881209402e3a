"""The command ``mslesionseg``: parse, call, print. Work is imported inside commands; help stays quick."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

import typer

from MSLesionSegLib import __version__
from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.jobs import NOTHING_WRITTEN, ExitCode, Job, abandon, run_job

if TYPE_CHECKING:
    from MSLesionSegLib.lesions.evaluation import Evaluation
    from MSLesionSegLib.lesions.metrics import CaseMetrics
    from MSLesionSegLib.segmentation.demo import DemoOutcome
    from MSLesionSegLib.segmentation.segment import SegmentationResult

T = TypeVar("T")

app = typer.Typer(
    name="mslesionseg",
    help="Multiple sclerosis lesions on brain MRI. For research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
segment_app = typer.Typer(no_args_is_help=True, help="Find lesions on a patient's scans.")
models_app = typer.Typer(no_args_is_help=True, help="The models on this computer.")
study_app = typer.Typer(no_args_is_help=True, help="Repeat the experiments behind the shipped models.")
app.add_typer(segment_app, name="segment")
app.add_typer(models_app, name="models")
app.add_typer(study_app, name="study")

Output = Annotated[Path, typer.Option("--output", "-o", help="Folder to make for the result.")]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Model name, or a folder such as ./mine (default: shipped).")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Threshold = Annotated[
    float | None, typer.Option(help="Probability from which a voxel is lesion (default: model card).")
]
MinVolume = Annotated[
    float | None, typer.Option("--min-volume", help="Drop smaller lesions, in mm3 (default: model card).")
]
MinPeak = Annotated[
    float | None,
    typer.Option(
        "--min-peak", help="Drop lesions that nowhere reach this probability (default: model card)."
    ),
]
BrainMask = Annotated[Path | None, typer.Option(help="Brain mask on the scan's grid (default: found).")]
Flips = Annotated[
    bool | None,
    typer.Option(
        "--flips/--no-flips",
        help="Average over mirrored inputs and add an uncertainty map, or be quick (default: model card).",
    ),
]
N4 = Annotated[bool, typer.Option("--n4", help="Correct the bias field first.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an earlier result of the same command.")
]
Events = Annotated[bool, typer.Option("--events", help="Print one JSON object per line instead of a bar.")]
StopFile = Annotated[Path | None, typer.Option(help="Cancel when this file appears.")]


@segment_app.command("flair")
def segment_flair(
    flair: Annotated[
        Path, typer.Option(help="FLAIR: NIfTI or NRRD file, or a folder with one DICOM series.")
    ],
    output: Output,
    model: ModelOption = None,
    device: Device = "auto",
    threshold: Threshold = None,
    min_volume: MinVolume = None,
    min_peak: MinPeak = None,
    brain_mask: BrainMask = None,
    flips: Flips = None,
    n4: N4 = False,
    overwrite: Overwrite = False,
    events: Events = False,
    stop_file: StopFile = None,
) -> None:
    """All white-matter lesions on one FLAIR."""

    def work(job: Job) -> SegmentationResult:
        from MSLesionSegLib.segmentation.segment import SegmentRequest, segment

        request = SegmentRequest(
            task="flair",
            inputs={"flair": flair},
            output=output,
            model=model,
            device=device,
            threshold=threshold,
            minimum_mm3=min_volume,
            minimum_peak=min_peak,
            brain_mask=brain_mask,
            flips=flips,
            n4=n4,
            overwrite=overwrite,
        )
        return segment(request, job)

    from MSLesionSegLib.segmentation.stages import segmentation_stages

    stages = segmentation_stages(brain_given=brain_mask is not None, n4=n4, flips=_flips(flips, model))
    result = _run("segment flair", work, stages, _describe_segmentation, events, stop_file)
    if not events:
        with _printing():
            _print_lesions(result)


@app.command()
def demo(
    flair: Annotated[Path | None, typer.Option(help="Your own FLAIR instead of a synthetic patient.")] = None,
    output: Output = Path("demo"),
    model: ModelOption = None,
    seed: Annotated[int, typer.Option(help="Which synthetic patient.")] = 7,
    overwrite: Overwrite = False,
    events: Events = False,
    stop_file: StopFile = None,
) -> None:
    """Make a synthetic patient, segment it and compare the result with the known truth."""

    def work(job: Job) -> DemoOutcome:
        from MSLesionSegLib.segmentation.demo import run_demo

        return run_demo(flair, output, job, model=model, seed=seed, overwrite=overwrite)

    from MSLesionSegLib.segmentation.stages import demo_stages

    def describe(outcome: DemoOutcome) -> dict[str, Any]:
        return _describe_segmentation(outcome.result)

    stages = demo_stages(own_scan=flair is not None, flips=_flips(None, model))
    kept = f"Cancelled. No result was written; a finished synthetic patient stays in {output / 'patient'}."
    cancelled = kept if flair is None else NOTHING_WRITTEN
    outcome = _run("demo", work, stages, describe, events, stop_file, cancelled)
    if not events:
        with _printing():
            _print_lesions(outcome.result)
            if outcome.comparison is not None:
                _print_comparison(outcome.comparison)


@app.command()
def evaluate(
    cases: Annotated[
        Path | None, typer.Argument(help="CSV file with the columns name, prediction and reference.")
    ] = None,
    prediction: Annotated[Path | None, typer.Option(help="One mask instead of a CSV file.")] = None,
    reference: Annotated[Path | None, typer.Option(help="Its reference mask.")] = None,
    preset: Annotated[str, typer.Option(help="What counts as found: any-overlap or msseg.")] = "any-overlap",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to make for the numbers.")
    ] = None,
    overwrite: Overwrite = False,
    events: Events = False,
    stop_file: StopFile = None,
) -> None:
    """Compare lesion masks with reference masks, lesion by lesion and voxel by voxel."""
    if (cases is None) == (prediction is None) or (prediction is None) != (reference is None):
        raise typer.BadParameter("Give a CSV file, or --prediction and --reference.")

    def work(job: Job) -> Evaluation:
        from MSLesionSegLib.segmentation import evaluate as module

        listed = module.read_cases(cases) if cases else [(prediction.name, prediction, reference)]
        return module.evaluate(listed, job, preset=preset, listing=cases, output=output, overwrite=overwrite)

    def describe(evaluation: Evaluation) -> dict[str, Any]:
        averages = {name: value.mean for name, value in evaluation.averages.items()}
        folder = {"folder": str(output.absolute())} if output else {}
        return {"preset": preset, "cases": len(evaluation.cases), "averages": averages, **folder}

    evaluation = _run("evaluate", work, {"compare masks": 1.0}, describe, events, stop_file)
    if not events:
        from MSLesionSegLib.lesions.evaluation import to_markdown

        with _printing():
            typer.echo(to_markdown(evaluation))


@app.command()
def info() -> None:
    """Versions, devices and models, to send along with a question. Holds no patient data."""
    from MSLesionSegLib.diagnostics import diagnostic_text

    typer.echo(diagnostic_text())


@models_app.command("list")
def models_list() -> None:
    """The models on this computer: shipped ones and your own."""
    from MSLesionSegLib.network.store import list_models

    table = _table("Model", "Task", "Trained from", "Date", "What it is")
    for card in list_models():
        table.add_row(card.name, card.task, card.parent or "-", card.created, card.description)
    _print(table)


@models_app.command("show")
def models_show(name: Annotated[str, typer.Argument(help="Model name, or a folder such as ./mine.")]) -> None:
    """The card of one model: training, measured results, limits, licence."""
    import json
    from dataclasses import asdict

    from MSLesionSegLib.network.store import find_model, read_card

    card = _or_exit(lambda: read_card(find_model(name)))
    typer.echo(json.dumps(asdict(card), indent=2, ensure_ascii=False))


@study_app.command("default-models")
def study_default_models(
    data: Annotated[Path, typer.Option(help="Folder with the public datasets.")],
    work: Annotated[Path, typer.Option(help="Folder for examples, checkpoints, models and measured maps.")],
    step: Annotated[list[str] | None, typer.Option(help="Only this step; can be repeated.")] = None,
    events: Events = False,
    stop_file: StopFile = None,
) -> None:
    """Train and measure the shipped models step by step; a stopped run goes on where it was."""

    from MSLesionSegLib.studies.steps import STEPS, run_steps

    def run(job: Job) -> Path:
        return run_steps(data, work, step or [], job)

    shares = {name: share for name, share in STEPS.items() if not step or name in step}

    def describe(folder: Path) -> dict[str, Any]:
        return {"folder": str(folder)}

    cancelled = f"Cancelled. What was made so far stays in {work}; the same command goes on from there."
    _run("study default-models", run, shares, describe, events, stop_file, cancelled)


@study_app.command("results")
def study_results(
    work: Annotated[Path, typer.Option(help="Folder of the study.")],
    threshold: Annotated[float, typer.Option(help="Probability from which a voxel is lesion.")] = 0.5,
    min_volume: Annotated[float, typer.Option("--min-volume", help="Drop smaller lesions, in mm3.")] = 0.0,
    min_peak: Annotated[float, typer.Option("--min-peak", help="Drop lesions with a lower peak.")] = 0.0,
) -> None:
    """Write the measured numbers of the default models as tables."""
    from MSLesionSegLib.lesions.components import LesionRule
    from MSLesionSegLib.studies.results import write_results

    rule = LesionRule(threshold, min_volume, min_peak)
    typer.echo(str(_or_exit(lambda: write_results(work, rule))))


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        typer.echo(f"mslesionseg {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command; the entry point of the installed program."""
    app()


def _flips(wanted: bool | None, model: str | None) -> bool:
    """Whether a run will mirror its inputs, for a truthful progress bar before it begins."""
    from MSLesionSegLib.network.store import find_model, read_card
    from MSLesionSegLib.segmentation.tasks import get_task

    if wanted is not None:
        return wanted
    try:
        return read_card(find_model(model or get_task("flair").default_model)).flips
    except MSLesionSegError:
        return False  # the run itself will say what is wrong with the model


def _run(
    command: str,
    work: Callable[[Job], T],
    stages: dict[str, float],
    describe: Callable[[T], dict[str, Any]],
    events: bool,
    stop_file: Path | None,
    cancelled: str = NOTHING_WRITTEN,
) -> T:
    outcome = run_job(
        command,
        work,
        stages=stages,
        describe=describe,
        events=events,
        stop_file=stop_file,
        cancelled=cancelled,
    )
    if outcome.code != ExitCode.DONE:
        raise typer.Exit(int(outcome.code))
    return cast(T, outcome.value)


@contextlib.contextmanager
def _printing() -> Iterator[None]:
    """Print what came out. The work is done: a reader that has gone, such as ``head``, is no failure."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        abandon(sys.stdout)


def _or_exit(call: Callable[[], T]) -> T:
    try:
        return call()
    except MSLesionSegError as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(int(ExitCode.USER_ERROR)) from None


def _describe_segmentation(result: SegmentationResult) -> dict[str, Any]:
    return {
        "folder": str(result.folder.absolute()),
        "manifest": str(result.files["manifest"].absolute()),
        "files": {role: str(path.absolute()) for role, path in result.files.items()},
        "counts": result.counts,
    }


def _print_lesions(result: SegmentationResult, most: int = 30) -> None:
    table = _table("No.", "Region", "mm3", "Axis mm", "Centre RAS mm", "p mean", "p peak")
    for lesion in result.lesions[:most]:
        table.add_row(
            str(lesion.id),
            lesion.region or "unknown",
            f"{lesion.volume_mm3:.0f}",
            f"{lesion.longest_axis_mm:.1f}",
            " ".join(f"{v:.0f}" for v in lesion.centre_ras),
            *("-" if p is None else f"{p:.2f}" for p in (lesion.mean_probability, lesion.peak_probability)),
        )
    if result.lesions:
        _print(table)
    if len(result.lesions) > most:
        typer.echo(f"... and {len(result.lesions) - most} more in {result.files['table']}")
    settings = result.settings
    typer.echo(
        f"{result.counts['lesions']} lesions, {result.counts['volume_mm3'] / 1000:.2f} ml "
        f"({settings['connectivity']}-connected, at least {settings['minimum_mm3']:g} mm3, "
        f"probability from {settings['threshold']:g}, peak from {settings['minimum_peak']:g}; "
        f"model {result.model}; {result.timings['total']:.0f} s)"
    )
    typer.echo(f"Page:   {result.files['report']}\nResult: {result.folder}")
    typer.echo("For research use only. Check every lesion.")


def _print_comparison(comparison: CaseMetrics) -> None:
    found = f"{comparison.true_positives} of {comparison.reference_lesions} lesions found"
    dice = "-" if comparison.dice is None else f"{comparison.dice:.2f}"
    typer.echo(
        f"Against the known truth: {found}, {comparison.false_positives} false; Dice {dice}; "
        f"volume {comparison.predicted_volume_mm3 / 1000:.2f} ml instead of "
        f"{comparison.reference_volume_mm3 / 1000:.2f} ml (a lesion counts as found if one voxel overlaps)"
    )


def _table(*columns: str) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        number = column.endswith((".", "mm3", "mm")) or column.startswith("p ")
        table.add_column(
            column, justify="right" if number else "left", overflow="fold", min_width=len(column)
        )
    return table


def _print(table: Any) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    with console.capture() as text:  # rich would end the program where the reader has gone
        console.print(table)
    typer.echo(text.get(), nl=False)
