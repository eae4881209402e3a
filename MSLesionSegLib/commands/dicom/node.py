"""``mslesionseg node``: receives studies and sends results."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from MSLesionSegLib.commands.dicom.pacs import Config
from MSLesionSegLib.commands.options import JobOptions, takes_options
from MSLesionSegLib.commands.running import run
from MSLesionSegLib.errors import MissingPackageError
from MSLesionSegLib.jobs.job import Job


@takes_options
def node(
    options: JobOptions,
    config: Config = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Work as usual, but keep the results in the queue's folder.")
    ] = False,
) -> None:
    """Receive studies, find their lesions and send the results to the archive, until it is stopped."""

    def work(job: Job) -> None:
        from MSLesionSegLib.node.settings import node_settings
        from MSLesionSegLib.pacs.config_file import default_config, read_config
        from MSLesionSegLib.pacs.connection import connect, network_packages
        from MSLesionSegLib.pacs.nodes import find_node

        sections = read_config(config or default_config())
        settings = node_settings(sections)
        archive = connect(find_node(sections, settings.archive))
        with network_packages():
            from MSLesionSegLib.node.service import serve
        missing = [package for package in ("highdicom", "reportlab") if find_spec(package) is None]
        if missing:
            raise MissingPackageError(
                f"Results cannot be written without {' and '.join(missing)}: pip install 'mslesionseg[dicom]'."
            )
        serve(settings, archive, job, dry_run=dry_run)

    run("node", work, {"listen": 1.0}, lambda nothing: {}, options)
