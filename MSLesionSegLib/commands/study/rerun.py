"""``mslesionseg study rerun``: a study again, from its study.json."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.commands.options import takes_options
from MSLesionSegLib.commands.study.options import RunOptions
from MSLesionSegLib.jobs.job import Job


@takes_options
def study_rerun(
    options: RunOptions,
    record: Annotated[Path, typer.Argument(help="study.json of the earlier run.")],
) -> None:
    """Run a study again from its study.json; on the same machine and data it gives the same numbers."""

    def work(job: Job) -> Path:
        from MSLesionSegLib.studies.rerun import rerun

        return rerun(record, options.output, options.executor, job)

    options.run("rerun", work)
