"""What decides ``study dynamics``, and where its cases are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class DynamicsSettings:
    """All that decides the study, besides the cases.

    Attributes:
        bases: base models, U-Nets of one architecture; the k-th seed starts from the k-th one, in turn.
        recipe: of all trainings. Its learning rate is that of transfer; from random weights the rate is twice that,
            as in the paper.
        points: moments of the training, evenly spread, at which the network is kept and scored.
        patches: test patches through which networks are compared.
        samples: places per layer at which activations are compared.
        seeds: of random weights and of the drawing of patches; every kind of training is repeated for each.
        test_share: part of the patients that is not trained on; scores and activations are theirs.
        threads: of each cell.
    """

    bases: tuple[str, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict)
    points: int = 8
    patches: int = 24
    samples: int = 4000
    seeds: tuple[int, ...] = (0, 1)
    test_share: float = 0.2
    threads: int = 1


@dataclass(frozen=True)
class DynamicsData:
    """Where the target centre is: a BIDS dataset or a folder of prepared examples."""

    centre: str
