"""How well a model does on prepared examples: the same numbers for validation and for the gate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MSLesionSegLib.evaluation.mask_pairs import average
from MSLesionSegLib.evaluation.metrics import compare_masks
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.lesions.components import LesionRule, find_lesions
from MSLesionSegLib.network.models.store import Model
from MSLesionSegLib.network.sliding_window import predict
from MSLesionSegLib.training.examples.example import Example

METRICS = ("dice", "f1", "sensitivity", "ppv", "false_positives")


@dataclass(frozen=True)
class Score:
    """One example's numbers, on the network's grid (1 mm), by the any-overlap rule of ``evaluation.metrics``.

    Attributes:
        name, site: of the example.
        lesion_free: whether its reference has no lesion; dice, f1, sensitivity (and ppv) are None then.
        dice, f1, sensitivity, ppv: in [0, 1], or None where they are not defined.
        false_positives: predicted lesions that touch no reference lesion.
    """

    name: str
    site: str
    lesion_free: bool
    dice: float | None
    f1: float | None
    sensitivity: float | None
    ppv: float | None
    false_positives: int


@dataclass(frozen=True)
class LeftOutScores:
    """What leave-one-out measured.

    Attributes:
        old, new: scores, case by case, of a model that never saw these patients and of models that were trained from
            such a one without the scored patient.
        remark: sentence for the verdict where the old model is not the one in use; may be empty.
    """

    old: Sequence[Score] = ()
    new: Sequence[Score] = ()
    remark: str = ""


NOTHING_LEFT_OUT = LeftOutScores()


def score(
    model: Model, examples: Sequence[Example], *, device: str = "cpu", progress: Progress | None = None
) -> list[Score]:
    """Run a model over prepared examples and compare what it finds with their labels (cut at one half).

    Mirrored inputs are not averaged, whatever the card says: old and new model are treated alike, in a quarter of the
    time.
    """
    progress = progress or Silent()
    card = model.card
    rule = LesionRule(card.threshold, card.minimum_mm3, card.minimum_peak)
    scores = []
    for k, example in enumerate(examples):
        progress.stage("scoring", k / len(examples))
        image = np.asarray(example.array("image"), dtype=np.float32)
        label = np.asarray(example.array("label")) > 127
        found = predict(model, image, np.asarray(example.array("brain")), device=device)
        mask = find_lesions(found.probability, rule, card.spacing_mm**3)[0] > 0
        metrics = compare_masks(mask, label, (card.spacing_mm,) * 3)
        numbers = {name: getattr(metrics, name) for name in METRICS}
        scores.append(Score(example.name, example.site, not label.any(), **numbers))
    return scores


def means(scores: Sequence[Score]) -> dict[str, float | None]:
    """Mean of every metric over the examples where it is defined."""
    return {name: average([getattr(s, name) for s in scores]).mean for name in METRICS}


def seconds_to_score(model: Model, examples: Sequence[Example], device: str) -> float:
    """Expected seconds for scoring examples, from the first of them."""
    if not examples:
        return 0.0
    begin = time.monotonic()
    score(model, examples[:1], device=device)
    return (time.monotonic() - begin) * len(examples)
