"""The steps from data to measured models for one FLAIR and for enhancing lesions, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from model_development.brain_model import train_brain_model
from model_development.default_models import STAGES, adopt, make_synthetic, prepare_examples, train_stage
from model_development.enhancing_examples import prepare_enhancing
from model_development.enhancing_measurement import measure_enhancing
from model_development.enhancing_model import FIRST_PARENT, train_enhancing
from model_development.enhancing_model import STAGES as ENHANCING_STAGES
from model_development.measurement import measure, rotation_scans
from model_development.stepwise import go_through
from MSLesionSegLib.jobs.progress import Progress

# expected share of the time
STEPS: dict[str, float] = {
    "synthesise": 10,
    "brain": 25,
    "prepare": 6,
    **{name: stage.recipe.steps / 40 for name, stage in STAGES.items()},
    "measure": 10,
}
ENHANCING_STEPS: dict[str, float] = {
    "prepare": 4,
    **{name: stage.recipe.steps / 100 for name, stage in ENHANCING_STAGES.items()},
    "measure": 5,
}


def run_steps(data: Path, work: Path, names: Sequence[str], progress: Progress) -> Path:
    """Run steps in the order of :data:`STEPS`; what is finished already is not done again.

    Scans are prepared and measured with the brain network that is shipped, as a user gets it. To go on with the one
    that the step ``brain`` makes, copy ``work/models/brain`` to ``Resources/Models`` first.

    Args:
        data: folder with the datasets ``ms3seg``, ``openms_cross``, ``openms_long``, ``brats`` and, when there,
            ``lesion_shapes``.
        work: folder for examples, checkpoints, models and measured maps.
        names: steps to run; all when empty.

    Raises:
        SettingsError: an unknown step, or a step whose forerunner is missing.
    """

    def do(name: str, inner: Progress) -> None:
        if name == "synthesise":
            make_synthetic(data, work, inner)
        elif name == "brain":
            train_brain_model(data, work, inner)
        elif name == "prepare":
            prepare_examples(data, work, inner)
        elif name == "measure":
            measure(rotation_scans(data, work / "models"), work, inner)
        else:
            train_stage(name, data, work, inner)

    go_through(STEPS, names, progress, do)
    return work


def run_enhancing_steps(data: Path, work: Path, names: Sequence[str], progress: Progress) -> Path:
    """Run steps in the order of :data:`ENHANCING_STEPS`; what is finished already is not done again.

    Args:
        data: folder with the datasets ``openms_cross`` and ``brats`` (T1 pairs) and ``ms3seg`` and ``openms_long``.
        work: folder for examples, checkpoints, models and measured maps.
        names: steps to run; all when empty.

    Raises:
        SettingsError: an unknown step, or a step whose forerunner is missing.
    """

    def do(name: str, inner: Progress) -> None:
        if name == "prepare":
            adopt(FIRST_PARENT, work)
            prepare_enhancing(data, work, inner)
        elif name == "measure":
            measure_enhancing(data, work, inner)
        else:
            train_enhancing(name, work, inner)

    go_through(ENHANCING_STEPS, names, progress, do)
    return work
