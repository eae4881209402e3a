"""The stages of a training run with their shares of the time, for a truthful bar before anything heavy is loaded."""

from __future__ import annotations

PREPARE = "prepare cases"
FROZEN = "frozen layers"
TRAINING = "training"
GATE = "gate"

COMPARE_STAGES = {PREPARE: 1.0, GATE: 3.0}
_UNKNOWN_MINUTES = 60.0


def train_stages(minutes: float, tune: str) -> dict[str, float]:
    """Stages of a run with this time budget (0: none) that tunes this part of the network."""
    total = minutes or _UNKNOWN_MINUTES
    frozen = {FROZEN: 0.05 * total} if tune in ("decoder", "last") else {}
    return {PREPARE: 0.08 * total, **frozen, TRAINING: 0.8 * total, GATE: 0.1 * total}
