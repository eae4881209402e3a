"""What decides ``study pretraining``, and where its scans and cases are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PretrainingSettings:
    """All that decides the study, besides the scans and the cases.

    Attributes:
        networks: by name, each with its ``architecture`` and the ``recipe`` of its pre-training.
        base: a model that learnt from masks of other hospitals, fine-tuned on the same masks for comparison; or None.
        subset: patients per subset of the rotation.
        sizes: numbers n of training patients, multiples of ``subset``.
        recipe: of every training with masks, whatever it starts from: equal budget.
        threshold: probability from which a voxel is lesion; no minimum size.
        seed: of the order of the patients and of random weights.
        threads: of each cell.
        device: of the pre-training; trainings with masks are few and run on the CPU.
    """

    networks: dict[str, dict[str, Any]] = field(default_factory=dict)
    base: str | None = None
    subset: int = 2
    sizes: tuple[int, ...] = (2, 4)
    recipe: dict[str, Any] = field(default_factory=dict)
    threshold: float = 0.5
    seed: int = 0
    threads: int = 1
    device: str = "cpu"


@dataclass(frozen=True)
class PretrainingData:
    """Where the data is.

    Attributes:
        scans: folders with scans without masks, or with prepared examples.
        cases: BIDS datasets with masks, to train and test on. None: the encoders are made and not compared.
    """

    scans: tuple[str, ...]
    cases: tuple[str, ...] = ()
