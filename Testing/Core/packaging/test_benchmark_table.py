"""The comparison with the stored figures marks what fell, and compares only what can be compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from compare import BENCHMARKS as COMPARED
from compare import compare, missing
from measuring import STORED, peak_gib

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(processor: str, **figures: tuple[float, str]) -> dict:
    entries = [{"name": name, "value": value, "unit": unit} for name, (value, unit) in figures.items()]
    return {"machine": {"processor": processor}, "figures": entries}


@pytest.mark.parametrize(
    ("stored", "now", "unit", "mark"),
    [
        (10.0, 7.9, "x", "FELL"),
        (10.0, 8.1, "x", ""),
        (1.0, 1.3, "s", "FELL"),
        (1.0, 0.5, "s", ""),
        (1.0, 1.2, "s", ""),
        (0.9, 0.5, "r", "FELL"),
    ],
)
def test_what_is_worse_by_more_than_a_fifth_is_marked(stored, now, unit, mark):
    ((name, *_, marked),) = compare(run("a", figure=(now, unit)), run("a", figure=(stored, unit)))
    assert (name, marked) == ("figure", mark)


def test_on_another_processor_only_ratios_are_compared():
    now = run("b", ratio=(5.0, "x"), seconds=(9.0, "s"), overlap=(0.99, "Dice"))
    stored = run("a", ratio=(10.0, "x"), seconds=(1.0, "s"), overlap=(0.99, "Dice"))
    assert [(line[0], line[-1]) for line in compare(now, stored)] == [("ratio", "FELL"), ("overlap", "")]


def test_a_new_figure_has_nothing_to_be_compared_with():
    assert compare(run("a", new=(1.0, "x")), run("a")) == []


def test_figures_taken_over_by_hand_count_as_missing():
    stored = {name: {"machine": {}} for name in COMPARED} | {"scale": {"machine": {"source": "a table"}}}
    assert missing(stored) == ["scale"]
    assert missing({}) == list(COMPARED)


def test_the_peak_of_a_process_is_its_own_and_not_that_of_the_program_that_started_it():
    ballast = bytearray(300 << 20)
    ballast[::4096] = b"\1" * len(ballast[::4096])
    code = "import measuring; print(measuring.peak_gib())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 0.25 < peak_gib()


def test_stored_figures_are_those_of_benchmarks_that_there_are():
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    assert all((BENCHMARKS / f"{name}.py").exists() and stored[name]["figures"] for name in stored)
    assert stored.keys() & set(COMPARED)
