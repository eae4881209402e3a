"""What a person waits for at a click: threshold, reject, grow, the module, the start of a job.

    python Testing/benchmarks/interaction.py [--repeat N] [--json]

A 1 mm brain with 200 lesions. Seconds of the clock and of the CPU, the least of N runs; imports are measured in fresh
processes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import nibabel as nib
import numpy as np
from measuring import Figure, finish, machine, markdown, measure

SHAPE = (182, 218, 182)
LESIONS = 200
GOALS_S = {
    "threshold, components, table": 0.3,
    "reject a lesion": 0.1,
    "grow a missed lesion": 0.1,
    "core parts that the Slicer module loads": 0.2,
}
IMPORTS = {
    "core parts that the Slicer module loads": (
        "import numpy",
        "import MSLesionSegLib.errors, MSLesionSegLib.lesions.components",
    ),
    "core parts of an open review": (
        "import numpy, nibabel",
        "import MSLesionSegLib.review.review, MSLesionSegLib.lesions.regions",
    ),
    "command line, as far as its help": ("pass", "import MSLesionSegLib.cli"),
    "torch": ("pass", "import torch"),
    "all that a job loads, torch included": (
        "pass",
        "import MSLesionSegLib.cli, MSLesionSegLib.segmentation.segment as s\n"
        "from MSLesionSegLib.network.models.store import load_model\nload_model('flair-ms')\n"
        "import MSLesionSegLib.network.sliding_window, MSLesionSegLib.segmentation.report.report, monai.data.utils",
    ),
}


def probability_map() -> tuple[nib.Nifti1Image, Any]:
    """A map with 200 smooth foci of 2 to 6 mm radius, and a map of the regions of an egg-shaped brain."""
    from MSLesionSegLib.lesions.atlas import CORTEX, VENTRICLES, WHITE_MATTER
    from MSLesionSegLib.lesions.regions import RegionMap

    rng = np.random.default_rng(0)
    middle = np.array(SHAPE) / 2
    grid = np.indices(SHAPE, dtype=np.float32) - middle.astype(np.float32)[:, None, None, None]
    depth = 1 - np.sqrt(sum((axis / r) ** 2 for axis, r in zip(grid, (68, 85, 62), strict=True)))
    labels = np.select([depth < 0, depth < 0.06, depth > 0.8], [0, CORTEX, VENTRICLES], WHITE_MATTER)
    values = np.zeros(SHAPE, np.float32)
    places: list[np.ndarray] = []
    while len(places) < LESIONS:
        place = rng.uniform(15, np.array(SHAPE) - 15)
        inside = 0.1 < depth[tuple(place.astype(int))] < 0.78
        if not inside or any(np.linalg.norm(place - other) < 11 for other in places):
            continue
        places.append(place)
        radius = rng.uniform(2, 5)
        box = tuple(slice(int(c) - 8, int(c) + 9) for c in place)
        near = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"), -1) - place
        focus = 1 / (1 + np.exp(2 * (np.linalg.norm(near, axis=-1) - radius)))
        values[box] = np.maximum(values[box], focus)
    regions = RegionMap(nib.Nifti1Image(labels.astype(np.uint8), np.eye(4)))
    return nib.Nifti1Image(values, np.eye(4)), regions


def clicks(repeat: int) -> dict[str, tuple[float, float]]:
    """CPU seconds and seconds of the clock of each click."""
    from MSLesionSegLib.lesions.components import LesionRule
    from MSLesionSegLib.review.review import Review

    probability, regions = probability_map()
    review = Review(probability, LesionRule(0.5, 3.0), regions)
    assert len(review.rows) == LESIONS
    thresholds = iter(np.linspace(0.35, 0.65, repeat))

    def threshold() -> None:
        review.set_rule(LesionRule(next(thresholds), 3.0))
        assert len(review.rows) > 0.9 * LESIONS

    numbers = iter(range(1, LESIONS))

    def reject() -> None:
        review.reject(next(numbers))
        assert review.rows

    def grow() -> None:
        review.grow(places.pop())
        assert review.rows

    rows = {"threshold, components, table": measure(threshold, repeat)[:2]}
    rows["reject a lesion"] = measure(reject, repeat)[:2]
    places = [row.lesion.centre_ras for row in review.rows if row.decision == "rejected"]
    rows["grow a missed lesion"] = measure(grow, repeat)[:2]
    return rows


def importing(before: str, measured: str) -> tuple[float, float]:
    """CPU seconds and seconds of the clock that a fresh process needs for ``measured`` after ``before``."""
    code = (
        "import json, time\n"
        f"{before}\nbegin = time.process_time(), time.perf_counter()\n{measured}\n"
        "print(json.dumps([time.process_time() - begin[0], time.perf_counter() - begin[1]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    cpu, wall = json.loads(done.stdout.splitlines()[-1])
    return cpu, wall


def least(call: Callable[[], tuple[float, float]], repeat: int) -> tuple[float, float]:
    """The least of several runs, each number by itself."""
    runs = [call() for _ in range(repeat)]
    return min(cpu for cpu, _ in runs), min(wall for _, wall in runs)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="the figures as a last line of JSON")
    options = parser.parse_args()
    rows = clicks(options.repeat)
    for name, (before, measured) in IMPORTS.items():
        rows[name] = least(lambda b=before, m=measured: importing(b, m), min(options.repeat, 3))
    lines = [["click", "CPU s", "wall s", "goal s"]]
    for name, (cpu, wall) in rows.items():
        lines.append([name, f"{cpu:.3f}", f"{wall:.3f}", f"{GOALS_S[name]:g}" if name in GOALS_S else "-"])
    print(markdown(lines))
    print(f"\n{machine()}")
    finish([Figure(name, cpu, "s") for name, (cpu, _) in rows.items()], options.json)


if __name__ == "__main__":
    main()
