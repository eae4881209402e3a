"""``mslesionseg train``: from corrected masks to a better model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from MSLesionSegLib.commands.models import print_verdict
from MSLesionSegLib.commands.options import Device, JobOptions, Replay, takes_options
from MSLesionSegLib.commands.running import or_exit, run

if TYPE_CHECKING:
    from MSLesionSegLib.jobs.progress import Progress
    from MSLesionSegLib.training.fine_tuning.model_update import TrainedModel


@takes_options
def train(
    options: JobOptions,
    cases: Annotated[Path, typer.Option(help="Folder of a case set (mslesionseg cases).")],
    task: Annotated[str, typer.Option(help="Task of the cases.")] = "flair",
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Model to start from, by name or folder, or scratch for random weights (default: the model in use).",
        ),
    ] = None,
    tune: Annotated[
        str,
        typer.Option(
            help="Part that is tuned: all, decoder (the encoder stays as it is, also a random one), last (the last "
            "two convolutions) or encoder."
        ),
    ] = "all",
    recipe: Annotated[
        str, typer.Option(help="quick, ms-transfer, replay, pretrained or fcn; see docs/fine-tuning.md.")
    ] = "quick",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another value for a field of the recipe: field=value; can be repeated."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Time budget in minutes for everything, scoring and gate included (default: the recipe's)."
        ),
    ] = None,
    replay: Replay = None,
    no_replay: Annotated[
        bool,
        typer.Option("--no-replay", help="Do not train on replay buffers; the gate still looks at them."),
    ] = False,
    leave_one_out: Annotated[
        bool,
        typer.Option(
            "--leave-one-out",
            help="Too few cases to split: train once more without each of them, for the gate.",
        ),
    ] = False,
    name: Annotated[str | None, typer.Option(help="Name of the new model (default: a free one).")] = None,
    device: Device = "auto",
) -> None:
    """Fine-tune a model on corrected cases. It is put in use only if it is not worse than the one before.

    The new model is stored in any case. A killed run is resumed from its last checkpoint when the same command is
    given again. Several processes or GPUs: torchrun --nproc-per-node N -m MSLesionSegLib train ...
    """
    from MSLesionSegLib.training.fine_tuning.recipes import get_recipe, with_settings
    from MSLesionSegLib.training.loop.distributed import is_led_here, process_group
    from MSLesionSegLib.training.loop.stages import LOAD, train_stages

    budget = [] if minutes is None else [f"minutes={minutes}"]
    chosen = or_exit(lambda: with_settings(get_recipe(recipe), [*(settings or []), *budget]))

    def work(job: Progress) -> TrainedModel:
        job.stage(LOAD)
        from MSLesionSegLib.network.device import choose_device
        from MSLesionSegLib.training.fine_tuning.gate_cases import buffer_for
        from MSLesionSegLib.training.fine_tuning.model_update import TrainRequest, train

        request = TrainRequest(
            cases=cases,
            recipe=chosen,
            task=task,
            start=start,
            tune=tune,
            buffer=buffer_for(cases, task, replay),
            replay=not no_replay,
            name=name,
            device=device,
            leave_one_out=leave_one_out,
        )
        with process_group(choose_device(device)) as group:
            return train(request, job, group)

    if not is_led_here():
        _follow(work)
        return
    stages = train_stages(tune, leave_one_out)
    cancelled = (
        "Cancelled. The model in use stays. If a state of the new model had been scored by then, the best one is "
        "stored under its name; otherwise nothing was stored. Before any scoring and in the gate, the same command "
        "resumes it."
    )
    run("train", work, stages, lambda trained: trained.as_dict(), options, cancelled, show=_print_trained)


def _print_trained(trained: TrainedModel) -> None:
    print_verdict(trained.verdict)
    typer.echo(f"Model:  {trained.folder}\nIn use: {trained.in_use}")


def _follow(work: Callable[[Progress], TrainedModel]) -> None:
    """Take part in a training that another process leads, without a word."""
    from MSLesionSegLib.jobs.progress import Silent

    or_exit(lambda: work(Silent()))
