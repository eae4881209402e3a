"""The network on one brain: common ways to run it against ours, with the same weights, in one process.

    python Testing/benchmarks/inference.py [--model NAME] [--flair SCAN] [--threads N] [--repeat N] [--extra] [--json]

Every row runs on the same input; all but our own with the network as MONAI builds it. CPU seconds count, so that
other programs disturb little; compare rows of one run only. ``Dice`` is of the lesion mask against that of the first
row. ``--extra`` adds rows that take long or need a package that the program itself does not use (OpenVINO, ONNX
Runtime, nnU-Net): rows whose package is missing are left out. nnU-Net may live in another environment, whose Python
``NNUNET_PYTHON`` names.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measuring import Figure, dice, finish, machine, markdown, measure, monai_network

if TYPE_CHECKING:
    import torch

    from MSLesionSegLib.network.models.store import Model

BASELINE = "MONAI sliding window, float32, overlap 0.5"
OURS = "this program"
WINDOW = 96


@dataclass(frozen=True)
class Brain:
    """Normalised channels (C, X, Y, Z), float32, and the brain mask, on the whole 1 mm grid of a scan."""

    channels: np.ndarray
    mask: np.ndarray


@dataclass
class Row:
    """What was measured: seconds of CPU and of the clock, and the probability (X, Y, Z)."""

    cpu_s: float
    wall_s: float
    probability: np.ndarray


def make_brain(scan: Path | None) -> Brain:
    """A synthetic patient, or a scan, as the network sees it but not yet cut to the brain."""
    import nibabel as nib

    from MSLesionSegLib.imaging.grid import to_network_grid
    from MSLesionSegLib.imaging.normalization import zscore
    from MSLesionSegLib.imaging.reading import read_scan
    from MSLesionSegLib.network.brain_extraction import brain_mask
    from MSLesionSegLib.synthesis.patient import synthetic_patient

    image = read_scan(scan).image if scan else synthetic_patient(11, lesions=15).flair
    mask = brain_mask(image)
    mask = nib.Nifti1Image(np.asarray(mask.dataobj, np.float32), mask.affine)
    inside = np.asarray(to_network_grid(mask).dataobj) >= 0.5
    return Brain(zscore(np.asarray(to_network_grid(image).dataobj), inside)[None], inside)


def cut_to_brain(brain: Brain) -> tuple[Brain, tuple[slice, ...]]:
    """The brain's bounding box, and where it lies."""
    from MSLesionSegLib.lesions.components import bounding_box
    from MSLesionSegLib.network.sliding_window import MARGIN

    box = bounding_box(brain.mask, MARGIN)
    return Brain(np.ascontiguousarray(brain.channels[(slice(None), *box)]), brain.mask[box]), box


@contextlib.contextmanager
def bfloat16(enabled: bool) -> Iterator[None]:
    """Autocast of the CPU."""
    import torch

    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
        yield


def sliding(
    run: Callable[[torch.Tensor], torch.Tensor],
    brain: Brain,
    *,
    window: int = WINDOW,
    overlap: float = 0.5,
    cut: bool = False,
    half: bool = False,
) -> np.ndarray:
    """MONAI's sliding window, Gaussian weights."""
    import torch
    from monai.inferers import sliding_window_inference

    part, box = cut_to_brain(brain) if cut else (brain, (slice(None),) * 3)
    data = torch.from_numpy(part.channels)[None]
    with bfloat16(half):
        logits = sliding_window_inference(data, (window,) * 3, 1, run, overlap=overlap, mode="gaussian")
    probability = np.zeros(brain.mask.shape, np.float32)
    probability[box] = torch.sigmoid(logits.float())[0, 0].numpy()
    return probability


def whole(run: Callable[[torch.Tensor], torch.Tensor], brain: Brain, multiple: int, half: bool) -> np.ndarray:
    """One pass over the brain's bounding box."""
    import torch

    part, box = cut_to_brain(brain)
    padded = np.pad(part.channels, [(0, 0), *((0, -n % multiple) for n in part.mask.shape)])
    with bfloat16(half):
        logits = run(torch.from_numpy(padded)[None])[0, 0].float()
    probability = np.zeros(brain.mask.shape, np.float32)
    probability[box] = torch.sigmoid(logits).numpy()[tuple(slice(n) for n in part.mask.shape)]
    return probability


def ours(model: Model, brain: Brain, *, mirroring: bool = False, device: str = "cpu") -> np.ndarray:
    """The program's own way."""
    from MSLesionSegLib.network.sliding_window import predict

    return predict(model, brain.channels, brain.mask, mirroring=mirroring, device=device).probability


def means(model: Model, brain: Brain) -> dict[str, Callable[[], np.ndarray]]:
    """The rows that need nothing but the program's own packages."""
    import torch

    from MSLesionSegLib.network.number_format import has_fast_bfloat16

    network, multiple = monai_network(model), model.card.architecture.multiple

    def last(window: int = WINDOW, half: bool = True) -> Callable[[], np.ndarray]:
        def call() -> np.ndarray:
            network.to(memory_format=torch.channels_last_3d)
            try:
                return sliding(network, brain, window=window, overlap=0.25, cut=True, half=half)
            finally:
                network.to(memory_format=torch.contiguous_format)

        return call

    rows = {
        BASELINE: lambda: sliding(network, brain),
        "the same, cut to the brain": lambda: sliding(network, brain, cut=True),
        "cut, overlap 0.25": lambda: sliding(network, brain, overlap=0.25, cut=True),
        "the same, channels last": last(half=False),
        "one pass, float32": lambda: whole(network, brain, multiple, False),
    }
    if has_fast_bfloat16():  # without instructions for it one window takes minutes
        rows |= {
            "cut, overlap 0.25, bfloat16": lambda: sliding(network, brain, overlap=0.25, cut=True, half=True),
            "the same in bfloat16, channels last": last(),
            "the same, windows of 128": lambda: sliding(
                network, brain, window=128, overlap=0.25, cut=True, half=True
            ),
            "the same, windows of 160": lambda: sliding(
                network, brain, window=160, overlap=0.25, cut=True, half=True
            ),
            "one pass, bfloat16": lambda: whole(network, brain, multiple, True),
        }
    return rows | {
        OURS: lambda: ours(model, brain),
        f"{OURS}, mirrored": lambda: ours(model, brain, mirroring=True),
    }


def openvino(network: torch.nn.Module, shape: tuple[int, ...], precision: str, threads: int) -> Any:
    """The network compiled by OpenVINO for one input shape, as a function of tensors; nothing is ever sent."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # OpenVINO then has nothing to send with
    import openvino as ov
    import torch

    example = torch.zeros(shape)
    with torch.inference_mode():
        converted = ov.convert_model(network, example_input=example, input=[shape])
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads}
    compiled = ov.Core().compile_model(converted, "CPU", settings)
    return lambda data: torch.from_numpy(np.array(next(iter(compiled(data.numpy()).values()))))


def extras(model: Model, brain: Brain, threads: int) -> dict[str, Callable[[], np.ndarray]]:
    """Rows that take long or need further packages."""
    import torch

    network = monai_network(model)
    rows: dict[str, Callable[[], np.ndarray]] = {}

    def compiled() -> np.ndarray:
        quick = torch.compile(network)
        with bfloat16(True):
            quick(
                torch.zeros(1, model.card.architecture.in_channels, *(WINDOW,) * 3)
            )  # compiling is not counted
        return sliding(quick, brain, overlap=0.25, cut=True, half=True)

    if importlib.util.find_spec("openvino"):
        shape = (1, model.card.architecture.in_channels, *(WINDOW,) * 3)
        for precision in ("f32", "bf16"):
            run = openvino(network, shape, precision, threads)
            rows[f"cut, overlap 0.25, OpenVINO {precision}"] = lambda run=run: sliding(
                run, brain, overlap=0.25, cut=True
            )
    rows["cut, overlap 0.25, bfloat16, torch.compile"] = compiled
    return rows


def nnunet(python: str, model: Model, brain: Brain, threads: int) -> dict[str, Row]:
    """nnU-Net's predictor with the same weights, in another environment that also has torch and MONAI."""
    import torch

    part, box = cut_to_brain(brain)  # nnU-Net cuts to what is not zero, which is the same
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.save(folder / "channels.npy", part.channels)
        example = torch.zeros(1, len(part.channels), *(WINDOW,) * 3)
        with torch.inference_mode():
            torch.jit.trace(monai_network(model), example, check_trace=False).save(folder / "network.pt")
        script = str(Path(__file__).with_name("nnunet_predictor.py"))
        subprocess.run([python, script, str(folder), str(WINDOW), str(threads)], check=True)
        rows = {}
        for file in sorted(folder.glob("row-*.json")):
            content = json.loads(file.read_text(encoding="utf-8"))
            probability = np.zeros(brain.mask.shape, np.float32)
            probability[box] = np.load(file.with_suffix(".npy"))
            rows[content["name"]] = Row(content["cpu_s"], content["wall_s"], probability)
    return rows


def main() -> None:
    """Measure the rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="flair-ms")
    parser.add_argument("--flair", type=Path, help="a scan instead of a synthetic patient")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1, help="runs per row; the fastest counts")
    parser.add_argument(
        "--extra", action="store_true", help="also rows that take long or need further packages"
    )
    parser.add_argument("--json", action="store_true", help="the figures as a last line of JSON")
    options = parser.parse_args()

    import torch

    from MSLesionSegLib.network.models.store import load_model

    torch.set_num_threads(options.threads)
    brain, model = make_brain(options.flair), load_model(options.model)
    calls = means(model, brain)
    if options.extra:
        calls |= extras(model, brain, options.threads)
    rows = {}
    for name, call in calls.items():
        rows[name] = Row(*measure(call, options.repeat))
        print(f"{name}: {rows[name].cpu_s:.1f} s", file=sys.stderr)
    if options.extra and "NNUNET_PYTHON" in os.environ:
        rows |= nnunet(os.environ["NNUNET_PYTHON"], model, brain, options.threads)
    figures = print_table(rows, brain, model.card.threshold)
    print(f"\n{machine()}")
    finish(figures, options.json)


def print_table(rows: dict[str, Row], brain: Brain, threshold: float) -> list[Figure]:
    """Print the table and return what is worth storing."""
    masks = {name: (row.probability >= threshold) & brain.mask for name, row in rows.items()}
    lines = [["way", "CPU s", "wall s", "faster", "Dice"]]
    for name, row in rows.items():
        ratio = rows[BASELINE].cpu_s / row.cpu_s
        same = dice(masks[name], masks[BASELINE])
        lines.append([name, f"{row.cpu_s:.1f}", f"{row.wall_s:.1f}", f"{ratio:.1f}x", f"{same:.4f}"])
    print(markdown(lines))
    return [
        Figure(f"{OURS} against {BASELINE}", rows[BASELINE].cpu_s / rows[OURS].cpu_s, "x"),
        Figure(f"{OURS}, mask against {BASELINE}", dice(masks[OURS], masks[BASELINE]), "Dice"),
        Figure(OURS, rows[OURS].cpu_s, "s"),
        Figure(f"{OURS}, mirrored", rows[f"{OURS}, mirrored"].cpu_s, "s"),
    ]


if __name__ == "__main__":
    main()
