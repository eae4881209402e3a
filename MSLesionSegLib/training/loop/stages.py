"""The stages of a training run with their shares of the time, for a truthful bar before anything heavy is loaded."""

from __future__ import annotations

LOAD = "load model"
PREPARE = "prepare cases"
MEASURE = "measure speed"
LEAVE_ONE_OUT = "leave one out"
FROZEN = "frozen layers"
TRAINING = "training"
GATE = "gate"

COMPARE_STAGES = {LOAD: 0.3, PREPARE: 1.0, GATE: 3.0}


def train_stages(tune: str, leave_one_out: bool = False) -> dict[str, float | None]:
    """Stages of a run that tunes this part of the network; how long it trains is known when it has been measured."""
    frozen = {FROZEN: 10.0} if tune in ("decoder", "last") else {}
    apart = {LEAVE_ONE_OUT: None} if leave_one_out else {}
    return {LOAD: 5.0, PREPARE: 20.0, MEASURE: 10.0, **apart, **frozen, TRAINING: None, GATE: 30.0}
