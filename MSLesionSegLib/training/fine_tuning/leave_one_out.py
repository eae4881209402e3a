"""Leave-one-out: what a fine-tuning is worth where the cases are too few to keep some of them apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Progress, Within
from MSLesionSegLib.network.models.store import find_model, load_model, read_card
from MSLesionSegLib.training.examples.known_patients import nearest_untouched, patient
from MSLesionSegLib.training.fine_tuning.request import FineTuning, training_key
from MSLesionSegLib.training.fine_tuning.run import fine_tune
from MSLesionSegLib.training.fine_tuning.scores import LeftOutScores, Score, score
from MSLesionSegLib.training.loop.distributed import ProcessGroup
from MSLesionSegLib.training.loop.stages import GATE, LEAVE_ONE_OUT, TRAINING


class _Turn(Within):
    """The progress of one of the trainings of leave-one-out, which are one stage together.

    Args:
        progress: of the run.
        turn, turns: which training this is, and of how many.
        gate_s: seconds that the gate will take.
    """

    def __init__(self, progress: Progress, turn: int, turns: int, gate_s: float) -> None:
        super().__init__(progress, LEAVE_ONE_OUT)
        self._turn, self._turns, self._gate_s = turn, turns, gate_s

    def stage(self, name: str, fraction: float = 0.0) -> None:
        super().stage(name, (self._turn + (fraction if name == TRAINING else 0.0)) / self._turns)

    def expect(self, seconds: Mapping[str, float]) -> None:
        """The first one tells how long all of them take, and the training on all cases after them."""
        one = seconds[TRAINING]
        if self._turn == 0:
            self._progress.expect({LEAVE_ONE_OUT: self._turns * one, TRAINING: one, GATE: self._gate_s})


def leave_one_out(
    tuning: FineTuning, in_use: Path, folder: Path, default: str, progress: Progress, group: ProcessGroup
) -> LeftOutScores:
    """Train once more without each patient, and score that patient's cases.

    A model that was trained on a patient is no fair opponent on this patient's cases, nor a fair start.

    Args:
        tuning: the training on all cases, which is varied here.
        in_use: folder of the model in use.
        folder: receives the models; those that are there already are not trained again.
        default: shipped model, taken where no ancestor is known not to have seen the patients.
        progress: told the stage ``LEAVE_ONE_OUT``.
        group: processes that train together.

    Raises:
        SettingsError: fewer than two patients.
    """
    patients = list(dict.fromkeys(patient(example) for example in tuning.training))
    if len(patients) < 2:
        raise SettingsError("Leave-one-out needs training cases of at least two patients.")
    # a model that was trained on the case that is left out would know it already
    clean = {
        model: nearest_untouched(model, tuning.training) or find_model(default)
        for model in (in_use, tuning.start)
        if model is not None
    }
    old = load_model(clean[in_use], task=tuning.task)
    remark = ""
    if clean[in_use] != in_use:
        remark = (
            f"Leave-one-out compares with {old.card.name}: {read_card(in_use).name} was trained on some of these "
            "patients, or its card does not tell."
        )
        progress.warning("leave-one-out", remark)
    scores: tuple[list[Score], list[Score]] = [], []
    for k, left_out in enumerate(patients):
        turn = _Turn(progress, k, len(patients), tuning.keep_s)
        turn.stage(TRAINING)
        members = [example for example in tuning.training if patient(example) == left_out]
        others = [example for example in tuning.training if example not in members]
        apart = replace(tuning, training=others, validation=(), run="", keep_s=0.0, began=None, models=folder)
        apart = replace(apart, start=None if tuning.start is None else clean[tuning.start])
        name = f"without-{training_key(apart, apart.recipe)[:16]}"
        if not (folder / name).exists():
            fine_tune(replace(apart, name=name, work=folder / f"run-{name}"), turn, group)
        for found, model in zip(scores, (old, load_model(folder / name)), strict=True):
            found += score(model, members, device=tuning.device)
    return LeftOutScores(*scores, remark)
