"""A training step against a plain MONAI loop with the same recipe, and memory by the number of cases.

    python Testing/benchmarks/training_loop.py [--steps N] [--cases N] [--json]

The plain loop is the usual one: CacheDataset, MONAI's random transforms for crops, flips, rotation, noise and
contrast, Dice + cross-entropy, AdamW, float32. Ours is the product's loop with the recipe ``quick``. Both begin
with the same weights and have the same patch size, patches per step, number of steps and validation scan; CPU
seconds in one process and one thread. Memory is the peak of a fresh process that draws a few batches.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import Figure, finish, machine, markdown, measure, monai_network, peak_gib

PATCH, BATCH = 64, 2
MEMORY_CASES = (5, 20, 80)


def make_examples(folder: Path, count: int) -> list[Any]:
    """Synthetic patients as prepared examples; the last one is for validation."""
    from MSLesionSegLib.imaging.normalization import zscore
    from MSLesionSegLib.lesions.components import bounding_box
    from MSLesionSegLib.synthesis.patient import synthetic_patient
    from MSLesionSegLib.training.examples.example import write_example

    examples = []
    for seed in range(count):
        patient = synthetic_patient(seed, lesions=20, skull=False)
        flair, mask, brain = (np.asarray(i.dataobj) for i in (patient.flair, patient.mask, patient.brain))
        box = bounding_box(brain, 8)
        image = zscore(flair, brain > 0)[box][None]
        examples.append(
            write_example(
                folder / f"case-{seed}", image, mask[box].astype(np.float32), brain[box], site="bench"
            )
        )
    return examples


def plain_batches(examples: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Batches as a plain MONAI program makes them, for ever."""
    from monai.data import CacheDataset, DataLoader, list_data_collate
    from monai.transforms import (
        Compose,
        EnsureTyped,
        RandAdjustContrastd,
        RandAffined,
        RandCropByPosNegLabeld,
        RandFlipd,
        RandGaussianNoised,
        RandScaleIntensityd,
        ToTensord,
    )

    keys = ("image", "label")
    patch = (PATCH,) * 3
    transforms = Compose(
        [
            EnsureTyped(keys),
            RandCropByPosNegLabeld(keys, "label", patch, pos=1, neg=1, num_samples=1),
            *(RandFlipd(keys, prob=0.5, spatial_axis=axis) for axis in range(3)),
            RandAffined(
                keys,
                prob=0.5,
                rotate_range=(0.3,) * 3,
                scale_range=(0.15,) * 3,
                spatial_size=patch,
                mode=("bilinear", "nearest"),
                padding_mode="border",
            ),
            RandGaussianNoised("image", prob=0.3, std=0.1),
            RandScaleIntensityd("image", factors=0.2, prob=0.5),
            RandAdjustContrastd("image", prob=0.3),
            ToTensord(keys),
        ]
    )
    content = [
        {
            "image": np.asarray(example.array("image"), np.float32),
            "label": np.asarray(example.array("label"), np.float32)[None] / 255,
        }
        for example in examples
    ]
    dataset = CacheDataset(content, transforms, cache_rate=1.0, progress=False)
    while True:
        loader = DataLoader(dataset, batch_size=BATCH, shuffle=True, collate_fn=list_data_collate)
        for batch in loader:
            if len(batch["image"]) == BATCH:
                yield batch["image"].as_tensor(), batch["label"].as_tensor()


def train_plainly(network: Any, examples: Sequence[Any], steps: int) -> None:
    """The plain loop, float32."""
    import torch
    from monai.losses import DiceCELoss

    network.train()
    loss = DiceCELoss(sigmoid=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _, (image, label) in zip(range(steps), plain_batches(examples), strict=False):
        optimiser.zero_grad()
        loss(network(image), label).backward()
        optimiser.step()
        schedule.step()
    network.eval()


def speed(steps: int, cases: int) -> dict[str, tuple[float, float]]:
    """CPU seconds per step and Dice on the validation scan after all steps."""
    import torch

    from MSLesionSegLib.jobs.memory import keep_freed_memory
    from MSLesionSegLib.jobs.progress import Silent
    from MSLesionSegLib.network.freezing import cut, freeze
    from MSLesionSegLib.network.models.store import load_model
    from MSLesionSegLib.training.fine_tuning.encoder_features import FeatureSource
    from MSLesionSegLib.training.fine_tuning.recipes import get_recipe
    from MSLesionSegLib.training.fine_tuning.scores import means, score
    from MSLesionSegLib.training.loop.loop import train_network
    from MSLesionSegLib.training.patches.replay_interleaving import InterleavedSource

    rows = {}
    with tempfile.TemporaryDirectory() as temporary:
        *examples, validation = make_examples(Path(temporary), cases + 1)
        recipe = get_recipe("quick").but(patch=PATCH, batch=BATCH, steps=steps, minutes=0.0)

        def ours(tune: str) -> tuple[float, float]:
            model = load_model("flair-base")
            architecture = model.card.architecture
            freeze(model.network, architecture, tune)
            source: Any = InterleavedSource(examples, recipe)
            trained, parts = model.network, cut(model.network, architecture, tune)
            if parts is not None:
                begin, trained = parts
                folder = Path(temporary) / "pool"
                source = FeatureSource(source, begin, folder, 4 * BATCH, "cpu", Silent())
            cpu, _, _ = measure(lambda: train_network(trained, source, recipe))
            return cpu / steps, means(score(model, [validation]))["dice"] or 0.0

        def plain() -> tuple[float, float]:
            model = load_model("flair-base")
            network = monai_network(model)
            cpu, _, _ = measure(lambda: train_plainly(network, examples, steps))
            model.network.load_state_dict(network.state_dict())
            return cpu / steps, means(score(model, [validation]))["dice"] or 0.0

        torch.manual_seed(0)
        rows["plain MONAI, float32"] = plain()
        keep_freed_memory()  # as every job of the program does
        rows["this program, all weights"] = ours("all")
        rows["this program, decoder only"] = ours("decoder")
        rows["before training"] = (0.0, means(score(load_model("flair-base"), [validation]))["dice"] or 0.0)
    return rows


def drawing_gib(way: str, folder: Path) -> float:
    """Peak memory of drawing six batches from all examples in a folder; in this process."""
    from MSLesionSegLib.jobs.memory import keep_freed_memory
    from MSLesionSegLib.training.examples.example import read_examples
    from MSLesionSegLib.training.fine_tuning.recipes import get_recipe
    from MSLesionSegLib.training.patches.replay_interleaving import InterleavedSource

    examples = read_examples(folder)
    if way == "plain":
        for _, _ in zip(range(6), plain_batches(examples), strict=False):
            pass
    else:
        keep_freed_memory()
        source = InterleavedSource(examples, get_recipe("quick").but(patch=PATCH, batch=BATCH))
        for step in range(6):
            source.batch(step)
    return peak_gib()


def memory() -> dict[str, list[float]]:
    """Peak memory by the number of cases, for both ways; each in a process of its own."""
    rows: dict[str, list[float]] = {"plain": [], "ours": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "examples"
        (first,) = make_examples(folder, 1)
        for count in MEMORY_CASES:
            for number in range(1, count):
                target = folder / f"case-{number}"
                if not target.exists():
                    shutil.copytree(first.folder, target)
            for way, values in rows.items():
                command = [sys.executable, __file__, "--memory", way, str(folder)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                values.append(json.loads(done.stdout.splitlines()[-1]))
    return rows


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cases", type=int, default=5)
    parser.add_argument("--memory", nargs=2, metavar=("WAY", "FOLDER"), help="only this, as JSON")
    parser.add_argument("--json", action="store_true", help="the figures as a last line of JSON")
    options = parser.parse_args()
    if options.memory:
        print(json.dumps(drawing_gib(options.memory[0], Path(options.memory[1]))))
        return

    import torch

    torch.set_num_threads(1)
    rows = speed(options.steps, options.cases)
    base = rows["plain MONAI, float32"][0]
    lines = [
        [f"{BATCH} patches of {PATCH} per step", "CPU s per step", "faster", "Dice on a scan not trained on"]
    ]
    figures = []
    for name, (cpu, value) in rows.items():
        ratio = f"{base / cpu:.1f}x" if cpu else "-"
        lines.append([name, f"{cpu:.2f}" if cpu else "-", ratio, f"{value:.3f}"])
        if name.startswith("this program"):
            figures.append(Figure(f"training step, {name}, against plain MONAI", base / cpu, "x"))
    print(markdown(lines), end="\n\n")
    peaks = memory()
    titles = {"plain": "plain MONAI, CacheDataset", "ours": "this program"}
    lines = [["peak GiB of drawing patches", *(f"{count} cases" for count in MEMORY_CASES)]]
    lines += [[titles[way], *(f"{value:.2f}" for value in values)] for way, values in peaks.items()]
    print(markdown(lines), end="\n\n")
    figures += [
        Figure(f"memory of drawing patches, {titles[way]}, {count} cases", value, "GiB")
        for way, values in peaks.items()
        for count, value in zip(MEMORY_CASES, values, strict=True)
    ]
    print(machine())
    finish(figures, options.json)


if __name__ == "__main__":
    main()
