"""``mslesionseg study rerun``: a study again, from its study.json."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.commands.options import Events, StopFile
from MSLesionSegLib.commands.study.options import Executor, StudyFolder, run_study
from MSLesionSegLib.jobs.job import Job


def study_rerun(
    record: Annotated[Path, typer.Argument(help="study.json of the earlier run.")],
    output: StudyFolder,
    executor: Executor = "local",
    events: Events = False,
    stop_file: StopFile = None,
) -> None:
    """Run a study again from its study.json; on the same machine and data it gives the same numbers."""

    def work(job: Job) -> Path:
        from MSLesionSegLib.studies.rerun import rerun

        return rerun(record, output, executor, job)

    run_study("rerun", work, output, events, stop_file)
