"""How many lesions of each size are found, and how many of each size are false.

A mean over lesions hides that small ones are missed: in lesion-wise sensitivity a spot of 20 mm3 weighs as much as a
confluent lesion, in Dice it weighs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MSLesionSegLib.evaluation.bootstrap import Interval, resampled
from MSLesionSegLib.evaluation.metrics import JudgedLesions

SIZE_LIMITS_MM3 = (10.0, 30.0, 100.0, 300.0)
SIZE_NAMES = ("below 10 mm3", "10 to 30 mm3", "30 to 100 mm3", "100 to 300 mm3", "above 300 mm3")


@dataclass(frozen=True)
class SizeGroup:
    """Lesions of one size: those of the reference, how many of them were found, and the false ones predicted."""

    name: str
    lesions: int
    found: int
    false_positives: int


def size_groups(judged: JudgedLesions, voxel_mm3: float) -> tuple[SizeGroup, ...]:
    """Count the lesions of one case by size, one group per entry of ``SIZE_NAMES``.

    >>> sizes, predicted, right = np.array([400, 20]), np.array([380, 5]), np.array([True, False])
    >>> judged = JudgedLesions(sizes, right, predicted, right, predicted_labels=np.zeros((0, 0, 0)))
    >>> [(group.lesions, group.found, group.false_positives) for group in size_groups(judged, voxel_mm3=1.0)]
    [(0, 0, 1), (1, 0, 0), (0, 0, 0), (0, 0, 0), (1, 1, 0)]
    """
    reference = np.digitize(judged.reference_sizes * voxel_mm3, SIZE_LIMITS_MM3)
    predicted = np.digitize(judged.predicted_sizes * voxel_mm3, SIZE_LIMITS_MM3)
    return tuple(
        SizeGroup(
            name,
            int((reference == k).sum()),
            int(judged.detected[reference == k].sum()),
            int((~judged.true[predicted == k]).sum()),
        )
        for k, name in enumerate(SIZE_NAMES)
    )


def size_table(cases: Sequence[Sequence[SizeGroup]]) -> str:
    """The lesions of many cases by size, as Markdown.

    ``cases``: what :func:`size_groups` gave for each. Sensitivity and F1 are over all lesions of a size, the
    interval of the sensitivity over resampled cases. F1 takes false ones by their own size.
    """
    lines = [
        "| Lesion size | Reference | Found | Sensitivity | 95 % interval | F1 | False positives per scan |",
        "|---|---|---|---|---|---|---|",
    ]
    for groups in zip(*cases, strict=True):
        counts = np.array([(group.lesions, group.found) for group in groups], float)
        share = resampled(lambda c: c[..., 1].sum(-1) / c[..., 0].sum(-1), counts)
        lesions, found = (int(total) for total in counts.sum(0))
        false = sum(group.false_positives for group in groups)
        f1 = f"{2 * found / (lesions + found + false):.2f}" if lesions else "-"
        lines.append(
            f"| {groups[0].name} | {lesions} | {found} | {_percent(share.value)} | {_range(share)} | {f1} | "
            f"{false / len(groups):.1f} |"
        )
    return "\n".join(lines) + "\n"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _range(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return "-"
    return f"{100 * interval.low:.0f} to {100 * interval.high:.0f} %"
