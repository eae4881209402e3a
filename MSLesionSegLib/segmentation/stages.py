"""The steps of a segmentation as stages with known shares of the time, and a watch on each of them."""

from __future__ import annotations

import time
from collections.abc import Iterable

from MSLesionSegLib.imaging.reading import InputWarning
from MSLesionSegLib.jobs.progress import Progress, Relay, Within
from MSLesionSegLib.network.sliding_window import MIRROR_AXES

SYNTHESIS = "make a patient"
READ = "read scan"
MODEL = "load model"
BRAIN = "find brain"
ALIGN = "align scans"
BIAS = "correct bias"
PREPARE = "prepare input"
NETWORK = "find lesions"
NATIVE = "native grid"
REGIONS = "anatomical regions"
WRITE = "write results"
REGISTER = "register scans"
FLAIR_BEFORE = "lesions at baseline"
FLAIR_AFTER = "lesions at follow-up"
CHANGE = "find change"
TRACK = "follow lesions"
SAME = "same scan twice"
AGAIN = "scanned again"
INSERT = "inserted lesions"
SWAP = "swapped pair"

# seconds on 2 CPU cores for one 1 mm FLAIR, measured with Testing/benchmarks/bench.py; only the ratios matter
_SECONDS = {
    READ: 0.4,
    MODEL: 2.0,
    BRAIN: 1.0,
    ALIGN: 30.0,
    BIAS: 8.0,
    PREPARE: 0.4,
    NETWORK: 3.0,
    NATIVE: 0.3,
    REGIONS: 2.9,
    WRITE: 1.0,
}


def segmentation_stages(*, brain_given: bool, n4: bool, mirroring: bool, scans: int = 1) -> dict[str, float]:
    """Return the stages that a run with these settings goes through, in order, with expected seconds.

    ``scans``: how many scans are given; all but one are registered to it.
    """
    stages = _SECONDS | {REGIONS: 0.3}  # they are fitted beside the network
    stages[ALIGN] *= scans - 1
    if scans == 1:
        del stages[ALIGN]
    if brain_given:
        stages[BRAIN] = 0.2
    if not n4:
        del stages[BIAS]
    if mirroring:
        stages[NETWORK] *= len(MIRROR_AXES)
    return stages


def pair_stages(*, n4: bool, mirroring: bool) -> dict[str, float]:
    """Return the stages of a comparison of two FLAIRs, in order, with expected seconds."""
    network = _SECONDS[NETWORK] * (len(MIRROR_AXES) if mirroring else 1)
    stages = {READ: 2 * _SECONDS[READ], MODEL: _SECONDS[MODEL], BRAIN: 2 * _SECONDS[BRAIN]}
    if n4:
        stages[BIAS] = 2 * _SECONDS[BIAS]
    stages |= {FLAIR_BEFORE: network, FLAIR_AFTER: network, REGISTER: 10.0, PREPARE: 6.0}
    return stages | {CHANGE: 2 * network, TRACK: 1.0, REGIONS: _SECONDS[REGIONS], WRITE: 6.0}


def selfcheck_stages() -> dict[str, float]:
    """Return the stages of the self-check, in order, with expected seconds."""
    first = {READ: _SECONDS[READ], MODEL: _SECONDS[MODEL], BRAIN: _SECONDS[BRAIN]}
    return first | {FLAIR_BEFORE: _SECONDS[NETWORK], SAME: 45.0, AGAIN: 60.0, INSERT: 60.0, SWAP: 45.0}


class StageWatch(Relay):
    """A :class:`Progress` that passes everything on and keeps the seconds of each stage in ``seconds``."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(progress)
        self._name = ""
        self._since = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def stage(self, name: str, fraction: float = 0.0) -> None:
        self._close(name)
        super().stage(name, fraction)

    def within(self, name: str) -> Within:
        """Return the Progress for a step whose own stages all count as stage ``name``."""
        self.stage(name)
        return Within(self, name)

    def tell(self, findings: Iterable[InputWarning]) -> None:
        """Pass on what is doubtful."""
        for finding in findings:
            self.warning(finding.code, finding.sentence)

    def total(self) -> dict[str, float]:
        """Return the seconds of each stage so far, rounded, and their sum as ``total``."""
        self._close(self._name)
        return {name: round(s, 2) for name, s in self.seconds.items()} | {
            "total": round(sum(self.seconds.values()), 2)
        }

    def _close(self, name: str) -> None:
        now = time.perf_counter()
        if self._name:
            self.seconds[self._name] = self.seconds.get(self._name, 0.0) + now - self._since
        self._name, self._since = name, now
