"""``mslesionseg dicom``: what DICOM studies hold."""

from __future__ import annotations

import typer

from MSLesionSegLib.commands.dicom.export import dicom_export
from MSLesionSegLib.commands.dicom.listing import dicom_list

app = typer.Typer(no_args_is_help=True, help="DICOM: which series there are, and results written back.")
app.command("list")(dicom_list)
app.command("export")(dicom_export)
