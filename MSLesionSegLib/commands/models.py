"""``mslesionseg models``: the models on this computer, and which one is in use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from MSLesionSegLib.commands.options import Device, Events, JobOptions, Replay, takes_options
from MSLesionSegLib.commands.running import new_table, or_exit, print_table, printing, run
from MSLesionSegLib.jobs.printable import printable

if TYPE_CHECKING:
    from MSLesionSegLib.jobs.job import Job
    from MSLesionSegLib.training.fine_tuning.promotion_gate import Verdict

app = typer.Typer(no_args_is_help=True, help="The models on this computer.")

Name = Annotated[str, typer.Argument(help="Model name, or a folder such as ./mine.")]
Stored = Annotated[str, typer.Argument(help="Name of a stored model.")]


@app.command("list")
def models_list(events: Events = False) -> None:
    """The models on this computer as a family tree: shipped ones and your own; * marks those in use."""
    from MSLesionSegLib.network.models.model_in_use import warn_if_damaged
    from MSLesionSegLib.network.models.model_tree import ModelInTree, list_family

    def work(job: Job) -> list[ModelInTree]:
        warn_if_damaged(job)
        return list_family()

    run("models list", work, {}, _described, JobOptions(events=events), show=_print_family)


def _print_family(members: list[Any]) -> None:
    table = new_table("Model", "Task", "In use", "Owner", "Date", "What it is")
    for member in members:
        card = member.card
        table.add_row(
            "  " * member.depth + card.name,
            card.task,
            "*" if member.in_use else "",
            "shipped" if member.shipped else "own",
            card.created,
            card.description.split(". ")[0],  # the rest is for 'models show'
        )
    print_table(table)


def _described(members: list[Any]) -> dict[str, Any]:
    models = [
        {
            "name": member.card.name,
            "task": member.card.task,
            "parent": member.card.parent,
            "in_use": member.in_use,
            "shipped": member.shipped,
            "created": member.card.created,
            "description": member.card.description,
            "results": member.card.results,
        }
        for member in members
    ]
    return {"models": models}


@app.command("show")
def models_show(
    name: Name,
    page: Annotated[
        Path | None, typer.Option(help="Write the card as an HTML page to this file instead.")
    ] = None,
) -> None:
    """The card of one model: training, measured results, limits, licence."""
    import json

    from MSLesionSegLib.network.models.store import find_model, read_card

    card = or_exit(lambda: read_card(find_model(name)))
    if page is None:
        with printing():
            typer.echo(printable(json.dumps(card.as_dict(), indent=2, ensure_ascii=False)))
        return
    from MSLesionSegLib.network.models.card_page import write_card_page

    file = or_exit(lambda: write_card_page(card, page))
    with printing():
        typer.echo(str(file))


@app.command("use")
def models_use(name: Stored, events: Events = False) -> None:
    """Put a model in use: its task takes it from now on, unless another one is named."""
    from MSLesionSegLib.network.models.model_in_use import use_model

    def work(job: Job) -> dict[str, str]:
        from MSLesionSegLib.network.models.store import load_model

        load_model(name)  # what does not load would fail at the next patient
        return {"task": use_model(name), "model": name}

    run("models use", work, {}, dict, JobOptions(events=events), show=_print_in_use)


@app.command("rollback")
def models_rollback(
    task: Annotated[str, typer.Option(help="Task whose model is put back.")] = "flair",
    events: Events = False,
) -> None:
    """Return to the model that was in use before."""
    from MSLesionSegLib.network.models.model_in_use import model_in_use, roll_back
    from MSLesionSegLib.tasks import get_task

    def work(job: Job) -> dict[str, str]:
        get_task(task)
        roll_back(task)
        return {"task": task, "model": model_in_use(task)}

    run("models rollback", work, {}, dict, JobOptions(events=events), show=_print_in_use)


def _print_in_use(now: dict[str, str]) -> None:
    typer.echo(f"The task '{now['task']}' uses {now['model']} now.")


@app.command("export")
def models_export(
    name: Name,
    output: Annotated[Path, typer.Option("--output", "-o", help="Zip file to make.")],
    events: Events = False,
) -> None:
    """Write a model as one zip file: card, weights and a page to read."""
    from MSLesionSegLib.network.models.import_export import export_model

    def describe(file: Path) -> dict[str, Any]:
        return {"file": str(file.absolute())}

    options = JobOptions(events=events)
    run("models export", lambda job: export_model(name, output), {}, describe, options, show=typer.echo)


@app.command("import")
def models_import(
    source: Annotated[Path, typer.Argument(help="Zip file of an exported model, or a model folder.")],
    name: Annotated[str | None, typer.Option(help="Another name, where its own is taken.")] = None,
    events: Events = False,
) -> None:
    """Import a model from another computer; anything but safetensors weights with a card is refused."""
    from MSLesionSegLib.network.models.import_export import import_model

    def describe(folder: Path) -> dict[str, Any]:
        return {"model": folder.name, "folder": str(folder.absolute())}

    def show(folder: Path) -> None:
        typer.echo(f"{folder.name} is stored. Put it in use with: mslesionseg models use {folder.name}")

    options = JobOptions(events=events)
    run("models import", lambda job: import_model(source, name), {}, describe, options, show=show)


@app.command("compare")
@takes_options
def models_compare(
    options: JobOptions,
    old: Annotated[str, typer.Argument(help="The model to beat.")],
    new: Annotated[str, typer.Argument(help="The candidate.")],
    cases: Annotated[Path, typer.Option(help="Folder of a case set; its validation cases are measured.")],
    replay: Replay = None,
    device: Device = "auto",
) -> None:
    """Measure two models on the validation cases, as the gate does after training."""

    from MSLesionSegLib.training.loop.stages import COMPARE_STAGES, LOAD

    def work(job: Job) -> Verdict:
        job.stage(LOAD)
        from MSLesionSegLib.training.fine_tuning.gate_cases import compare_models

        return compare_models(old, new, cases, replay, device, job)

    def describe(verdict: Verdict) -> dict[str, Any]:
        return {"gate": verdict.as_dict()}

    run("models compare", work, COMPARE_STAGES, describe, options, show=print_verdict)


def print_verdict(verdict: Verdict) -> None:
    """The gate's table and its sentence."""
    table = new_table("Measured", "Cases n.", "Old n.", "New n.", "Change n.", "95 % interval")
    rows = list(verdict.changes.items())
    if verdict.lesion_free is not None:
        rows.append(("false positives, lesion-free", verdict.lesion_free))
    rows += [(f"dice, {entry.site}", entry.dice) for entry in verdict.earlier_sites]
    for name, change in rows:
        interval = "-" if change.low is None else f"{change.low:+.3f} to {change.high:+.3f}"
        table.add_row(
            name.replace("_", " "),
            str(change.cases),
            f"{change.old:.3f}",
            f"{change.new:.3f}",
            f"{change.change:+.3f}",
            interval,
        )
    print_table(table)
    typer.echo(verdict.sentence)
