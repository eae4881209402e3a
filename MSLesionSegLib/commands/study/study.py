"""``mslesionseg study``: the papers' experiments on own cases."""

from __future__ import annotations

import typer

from MSLesionSegLib.commands.study.continual import study_continual
from MSLesionSegLib.commands.study.dynamics import study_dynamics
from MSLesionSegLib.commands.study.gate import study_gate
from MSLesionSegLib.commands.study.pretraining import study_pretraining
from MSLesionSegLib.commands.study.rerun import study_rerun
from MSLesionSegLib.commands.study.transfer import study_transfer

app = typer.Typer(no_args_is_help=True, help="Repeat experiments: those of the papers, on your own cases.")
app.command("continual")(study_continual)
app.command("dynamics")(study_dynamics)
app.command("gate")(study_gate)
app.command("pretraining")(study_pretraining)
app.command("transfer")(study_transfer)
app.command("rerun")(study_rerun)
