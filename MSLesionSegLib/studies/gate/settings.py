"""What decides ``study gate``, and where its cases are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class GateSettings:
    """All that decides the study, besides the cases.

    Attributes:
        start: model (name or folder) that is in use, and fine-tuned. It must never have seen those who validate.
        train: number of patients to train on.
        validate: patients to validate on; three by chance when empty.
        recipe: of every fine-tuning; a fixed length.
        seed: of the order of the patients.
        threads: of each cell.
    """

    start: str
    train: int = 5
    validate: tuple[str, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1


@dataclass(frozen=True)
class GateData:
    """A BIDS dataset with FLAIRs, lesion masks under ``derivatives/manual`` and, for one lesson, T1w scans."""

    cases: str
