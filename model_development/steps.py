"""The steps from data to measured models, in their order; what is finished already is not done again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from model_development import default_models, enhancing_model, new_lesion_models
from model_development.brain_model import train_brain_model
from model_development.enhancing_examples import prepare_enhancing
from model_development.measuring.enhancing import measure_enhancing
from model_development.measuring.flair import measure_rotation
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Progress, Within


@dataclass(frozen=True)
class Step:
    """A step: its expected share of the time, and what does it with the folders of data and work."""

    share: float
    do: Callable[[Path, Path, Progress], object]


def _prepare_enhancing(data: Path, work: Path, progress: Progress) -> None:
    default_models.adopt(enhancing_model.FIRST_PARENT, work)
    prepare_enhancing(data, work, progress)


# Scans are prepared and measured with the brain network that is shipped, as a user gets it. To go on with the one
# that the step "brain" makes, copy work/models/brain to Resources/Models first.
FLAIR_STEPS: dict[str, Step] = {
    "synthesise": Step(10, default_models.make_synthetic),
    "brain": Step(25, train_brain_model),
    "prepare": Step(6, default_models.prepare_examples),
    **{
        name: Step(stage.recipe.steps / 40, partial(default_models.train_stage, name))
        for name, stage in default_models.STAGES.items()
    },
    "measure": Step(10, measure_rotation),
}
NEW_LESION_STEPS: dict[str, Step] = {
    "prepare": Step(5, new_lesion_models.prepare_hosts),
    **{
        name: Step(stage.recipe.steps / 40, partial(new_lesion_models.train_stage, name))
        for name, stage in new_lesion_models.STAGES.items()
    },
}
ENHANCING_STEPS: dict[str, Step] = {
    "prepare": Step(4, _prepare_enhancing),
    **{
        name: Step(stage.recipe.steps / 100, partial(enhancing_model.train_stage, name))
        for name, stage in enhancing_model.STAGES.items()
    },
    "measure": Step(5, measure_enhancing),
}


def run_steps(
    steps: Mapping[str, Step], data: Path, work: Path, names: Sequence[str], progress: Progress
) -> Path:
    """Run steps in their order and return ``work``.

    Args:
        steps: all that there are.
        data: folder with the datasets ``ms3seg``, ``openms_cross``, ``openms_long``, ``brats`` and, when there,
            ``lesion_shapes``.
        work: folder for examples, checkpoints, models and measured maps.
        names: steps to run; all when empty.
        progress: told each step as a stage.

    Raises:
        SettingsError: an unknown step, or a step whose forerunner is missing.
    """
    unknown = set(names) - set(steps)
    if unknown:
        raise SettingsError(f"There is no step {', '.join(sorted(unknown))}. Steps: {', '.join(steps)}.")
    for name, step in steps.items():
        if not names or name in names:
            step.do(data, work, Within(progress, name))
    return work
