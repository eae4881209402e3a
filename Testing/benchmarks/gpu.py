"""The network on a GPU: inference and training, and how much of the card they use.

    python Testing/benchmarks/gpu.py [--model NAME] [--device cuda|cpu] [--json]
    python Testing/benchmarks/gpu.py --pack FOLDER [--missing PACKAGE ...]
    sh FOLDER/run.sh [OUTPUT]

The second builds a folder of less than 60 MiB for a machine that has a GPU, Python and torch, and no network: the
program, one model, prepared examples, and wheels of what is missing there. The third measures there within nine
minutes and leaves table, losses and checkpoint in one folder. The card's peak is what NVIDIA's data sheet says of
dense bfloat16; of a card that is not listed, what it reaches multiplying large matrices. Without a GPU nothing is
measured; ``--device cpu`` only tries the script.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from inference import WINDOW, Brain, ours, sliding
from measuring import Figure, dice, finish, machine, markdown, monai_network
from training_loop import make_examples

if TYPE_CHECKING:
    import torch

    from MSLesionSegLib.network.models.store import Model
    from MSLesionSegLib.training.examples.example import Example

AT_ONCE = (1, 4, 16, 32)  # windows
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L4": 121e12}  # operations per second
MOST_MIB = 60
MISSING = ("monai", "safetensors")
ROOT = Path(__file__).parents[2]
RUN = """#!/bin/sh
# measures on this machine; what comes out lies in the folder that is given, or in ./out
cd "$(dirname "$0")" || exit 1
test -d site || python3 -m pip install -q --no-index --no-deps --target site wheels/*.whl || exit 1
export PYTHONPATH=site:. MSLESIONSEG_MODELS=Resources/Models MSLESIONSEG_CACHE=.
timeout 540 python3 Testing/benchmarks/gpu.py --examples examples --out "${1:-out}"
"""


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


def inference(model: Model, example: Example, device: str, repeat: int) -> list[Figure]:
    """Windows per second, and one brain by the program and by MONAI."""
    import torch

    channels = model.card.architecture.in_channels
    brain = Brain(np.asarray(example.array("image"), np.float32), example.array("brain") > 0)
    found = ours(model, brain)  # on the CPU
    network = model.network.to(device, memory_format=torch.channels_last_3d)
    figures = [
        Figure(f"windows, {n} at once", 3600 * patches_per_second(network, device, channels, n), "1/h")
        for n in AT_ONCE[:repeat]
    ]
    for name, mirroring in (("one brain", False), ("one brain, mirrored", True)):
        call = lambda m=mirroring: ours(model, brain, mirroring=m, device=device)  # noqa: E731
        figures.append(Figure(name, seconds(call, device, repeat), "s"))
    again = ours(model, brain, device=device)
    threshold = model.card.threshold
    figures.append(Figure("mask against the CPU's", dice(again >= threshold, found >= threshold), "Dice"))
    plain = monai_network(model).to(device)

    def run(cubes: torch.Tensor) -> torch.Tensor:
        return plain(cubes.to(device)).cpu()

    figures.append(
        Figure("MONAI, float32, cut", seconds(lambda: sliding(run, brain, cut=True), device, repeat), "s")
    )
    return figures


def training(
    model: Model, examples: list[Example], device: str, out: Path, sizes: tuple[int, int, int]
) -> list[Figure]:
    """Patches per second drawn and learned from, the share of the time that the card is busy, and repeatability.

    Args:
        out: gets ``checkpoint.pt`` and ``losses.txt``.
        sizes: steps, patches per step, edge of a patch.
    """
    from copy import deepcopy

    from MSLesionSegLib.training.loop.loop import train_network
    from MSLesionSegLib.training.loop.recipe import TrainingRecipe
    from MSLesionSegLib.training.patches.drawing_ahead import drawn_ahead
    from MSLesionSegLib.training.patches.patches import PatchSource

    steps, batch, patch = sizes
    recipe = TrainingRecipe(steps=steps, batch=batch, patch=patch, warm_up=1)
    source = PatchSource(examples, recipe, device=device)

    def losses(recipe: TrainingRecipe, checkpoint: Path | None = None) -> list[float]:
        with drawn_ahead(source, device) as ahead:
            return train_network(
                deepcopy(model.network), ahead, recipe, device=device, checkpoint=checkpoint
            ).losses

    short = recipe.but(steps=min(steps, 10))
    same = losses(short) == losses(short)  # the first prepares too
    drawing = batch / seconds(lambda: source.batch(1), device)
    begin, busy = time.perf_counter(), Busy()
    with busy:
        course = losses(recipe, out / "checkpoint.pt")
    rate = steps * batch / (time.perf_counter() - begin)
    (out / "losses.txt").write_text("\n".join(f"{loss:.5f}" for loss in course) + "\n")
    return [
        Figure(f"patches of {patch} drawn", 3600 * drawing, "1/h"),
        Figure(f"patches of {patch} trained on", 3600 * rate, "1/h"),
        *([Figure("share of the time that the card is busy", busy.share, "x")] if busy.seen else []),
        Figure("the same seed gives the same losses", float(same), "x"),
    ]


class Busy:
    """Asks nvidia-smi twice a second how busy the card is, where there is one."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def share(self) -> float:
        return float(np.mean(self.seen)) / 100

    def _watch(self) -> None:
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        with suppress(OSError, ValueError):
            while not self._ended.wait(0.5):
                self.seen.append(
                    float(subprocess.run(command, capture_output=True, text=True).stdout.split()[0])
                )

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()


def pack(folder: Path, model: str, missing: list[str], cases: int) -> None:
    """Build the folder for a machine without a network."""
    no_cache = shutil.ignore_patterns("__pycache__", "*.pyc")
    for part in ("MSLesionSegLib", "Testing/benchmarks", f"Resources/Models/{model}"):
        shutil.copytree(ROOT / part, folder / part, ignore=no_cache)
    make_examples(folder / "examples", cases)
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "-d",
        str(folder / "wheels"),
        *missing,
    ]
    subprocess.run(command, check=True)
    (folder / "run.sh").write_text(RUN)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20
    print(f"{folder}: {size:.0f} MiB. There: sh run.sh")
    if size > MOST_MIB:
        raise SystemExit(f"That is more than {MOST_MIB} MiB: give fewer --cases or --missing packages.")


def main() -> None:
    """Measure and print, or build the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="flair-ms")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--examples", type=Path, help="prepared examples instead of synthetic patients")
    parser.add_argument("--out", type=Path, help="folder for table, losses and checkpoint")
    parser.add_argument("--steps", type=int, default=200, help="of the training")
    parser.add_argument("--batch", type=int, default=8, help="patches per step")
    parser.add_argument("--patch", type=int, default=WINDOW, help="edge of a patch")
    parser.add_argument("--repeat", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pack", type=Path, metavar="FOLDER", help="build the folder for another machine")
    parser.add_argument("--missing", nargs="*", default=MISSING, help="packages that are missing there")
    parser.add_argument("--cases", type=int, default=2, help="synthetic patients")
    options = parser.parse_args()
    if options.pack:
        pack(options.pack, options.model, list(options.missing), options.cases)
        return

    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        print("There is no NVIDIA GPU here: nothing is measured.")
        finish([], options.json)
        return
    with tempfile.TemporaryDirectory() as temporary:
        figures = measured(options, Path(temporary))
    finish(figures, options.json)


def measured(options: argparse.Namespace, temporary: Path) -> list[Figure]:
    """All figures; the table is printed, and kept where a folder is given."""
    from MSLesionSegLib.network.models.store import load_model
    from MSLesionSegLib.training.examples.example import read_examples

    out = options.out or temporary
    out.mkdir(parents=True, exist_ok=True)
    if options.examples is None:
        make_examples(temporary / "examples", options.cases)
    examples = read_examples(options.examples or temporary / "examples")
    model = load_model(options.model)
    most, source = peak(options.device)
    each = operations(model.network, "cpu", model.card.architecture.in_channels)
    figures = inference(model, examples[0], options.device, options.repeat)
    print(*figures, sep="\n", file=sys.stderr, flush=True)  # in case that the time runs out
    sizes = options.steps, options.batch, options.patch
    figures += training(load_model(options.model), examples, options.device, out, sizes)
    lines = [["", "value", "of the peak"]]
    for figure in figures:
        rate = figure.unit == "1/h"
        value = f"{figure.value / 3600:.1f} per second" if rate else f"{figure.value:.3f} {figure.unit}"
        windows = figure.name.startswith("windows")
        lines.append([figure.name, value, f"{figure.value / 3600 * each / most:.0%}" if windows else ""])
    table = f"{markdown(lines)}\n\nPeak: {most / 1e12:.3g} TFLOP/s ({source}).\n{machine()}"
    (out / "table.md").write_text(table + "\n")
    print(table)
    return figures


if __name__ == "__main__":
    main()
