"""Run the benchmarks and compare them with the stored table; a guard for people, not a timed test.

    python Testing/benchmarks/compare.py [BENCHMARK ...] [--missing] [--strict] [--store]

Figures that are worse than the stored ones by more than 20 % are marked FELL; with ``--strict`` the exit code is 1
then. On another processor than the stored one only ratios within one run are compared. ``--store`` puts the new
figures into docs/performance.json, those of each benchmark as soon as it has ended, and ``--missing`` runs only those
whose figures are not there or were taken over by hand; so a run that was broken off can go on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from measuring import FALL, STORED, Figure, markdown

BENCHMARKS = ("bench", "inference", "gpu", "interaction", "preprocessing", "training_loop", "bench_training")
ALL_CORES = ("bench", "scale")
ARGUMENTS = {"bench_training": ("--minutes", "5")}  # less than people give it: a guard, run by hand


def run(benchmark: str) -> dict[str, Any]:
    """Run one benchmark in a process of its own; its table goes to standard error.

    All but those of whole commands take one thread, which tells more on a busy machine.
    """
    script = str(Path(__file__).with_name(f"{benchmark}.py"))
    command = [sys.executable, script, "--json", *ARGUMENTS.get(benchmark, ())]
    environment = os.environ | ({} if benchmark in ALL_CORES else {"OMP_NUM_THREADS": "1"})
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    *table, last = done.stdout.splitlines()
    print(*table, sep="\n", file=sys.stderr)
    return json.loads(last)


def compare(now: dict[str, Any], stored: dict[str, Any]) -> list[list[str]]:
    """A line per figure that both have: name, stored, now, how many times better, mark."""
    before = {figure["name"]: Figure(**figure) for figure in stored["figures"]}
    same = now["machine"]["processor"] == stored["machine"]["processor"]
    lines = []
    for figure in (Figure(**entry) for entry in now["figures"]):
        old = before.get(figure.name)
        if old is None or not (same or figure.portable):
            continue
        better = figure.value / old.value if figure.higher_is_better else old.value / figure.value
        mark = "FELL" if better < FALL else ""
        values = [f"{f.value:.3g} {f.unit}" for f in (old, figure)]
        lines.append([figure.name, *values, f"{better:.2f}", mark])
    return lines


def missing(stored: dict[str, Any]) -> list[str]:
    """The benchmarks without figures that they measured themselves."""
    names = dict.fromkeys((*BENCHMARKS, *stored))
    return [name for name in names if name not in stored or "source" in stored[name]["machine"]]


def main() -> int:
    """Run, print, store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmarks", nargs="*", metavar="BENCHMARK", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--missing", action="store_true", help="only those whose figures were never measured")
    parser.add_argument("--store", action="store_true", help="keep the new figures instead of the old ones")
    parser.add_argument("--strict", action="store_true", help="exit code 1 if a figure fell")
    options = parser.parse_args()
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    lines = []
    for benchmark in missing(stored) if options.missing else options.benchmarks or BENCHMARKS:
        now = run(benchmark)
        if not now["figures"]:
            continue  # nothing could be measured here
        if benchmark in stored:
            lines += compare(now, stored[benchmark])
        else:
            print(f"{benchmark}: nothing is stored yet", file=sys.stderr)
        stored[benchmark] = now
        if options.store:
            STORED.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    print(markdown([["figure", "stored", "now", "times better", ""], *lines]))
    return int(options.strict and any(line[-1] for line in lines))


if __name__ == "__main__":
    sys.exit(main())
