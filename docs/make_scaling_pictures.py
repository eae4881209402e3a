"""Draws docs/images/scaling.png from docs/performance.json: scans per hour by workers, and memory by cases.

Run with the project's environment: python docs/make_scaling_pictures.py

The scans per hour are those of a cluster that is simulated: each worker has a core of its own, takes the next scan
when it is done with one, and needs for each the CPU seconds that were measured.
"""

from __future__ import annotations

import heapq
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
PICTURE = HERE / "images" / "scaling.png"
WORKERS = range(1, 9)
SCANS = 100
MEMORY = "memory of drawing patches, "


def figures(benchmark: str) -> dict[str, float]:
    """Stored figures of a benchmark by name."""
    stored = json.loads((HERE / "performance.json").read_text(encoding="utf-8"))
    return {figure["name"]: figure["value"] for figure in stored[benchmark]["figures"]}


def scans_per_hour(workers: int, seconds: float) -> float:
    """Of a batch of scans that all take so many seconds."""
    free_at = [0.0] * workers
    for _ in range(SCANS):
        heapq.heappush(free_at, heapq.heappop(free_at) + seconds)
    return 3600 * SCANS / max(free_at)


def memory() -> dict[str, dict[int, float]]:
    """GiB by number of cases, for each way."""
    lines: dict[str, dict[int, float]] = {}
    for name, value in figures("training_loop").items():
        if name.startswith(MEMORY):
            way, _, cases = name.removeprefix(MEMORY).rpartition(", ")
            lines.setdefault(way, {})[int(cases.split()[0])] = value
    return lines


def main() -> None:
    """Draw both curves."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for name, value in figures("bench").items():
        if name.endswith(", CPU"):
            title = name.removesuffix(", CPU")
            left.plot(WORKERS, [scans_per_hour(n, value) for n in WORKERS], "o-", label=title)
    left.set(xlabel="workers, a core each", ylabel="scans per hour", title=f"A batch of {SCANS} scans")
    for way, values in memory().items():
        right.plot(list(values), list(values.values()), "o-", label=way)
    right.set(xlabel="training cases", ylabel="peak memory, GiB", title="Drawing training patches")
    for axes in (left, right):
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    figure.savefig(PICTURE, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
