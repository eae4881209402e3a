"""The steps from data to a measured model for enhancing lesions, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from model_development.default_models import adopt
from model_development.enhancing_examples import prepare_enhancing
from model_development.enhancing_measurement import measure_enhancing
from model_development.enhancing_model import FIRST_PARENT, STAGES, train_enhancing
from model_development.stepwise import go_through
from MSLesionSegLib.jobs.progress import Progress

# expected share of the time
STEPS: dict[str, float] = {
    "prepare": 4,
    **{name: stage.recipe.steps / 100 for name, stage in STAGES.items()},
    "measure": 5,
}


def run_enhancing_steps(data: Path, work: Path, names: Sequence[str], progress: Progress) -> Path:
    """Run steps in the order of :data:`STEPS`; what is finished already is not done again.

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

    go_through(STEPS, names, progress, do)
    return work
