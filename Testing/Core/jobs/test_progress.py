"""Progress on its way from a step of the work to the job: passed on, renamed, and stopped by a file."""

from __future__ import annotations

import pytest

from MSLesionSegLib.errors import Cancelled
from MSLesionSegLib.jobs.progress import Relay, Silent, StopFile, Within


class Listener(Silent):
    def __init__(self) -> None:
        self.told: list[tuple] = []

    def stage(self, name, fraction=0.0):
        self.told.append(("stage", name, fraction))

    def expect(self, seconds):
        self.told.append(("expect", seconds))

    def metric(self, name, value, **context):
        self.told.append(("metric", name, value, context))

    def warning(self, code, sentence):
        self.told.append(("warning", code, sentence))


def tell_all(progress) -> None:
    progress.stage("inner", 0.5)
    progress.expect({"inner": 3.0})
    progress.metric("dice", 0.7, epoch=2)
    progress.warning("thick-slices", "Thick slices.")


def test_a_relay_passes_everything_on():
    listener = Listener()
    tell_all(Relay(listener))
    assert listener.told == [
        ("stage", "inner", 0.5),
        ("expect", {"inner": 3.0}),
        ("metric", "dice", 0.7, {"epoch": 2}),
        ("warning", "thick-slices", "Thick slices."),
    ]


def test_the_stages_of_a_step_move_the_outer_one_and_its_times_are_its_own():
    listener = Listener()
    tell_all(Within(listener, "outer"))
    assert listener.told[0] == ("stage", "outer", 0.5)
    assert [name for name, *_ in listener.told] == ["stage", "metric", "warning"]


def test_a_stop_file_is_looked_for_in_its_rhythm_and_stops_for_good(tmp_path):
    now = [0.0]
    file = tmp_path / "stop"
    stop = StopFile(file, every_s=1.0, clock=lambda: now[0])
    stop.check()
    file.touch()
    stop.check()  # too early to look again
    now[0] = 1.0
    with pytest.raises(Cancelled):
        stop.check()
    file.unlink()
    with pytest.raises(Cancelled):
        stop.check()
