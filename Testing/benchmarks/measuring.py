"""What the benchmarks share: measuring a call, figures that can be stored and compared, tables."""

from __future__ import annotations

import datetime
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from MSLesionSegLib.network.models.store import Model

STORED = Path(__file__).parents[2] / "docs" / "performance.json"
FALL = 0.8  # a figure that is worse than this share of the stored one is marked


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        name: unique in its benchmark.
        value: what came out.
        unit: ``x`` for a ratio within the run, ``Dice``, ``r`` for a correlation, ``1/h``: higher is better; ``s``,
            ``GiB``, ``mm``: lower is better.
    """

    name: str
    value: float
    unit: str

    @property
    def higher_is_better(self) -> bool:
        return self.unit in ("x", "Dice", "r", "1/h")

    @property
    def portable(self) -> bool:
        """Whether it can be compared between computers."""
        return self.unit in ("x", "Dice", "r")


def measure(call: Callable[[], Any], repeat: int = 1) -> tuple[float, float, Any]:
    """CPU seconds, seconds of the clock (the least of ``repeat`` runs each) and the last result."""
    cpu, wall, result = [], [], None
    for _ in range(repeat):
        before = time.process_time(), time.perf_counter()
        result = call()
        cpu.append(time.process_time() - before[0])
        wall.append(time.perf_counter() - before[1])
    return min(cpu), min(wall), result


def monai_network(model: Model) -> torch.nn.Module:
    """A model's network as MONAI builds it: the same weights, without the layers of ``network/fast_layers.py``."""
    from MSLesionSegLib.network.architectures import build_by_monai

    network = build_by_monai(model.card.architecture)
    network.load_state_dict(model.network.state_dict())
    return network.eval()


def peak_gib() -> float:
    """The most memory that this process has had resident so far.

    The program that started it does not count: on Linux ``ru_maxrss`` of a child begins with its parent's peak.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 2**20
    except (OSError, StopIteration):
        import resource

        per_gib = 2**30 if sys.platform == "darwin" else 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_gib


def dice(one: Any, other: Any) -> float:
    """Of two boolean arrays; 1 for two empty ones."""
    size = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / size if size else 1.0


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table, first line as its head."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    text.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(text)


def machine() -> dict[str, Any]:
    """What the figures depend on, without the computer's name."""
    import torch

    from MSLesionSegLib.versions import versions

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": versions(),
        "date": datetime.date.today().isoformat(),
    }


def finish(figures: Sequence[Figure], json_wanted: bool) -> None:
    """End of a benchmark: its figures as one line of JSON for ``compare.py``, if wanted."""
    if json_wanted:
        print(json.dumps({"machine": machine(), "figures": [asdict(figure) for figure in figures]}))
        sys.stdout.flush()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        flags = next(line.split(":", 1)[1].split() for line in lines if line.startswith("flags"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
    fast = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{name} ({', '.join(fast)})"
