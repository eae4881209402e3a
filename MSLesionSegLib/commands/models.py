"""``mslesionseg models``: the models on this computer."""

from __future__ import annotations

from typing import Annotated

import typer

from MSLesionSegLib.commands.running import new_table, or_exit, print_table

app = typer.Typer(no_args_is_help=True, help="The models on this computer.")


@app.command("list")
def models_list() -> None:
    """The models on this computer: shipped ones and your own."""
    from MSLesionSegLib.network.store import list_models

    table = new_table("Model", "Task", "Trained from", "Date", "What it is")
    for card in list_models():
        table.add_row(card.name, card.task, card.parent or "-", card.created, card.description)
    print_table(table)


@app.command("show")
def models_show(name: Annotated[str, typer.Argument(help="Model name, or a folder such as ./mine.")]) -> None:
    """The card of one model: training, measured results, limits, licence."""
    import json
    from dataclasses import asdict

    from MSLesionSegLib.network.store import find_model, read_card

    card = or_exit(lambda: read_card(find_model(name)))
    typer.echo(json.dumps(asdict(card), indent=2, ensure_ascii=False))
