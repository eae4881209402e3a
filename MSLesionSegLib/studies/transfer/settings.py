"""What decides ``study transfer``, and where its cases are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TransferSettings:
    """All that decides the study, besides the cases.

    Attributes:
        bases: base models (name or folder) to fine-tune; each is compared with its own architecture de novo.
        levels: depths of further U-Nets, whose base is trained in the study on the base cases.
        base: feature maps of these U-Nets.
        subset: patients per subset (k).
        sizes: numbers of training patients, multiples of ``subset``.
        recipe: of fine-tuning and of de novo training alike: equal budget.
        base_recipe: of the bases that the study trains.
        threshold: probability from which a voxel is lesion; no minimum size, as in the paper.
        seed: of the order of the patients and of random weights.
        threads: of each cell.
    """

    bases: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()
    base: int = 16
    subset: int = 2
    sizes: tuple[int, ...] = (2, 4)
    recipe: dict[str, Any] = field(default_factory=dict)
    base_recipe: dict[str, Any] = field(default_factory=dict)
    threshold: float = 0.5
    seed: int = 0
    threads: int = 1


@dataclass(frozen=True)
class TransferData:
    """Where the cases are.

    Attributes:
        cases: BIDS datasets of the target disease; their patients are rotated.
        external: datasets of another institution (none or one): tested as they are, and after fine-tuning on all of
            its patients but one (the ISBI protocol of the paper).
        base_cases: datasets or prepared examples of other pathology, for the bases that the study trains.
    """

    cases: tuple[str, ...]
    external: tuple[str, ...] = ()
    base_cases: tuple[str, ...] = ()
