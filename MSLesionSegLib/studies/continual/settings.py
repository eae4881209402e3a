"""What decides ``study continual``, and where its centres are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

BUFFER = 20


@dataclass(frozen=True)
class ContinualSettings:
    """All that decides the study, besides the cases.

    Attributes:
        start: base model (name or folder) that the first centre's training starts from, in its own architecture; None
            for random weights, as in the paper.
        levels, base: of the U-Net from random weights; the paper's has 3 and 32.
        recipe: of every training. Labels stay soft. A training with replay draws twice the patches, half of them
            from the buffer, so that its loss is that of the current centre plus that of the buffer.
        buffer: cases of each earlier centre that replay keeps, at most 20.
        orders: sequences of the centres; the first is the given one, the others are random.
        seeds: of random weights and of the drawing of patches; all four experiments are repeated for each.
        test_share: part of each centre's patients that tests, at least one.
        threads: of each cell.
    """

    start: str | None = None
    levels: int = 3
    base: int = 32
    recipe: dict[str, Any] = field(default_factory=dict)
    buffer: int = BUFFER
    orders: int = 1
    seeds: tuple[int, ...] = (0,)
    test_share: float = 0.2
    threads: int = 1


@dataclass(frozen=True)
class ContinualData:
    """Where the centres are: BIDS datasets or folders of prepared examples, in the order of the first sequence."""

    centres: tuple[str, ...]
