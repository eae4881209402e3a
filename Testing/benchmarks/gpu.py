"""The network on a GPU: seconds per brain, patches per second, and how much of the card they use.

    python Testing/benchmarks/gpu.py [--model NAME] [--flair SCAN] [--device cuda|cpu] [--json]

As everywhere on a GPU, the network computes in bfloat16 with the channels last. The card's peak is what NVIDIA's data
sheet says of dense bfloat16; of a card that is not listed, what it reaches multiplying large matrices. Without a GPU
nothing is measured; ``--device cpu`` only tries the script, in float32.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference import WINDOW, make_brain, ours
from measuring import Figure, finish, machine, markdown

if TYPE_CHECKING:
    import torch

    from MSLesionSegLib.network.models.store import Model

AT_ONCE = (1, 2, 4, 8)  # patches
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L4": 121e12}  # operations per second


def seconds(call: Callable[[], Any], device: str, repeat: int = 5) -> float:
    """Seconds of the clock of one call, the least of some after a first one that prepares."""
    import torch

    def finished() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    call()
    best = float("inf")
    for _ in range(repeat):
        begin = finished()
        call()
        best = min(best, finished() - begin)
    return best


def peak(device: str) -> tuple[float, str]:
    """Operations per second that the card can do at most, and where the number is from."""
    import torch

    name = torch.cuda.get_device_name() if device == "cuda" else "this processor"
    for card, operations in PEAKS.items():
        if card in name:
            return operations, f"{name}, data sheet"
    size, kind = (8192, torch.bfloat16) if device == "cuda" else (512, torch.float32)
    one, other = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    return 2 * size**3 / seconds(lambda: one @ other, device), f"{name}, large matrices"


def patches_per_second(network: torch.nn.Module, device: str, channels: int, at_once: int) -> float:
    """How many patches of 96 voxels per edge the network looks at in a second."""
    import torch

    data = torch.randn(at_once, channels, WINDOW, WINDOW, WINDOW, device=device)
    data = data.to(memory_format=torch.channels_last_3d)
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        return at_once / seconds(lambda: network(data), device)


def operations(network: torch.nn.Module, device: str, channels: int) -> int:
    """Operations of one patch: multiplications and additions."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    data = torch.randn(1, channels, WINDOW, WINDOW, WINDOW, device=device)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(data)
    return counter.get_total_flops()


def brain_seconds(model: Model, scan: Path | None, device: str) -> dict[str, float]:
    """The program's own way over one brain, as it is and mirrored."""
    brain = make_brain(scan)
    return {
        name: seconds(
            lambda mirroring=mirroring: ours(model, brain, mirroring=mirroring, device=device), device, 3
        )
        for name, mirroring in (("one brain", False), ("one brain, mirrored", True))
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="flair-ms")
    parser.add_argument("--flair", type=Path)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    import torch

    from MSLesionSegLib.network.models.store import load_model

    if options.device == "cuda" and not torch.cuda.is_available():
        print("There is no NVIDIA GPU here: nothing is measured.")
        finish([], options.json)
        return
    model = load_model(options.model)
    channels = model.card.architecture.in_channels
    network = model.network.to(options.device, memory_format=torch.channels_last_3d)
    most, source = peak(options.device)
    each = operations(network, options.device, channels)
    lines = [["", "value", "of the peak"]]
    figures = []
    for at_once in AT_ONCE:
        rate = patches_per_second(network, options.device, channels, at_once)
        lines.append([f"patches per second, {at_once} at once", f"{rate:.1f}", f"{rate * each / most:.0%}"])
        figures.append(Figure(f"patches, {at_once} at once", 3600 * rate, "1/h"))
    for name, value in brain_seconds(model, options.flair, options.device).items():
        lines.append([f"seconds, {name}", f"{value:.3f}", ""])
        figures.append(Figure(name, value, "s"))
    print(markdown(lines))
    print(f"\nPeak: {most / 1e12:.3g} TFLOP/s ({source}).\n{machine()}")
    finish(figures, options.json)


if __name__ == "__main__":
    main()
