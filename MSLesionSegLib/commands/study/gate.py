"""``mslesionseg study gate``: is a model that was taught something wrong kept out of use?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from MSLesionSegLib.commands.options import takes_options
from MSLesionSegLib.commands.study.options import StudyOptions, model_reference, threads_or_default
from MSLesionSegLib.jobs.job import Job


@takes_options
def study_gate(
    options: StudyOptions,
    cases: Annotated[
        Path, typer.Argument(help="BIDS dataset with FLAIRs, lesion masks and, if there, T1w scans.")
    ],
    start: Annotated[
        str, typer.Option("--from", help="Model in use; it never saw the patients to validate on.")
    ],
    train: Annotated[int, typer.Option(help="Patients to train on.")] = 5,
    validate: Annotated[
        list[str] | None,
        typer.Option(
            help="Patient to validate on, such as sub-01; can be repeated (default: three by chance)."
        ),
    ] = None,
    recipe: Annotated[str, typer.Option(help="Recipe of the fine-tuning.")] = "quick",
    seed: Annotated[int, typer.Option(help="Order of the patients.")] = 0,
) -> None:
    """Teach a model something wrong, and see whether the gate keeps it out of use."""

    def work(job: Job) -> Path:
        from MSLesionSegLib.studies.engine.recipes import study_recipe
        from MSLesionSegLib.studies.gate.settings import GateData, GateSettings
        from MSLesionSegLib.studies.gate.study import run_gate

        chosen = GateSettings(
            start=model_reference(start),
            train=train,
            validate=tuple(validate or ()),
            recipe=study_recipe(recipe, options.settings).as_dict(),
            seed=seed,
            threads=threads_or_default(options.threads),
        )
        return run_gate(
            chosen, GateData(str(cases.expanduser().absolute())), options.output, options.executor, job
        )

    options.run("gate", work)
