"""The network on a GPU: inference and training, and how much of the card they use.

    python Testing/benchmarks/gpu.py [--model NAME] [--device cuda|cpu] [--json]
    python Testing/benchmarks/gpu.py --pack FOLDER [--missing PACKAGE ...]
    sh FOLDER/run.sh [OUTPUT]

The second builds a folder of less than 60 MiB for a machine that has a GPU, Python and torch, and no network: the
program, one model, prepared examples, and wheels of what is missing there. The third measures there within nine
minutes, prints the table last and leaves it with all figures, losses and checkpoint in one folder; a second run goes
on where the first one ended. What fails is told and left out. The card's peak is what NVIDIA's data sheet says of
dense bfloat16; of a card that is not listed, what it reaches multiplying large matrices. Without a GPU nothing is
measured; ``--device cpu`` only tries the script.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gpu_folder import MISSING, pack
from inference import WINDOW, Brain, ours, sliding
from measuring import Figure, dice, finish, machine, markdown, monai_network
from training_loop import make_examples

from MSLesionSegLib.errors import Cancelled
from MSLesionSegLib.files.atomic import write_text
from MSLesionSegLib.jobs.progress import Silent

if TYPE_CHECKING:
    import torch

    from MSLesionSegLib.network.models.store import Model
    from MSLesionSegLib.training.examples.example import Example

AT_ONCE = {"cuda": (1, 4, 16, 32), "cpu": (1, 2)}  # windows
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L4": 121e12}  # operations per second


class Figures:
    """Figures by name, kept in a file from one to the next; what is known from an earlier run is not measured again.

    Args:
        file: where they are kept.
        seconds: after so many nothing more is begun.
    """

    def __init__(self, file: Path, seconds: float) -> None:
        self.file, self.end = file, time.monotonic() + seconds
        kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
        self.known = {entry["name"]: Figure(**entry) for entry in kept}

    def add(self, name: str, unit: str, call: Callable[[], float]) -> None:
        """Measure, where it is not known and there is time; what fails is told."""
        if name in self.known:
            return
        if time.monotonic() > self.end:
            print(f"{name}: no time left", file=sys.stderr, flush=True)
            return
        try:
            self.known[name] = Figure(name, float(call()), unit)
        except Exception as error:  # the rest can still be measured
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return
        print(self.known[name], file=sys.stderr, flush=True)
        write_text(self.file, json.dumps([asdict(figure) for figure in self.known.values()], indent=1))


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


def inference(model: Model, example: Example, device: str, repeat: int, figures: Figures) -> None:
    """Windows per second, and one brain by the program and by MONAI."""
    import torch

    channels, threshold = model.card.architecture.in_channels, model.card.threshold
    brain = Brain(np.asarray(example.array("image"), np.float32), example.array("brain") > 0)

    def agreement() -> float:
        return dice(*(ours(model, brain, device=where) >= threshold for where in ("cpu", device)))

    def windows(at_once: int) -> float:
        network = model.network.to(device, memory_format=torch.channels_last_3d)
        return 3600 * patches_per_second(network, device, channels, at_once)

    def by_monai() -> float:
        plain = monai_network(model).to(device)
        return seconds(
            lambda: sliding(lambda cubes: plain(cubes.to(device)).cpu(), brain, cut=True), device, repeat
        )

    for n in AT_ONCE[device]:
        figures.add(f"windows, {n} at once", "1/h", lambda n=n: windows(n))
    for name, mirroring in (("one brain", False), ("one brain, mirrored", True)):
        call = lambda m=mirroring: ours(model, brain, mirroring=m, device=device)  # noqa: E731
        figures.add(name, "s", lambda call=call: seconds(call, device, repeat))
    figures.add("mask against the CPU's", "Dice", agreement)
    figures.add("MONAI, float32, cut", "s", by_monai)


class Deadline(Silent):
    """Ends a training in time, and counts its steps."""

    def __init__(self, end: float) -> None:
        self.end, self.steps = end, 0

    def stage(self, name: str, fraction: float = 0.0) -> None:
        if time.monotonic() > self.end:
            raise Cancelled
        self.steps += 1


def training(
    model: Model,
    examples: list[Example],
    device: str,
    out: Path,
    sizes: tuple[int, int, int],
    figures: Figures,
) -> None:
    """Patches per second drawn and learned from, the share of the time that the card is busy, and repeatability.

    Args:
        out: gets ``checkpoint.pt`` and ``losses.txt``.
        sizes: steps, patches per step, edge of a patch.
    """
    from copy import deepcopy

    import torch

    from MSLesionSegLib.training.loop.loop import train_network
    from MSLesionSegLib.training.loop.recipe import TrainingRecipe
    from MSLesionSegLib.training.patches.drawing_ahead import drawn_ahead
    from MSLesionSegLib.training.patches.patches import PatchSource

    steps, batch, patch = sizes
    recipe = TrainingRecipe(steps=steps, batch=batch, patch=patch, warm_up=1)
    source = PatchSource(examples, recipe, device=device)
    busy = Busy()

    def losses(steps: int) -> list[float]:
        with drawn_ahead(source, device) as ahead:
            return train_network(
                deepcopy(model.network), ahead, recipe.but(steps=steps), device=device
            ).losses

    def rate() -> float:
        begin, deadline = time.perf_counter(), Deadline(figures.end)
        with busy, suppress(Cancelled), drawn_ahead(source, device) as ahead:
            train_network(
                model.network,
                ahead,
                recipe,
                device=device,
                checkpoint=out / "checkpoint.pt",
                progress=deadline,
            )
        taken = time.perf_counter() - begin
        course = torch.load(out / "checkpoint.pt", weights_only=True, map_location="cpu")["losses"]
        (out / "losses.txt").write_text("\n".join(f"{loss:.5f}" for loss in course) + "\n")
        return 3600 * deadline.steps * batch / taken

    few = min(steps, 10)
    figures.add("the same seed gives the same losses", "x", lambda: losses(few) == losses(few))
    figures.add(
        f"patches of {patch} drawn", "1/h", lambda: 3600 * batch / seconds(lambda: source.batch(1), device)
    )
    figures.add(f"patches of {patch} trained on", "1/h", rate)
    if busy.seen:
        figures.add("share of the time that the card is busy", "x", lambda: busy.share)


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


def main() -> None:
    """Measure and print, or build the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="flair-ms")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--examples", type=Path, help="packed examples instead of synthetic patients")
    parser.add_argument("--minutes", type=float, default=7.5, help="after which nothing more is begun")
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
    from MSLesionSegLib.training.examples.packed_example import read_packed

    out = options.out or temporary
    out.mkdir(parents=True, exist_ok=True)
    figures = Figures(out / "figures.json", 60 * options.minutes)
    if options.examples is None:
        examples = make_examples(temporary / "examples", options.cases)
    else:
        examples = [read_packed(case, temporary / case.name) for case in sorted(options.examples.iterdir())]
    model = load_model(options.model)
    most, source = peak(options.device)
    each = operations(model.network, "cpu", model.card.architecture.in_channels)
    sizes = options.steps, options.batch, options.patch
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):  # what is there is told
        inference(model, examples[0], options.device, options.repeat, figures)
        training(load_model(options.model), examples, options.device, out, sizes, figures)
    lines = [["", "value", "of the peak"]]
    for figure in figures.known.values():
        rate = figure.unit == "1/h"
        value = f"{figure.value / 3600:.1f} per second" if rate else f"{figure.value:.3f} {figure.unit}"
        windows = figure.name.startswith("windows")
        lines.append([figure.name, value, f"{figure.value / 3600 * each / most:.0%}" if windows else ""])
    table = f"{markdown(lines)}\n\nPeak: {most / 1e12:.3g} TFLOP/s ({source}).\n{machine()}"
    (out / "table.md").write_text(table + "\n")
    print(table)
    return list(figures.known.values())


if __name__ == "__main__":
    main()
