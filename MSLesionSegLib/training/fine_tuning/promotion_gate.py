"""The promotion gate: whether a new model may take the place of the one in use.

Old and new model are measured on cases that were never trained on: the frozen validation cases of this site, and
cases of earlier sites (backward transfer, Lopez-Paz and Ranzato 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from MSLesionSegLib.cases.splits import SYNTHETIC_SITE
from MSLesionSegLib.evaluation.bootstrap import resampled
from MSLesionSegLib.jobs.progress import Progress, Silent
from MSLesionSegLib.network.models.store import Model
from MSLesionSegLib.training.examples.example import Example
from MSLesionSegLib.training.fine_tuning.scores import (
    METRICS,
    NOTHING_LEFT_OUT,
    LeftOutScores,
    Score,
    means,
    score,
)

FEWEST_CASES = 3
LARGEST_FALL = 0.02  # of the mean Dice, at this site and at any earlier one
_ROUNDING = 1e-9  # of the same numbers added in another order; no smaller fall is one


@dataclass(frozen=True)
class MetricChange:
    """A metric's mean before and after, over the cases where both models have it.

    Attributes:
        old, new: means.
        change: new minus old.
        low, high: 95 % interval of the change by a paired bootstrap over cases (percentiles of 2000 resamples); None
            below two cases.
        cases: number of cases.
    """

    old: float
    new: float
    change: float
    low: float | None
    high: float | None
    cases: int


@dataclass(frozen=True)
class EarlierSite:
    """How the Dice of an earlier site changes (backward transfer)."""

    site: str
    dice: MetricChange


@dataclass(frozen=True)
class Verdict:
    """What the gate says.

    Attributes:
        verdict: ``promote``, ``refuse`` or ``undecided``.
        sentence: why, in plain words.
        old, new: mean of each metric on the validation cases.
        changes: by metric, as far as it is defined.
        lesion_free: false positives per lesion-free scan, this site's and earlier ones', or None without such scans.
        earlier_sites: one entry per site of the earlier cases that have lesions.
        cases: number of validation cases.
    """

    verdict: str
    sentence: str
    old: dict[str, float | None]
    new: dict[str, float | None]
    changes: dict[str, MetricChange]
    lesion_free: MetricChange | None
    earlier_sites: tuple[EarlierSite, ...]
    cases: int

    def as_dict(self) -> dict[str, Any]:
        """JSON types; earlier sites with the keys site, dice_old, dice_new, change, low, high, cases."""
        sites = [
            {
                "site": entry.site,
                "dice_old": entry.dice.old,
                "dice_new": entry.dice.new,
                **{key: getattr(entry.dice, key) for key in ("change", "low", "high", "cases")},
            }
            for entry in self.earlier_sites
        ]
        return asdict(self) | {"earlier_sites": sites}


def judge_candidate(
    old: Model,
    new: Model,
    validation: Sequence[Example],
    earlier: Sequence[Example],
    *,
    left_out: LeftOutScores = NOTHING_LEFT_OUT,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Verdict:
    """Measure two models and decide.

    Args:
        old: the model in use; new: the candidate.
        validation: cases of this site that neither model was trained on.
        earlier: cases of earlier sites that the new model was not trained on.
        left_out: scores of leave-one-out, which count like those of validation cases.
    """
    progress = progress or Silent()
    here_old, before_old, here_new, before_new = (
        score(model, examples, device=device, progress=progress)
        for model in (old, new)
        for examples in (validation, earlier)
    )
    verdict = decide([*left_out.old, *here_old], before_old, [*left_out.new, *here_new], before_new)
    return with_remarks(verdict, left_out.remark, mirroring_remark(old, new))


def with_remarks(verdict: Verdict, *remarks: str) -> Verdict:
    """The verdict with what a person should know beside it; empty remarks are left out."""
    return replace(verdict, sentence=" ".join(filter(None, (verdict.sentence, *remarks))))


def mirroring_remark(old: Model, new: Model) -> str:
    """Says that the gate looks once where use looks four times; empty where use looks once too."""
    if not (old.card.mirroring or new.card.mirroring):
        return ""
    return "Both were measured without the averaging over mirrored inputs that they have in use."


def decide(
    old: Sequence[Score], old_earlier: Sequence[Score], new: Sequence[Score], new_earlier: Sequence[Score]
) -> Verdict:
    """Decide from measured scores; old and new ones belong together place by place.

    Promoted is who does not find lesions worse at this site (mean lesion F1), does not lose more than 0.02 of Dice at
    this or any earlier site and does not mark more on lesion-free scans. The Dice is there because by any overlap one
    blob over the whole brain finds every lesion and marks nothing else. The synthetic patients of the shipped buffer
    are no hospital: there only the loss of half of the Dice counts. Below three validation cases nothing is promoted:
    that is left to the person, unless an earlier site or a lesion-free scan decides against it.
    """
    changes = {name: found for name in METRICS if (found := compare(old, new, name)) is not None}
    lesion_free = compare(
        [s for s in (*old, *old_earlier) if s.lesion_free],
        [s for s in (*new, *new_earlier) if s.lesion_free],
        "false_positives",
    )
    sites = []
    for site in dict.fromkeys(s.site for s in old_earlier):
        before, after = ([s for s in scores if s.site == site] for scores in (old_earlier, new_earlier))
        dice = compare(before, after, "dice")
        if dice is not None:
            sites.append(EarlierSite(site, dice))
    verdict, sentence = _verdict(len(new), changes, lesion_free, sites)
    return Verdict(
        verdict, sentence, means(old), means(new), changes, lesion_free, tuple(sites), cases=len(new)
    )


def compare(old: Sequence[Score], new: Sequence[Score], metric: str) -> MetricChange | None:
    """Change of a metric over the cases where both models have it; None where there is no such case."""
    pairs = np.array(
        [
            (getattr(a, metric), getattr(b, metric))
            for a, b in zip(old, new, strict=True)
            if getattr(a, metric) is not None and getattr(b, metric) is not None
        ],
        dtype=float,
    ).reshape(-1, 2)
    if len(pairs) == 0:
        return None
    before, after = pairs.mean(0)
    interval = resampled(lambda changes: changes[..., 0].mean(-1), pairs[:, 1:] - pairs[:, :1])
    change = float(after - before)
    return MetricChange(float(before), float(after), change, interval.low, interval.high, len(pairs))


def _verdict(
    cases: int,
    changes: dict[str, MetricChange],
    lesion_free: MetricChange | None,
    sites: Sequence[EarlierSite],
) -> tuple[str, str]:
    collapsed = next((entry.dice for entry in sites if entry.site == SYNTHETIC_SITE), None)
    if collapsed is not None and collapsed.new < collapsed.old / 2 - _ROUNDING:
        return "refuse", (
            f"Refused: on {_counted(collapsed.cases, 'synthetic patient')} the Dice falls from "
            f"{collapsed.old:.2f} to {collapsed.new:.2f}, to less than half."
        )
    hospitals = [entry for entry in sites if entry.site != SYNTHETIC_SITE]
    worst = min(hospitals, key=lambda entry: entry.dice.change, default=None)
    if worst is not None and worst.dice.change < -LARGEST_FALL - _ROUNDING:
        return "refuse", (
            f"Refused: on {_counted(worst.dice.cases, 'case')} of the earlier site {worst.site} the Dice falls from "
            f"{worst.dice.old:.2f} to {worst.dice.new:.2f}, more than {LARGEST_FALL:g}."
        )
    if lesion_free is not None and lesion_free.change > _ROUNDING:
        return "refuse", (
            f"Refused: on {_counted(lesion_free.cases, 'lesion-free scan')} it marks "
            f"{lesion_free.new:.1f} lesions per scan instead of {lesion_free.old:.1f}."
        )
    f1, dice = changes.get("f1"), changes.get("dice")
    if cases < FEWEST_CASES:
        seen = "" if dice is None else f" The Dice is {dice.new:.2f} instead of {dice.old:.2f}."
        return "undecided", (
            f"Too few validation cases to tell ({cases}, at least {FEWEST_CASES} are needed): look at its masks and "
            f"decide yourself, or measure by leave-one-out.{seen}"
        )
    if f1 is None:
        return "undecided", "None of the validation cases has lesions: nothing says whether it finds them."
    interval = f" (95 % interval of the change {f1.low:+.2f} to {f1.high:+.2f})" if f1.low is not None else ""
    measured = f"lesion F1 {f1.new:.2f} instead of {f1.old:.2f} on {f1.cases} validation cases{interval}"
    if f1.change < -_ROUNDING:
        return "refuse", f"Refused: {measured}."
    if dice is not None and dice.change < -LARGEST_FALL - _ROUNDING:
        return "refuse", (
            f"Refused: on {dice.cases} validation cases of this site the Dice falls from {dice.old:.2f} to "
            f"{dice.new:.2f}, more than {LARGEST_FALL:g}."
        )
    kept = " and no earlier site loses" if hospitals else "; no earlier site was there to compare"
    return "promote", f"Promoted: {measured}{kept}."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
