"""What fine-tuning costs: a step by the part that is tuned, and the whole of ``mslesionseg train`` on five cases.

    python Testing/benchmarks/bench_training.py [--only steps|quick] [--model NAME] [--steps N] [--patch N]
        [--batch N] [--data BIDS] [--validate PATIENT ...] [--train N] [--minutes M] [--set FIELD=VALUE] [--json]

Steps: each row is measured in a process of its own on random volumes; CPU seconds, so that other programs disturb
little, and the peak memory of that process. Quick: the real commands, from filing the cases to the gate's verdict,
in folders of their own and with all cores; seconds of the clock, of the training alone. Without ``--data`` the
patients are synthetic, with it the FLAIRs and masks of a dataset, where whoever validates must be unknown to the
model. Compare rows of one run only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import Figure, finish, machine, markdown, peak_gib

TUNES = ("all", "encoder", "decoder", "last")
GOALS = {"decoder": 1.5, "last": 3.0}  # times faster per step than all
GOAL_MINUTES = 15
SITE, COPY = "bench", "before"
VALIDATING = 3  # the fewest on which the gate decides
SEED = 77  # of patients on whom no shipped model was trained


def measure(tune: str, model: str, steps: int, patch: int, batch: int) -> dict[str, float]:
    """CPU seconds per step and per patch of the pool of frozen features, and peak memory in GiB; in this process."""
    import numpy as np

    from MSLesionSegLib.jobs.progress import Silent
    from MSLesionSegLib.network.freezing import cut, freeze
    from MSLesionSegLib.network.models.store import load_model
    from MSLesionSegLib.training.examples.example import write_example
    from MSLesionSegLib.training.fine_tuning.budget import memory_needed_gib
    from MSLesionSegLib.training.fine_tuning.encoder_features import FeatureSource
    from MSLesionSegLib.training.fine_tuning.recipes import get_recipe
    from MSLesionSegLib.training.loop.loop import train_network
    from MSLesionSegLib.training.patches.replay_interleaving import InterleavedSource

    loaded = load_model(model)
    network, architecture = loaded.network, loaded.card.architecture
    freeze(network, architecture, tune)
    recipe = get_recipe("quick").but(patch=patch, batch=batch, minutes=0.0, steps=2)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as temporary:
        image = rng.normal(size=(architecture.in_channels, 144, 176, 144)).astype(np.float32)
        label = (image[0] > 3).astype(np.float32)
        example = write_example(Path(temporary) / "example", image, label, np.ones_like(label), site="bench")
        source, trained, pool = InterleavedSource([example], recipe), network, 0.0
        parts = cut(network, architecture, tune)
        if parts is not None:
            begin, trained = parts
            size = 4 * batch
            before = time.process_time()
            source = FeatureSource(source, begin, Path(temporary) / "pool", size, "cpu", Silent())
            pool = (time.process_time() - before) / size
        train_network(trained, source, recipe)  # warm up
        before = time.process_time()
        train_network(trained, source, recipe.but(steps=steps))
        per_step = (time.process_time() - before) / steps
    return {
        "step": per_step,
        "pool": pool,
        "memory": peak_gib(),
        "expected": memory_needed_gib(
            architecture, recipe, sum(parameter.numel() for parameter in network.parameters())
        ),
    }


def step_rows(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """What :func:`measure` finds, by tuned part."""
    rows = {}
    for tune in TUNES:
        command = [sys.executable, __file__, "--tune", tune, "--model", options.model]
        for name in ("steps", "patch", "batch"):
            command += [f"--{name}", str(getattr(options, name))]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows[tune] = json.loads(done.stdout.splitlines()[-1])
        print(f"--tune {tune}: {rows[tune]['step']:.2f} s", file=sys.stderr)
    return rows


def step_table(rows: dict[str, dict[str, float]]) -> list[list[str]]:
    """The lines of the steps' table."""
    lines = [
        [
            "--tune",
            "CPU s per step",
            "faster than all",
            "goal",
            "CPU s per patch of the pool",
            "peak GiB",
            "planned GiB",
        ]
    ]
    for tune, row in rows.items():
        lines.append(
            [
                tune,
                f"{row['step']:.2f}",
                f"{rows['all']['step'] / row['step']:.1f}x",
                f"{GOALS[tune]:g}x" if tune in GOALS else "-",
                f"{row['pool']:.2f}" if row["pool"] else "-",
                f"{row['memory']:.2f}",
                f"{row['expected']:.2f}",
            ]
        )
    return lines


def patients(options: argparse.Namespace, folder: Path) -> dict[str, list[tuple[Path, Path]]]:
    """Scan and mask of those who train and of the three who validate, by the side of the split."""
    from MSLesionSegLib.synthesis.dataset import write_dataset
    from MSLesionSegLib.training.examples.dataset_examples import find_scans

    if options.data is None:
        write_dataset(folder, options.train + VALIDATING, seed=SEED)
    scans = {scan.name.split("_")[0]: (scan.image, scan.mask) for scan in find_scans(options.data or folder)}
    missing = [name for name in options.validate if name not in scans]
    if missing:
        raise SystemExit(f"There is no patient {missing[0]}. Patients: {', '.join(scans)}.")
    validating = options.validate or list(scans)[-VALIDATING:]
    training = [name for name in scans if name not in validating][: options.train]
    if len(training) < options.train:
        raise SystemExit(f"There are {len(scans)} patients, too few to train on {options.train}.")
    return {
        "training": [scans[name] for name in training],
        "validation": [scans[name] for name in validating],
    }


def quick(options: argparse.Namespace) -> dict[str, Any]:
    """File patients and fine-tune by the recipe ``quick``; the training's result event with its ``minutes``."""
    from MSLesionSegLib.network.models.store import find_model

    model = find_model(options.model)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        store, cases = folder / "models", folder / "cases"
        shutil.copytree(model, store / COPY)
        card = json.loads((store / COPY / "card.json").read_text(encoding="utf-8"))
        (store / COPY / "card.json").write_text(json.dumps({**card, "name": COPY}), encoding="utf-8")
        environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
        environment |= {"XDG_DATA_HOME": str(folder / "data"), "MSLESIONSEG_MODELS": str(store)}

        def command(*arguments: object) -> dict[str, Any]:
            parts = [sys.executable, "-m", "MSLesionSegLib", *map(str, arguments), "--events"]
            done = subprocess.run(parts, stdout=subprocess.PIPE, text=True, env=environment)
            last = done.stdout.splitlines()[-1]
            if done.returncode:
                raise SystemExit(f"{' '.join(parts)} failed: {last}")
            return json.loads(last)

        command("models", "use", COPY)
        for side, scans in patients(options, folder / "bids").items():
            for flair, mask in scans:
                scan = ("--flair", flair, "--mask", mask)
                command("cases", "add", "--cases", cases, *scan, "--site", SITE, "--split", side)
        begin = time.perf_counter()
        changed = [part for setting in options.set for part in ("--set", setting)]
        result = command("train", "--cases", cases, "--minutes", options.minutes, *changed)
        return result | {"minutes": (time.perf_counter() - begin) / 60}


def quick_table(result: dict[str, Any], options: argparse.Namespace) -> list[list[str]]:
    """The lines of the table of a whole fine-tuning."""
    gate = result["gate"]
    line = [
        f"{options.train} cases, {options.minutes:g} minutes given",
        f"{result['minutes']:.1f}",
        f"{result['history'][-1]['step']:.0f}",
        *(f"{gate['old'][name]:.3f} -> {gate['new'][name]:.3f}" for name in ("dice", "f1")),
        gate["verdict"],
    ]
    heads = ["quick fine-tuning", "minutes", "steps", "Dice", "lesion F1", "gate"]
    return [heads, line]


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("steps", "quick"), help="only one of the two tables")
    parser.add_argument("--model", default="flair-ms", help="to start from, by name or folder")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--tune", choices=TUNES, help="only this row of the steps, as JSON")
    parser.add_argument(
        "--data", type=Path, help="BIDS dataset with FLAIRs and masks (default: synthetic patients)"
    )
    parser.add_argument("--train", type=int, default=5, help="patients to train on")
    parser.add_argument(
        "--validate", nargs="*", default=[], help=f"who validates (default: the last {VALIDATING})"
    )
    parser.add_argument("--minutes", type=float, default=12.0, help="time budget of the whole fine-tuning")
    parser.add_argument("--set", action="append", default=[], help="as of mslesionseg train, for a trial run")
    parser.add_argument("--json", action="store_true", help="the figures as a last line of JSON")
    options = parser.parse_args()
    if options.tune:
        settings = (options.model, options.steps, options.patch, options.batch)
        print(json.dumps(measure(options.tune, *settings)))
        return
    figures = []
    if options.only != "quick":
        rows = step_rows(options)
        print(f"{options.model}, {options.batch} patches of {options.patch} voxels per step\n")
        print(markdown(step_table(rows)), end="\n\n")
        figures += [Figure(f"step, --tune {tune}", row["step"], "s") for tune, row in rows.items()]
        figures += [
            Figure(f"step, --tune {tune} against all", rows["all"]["step"] / rows[tune]["step"], "x")
            for tune in GOALS
        ]
        figures += [Figure(f"peak memory, --tune {tune}", row["memory"], "GiB") for tune, row in rows.items()]
    if options.only != "steps":
        result = quick(options)
        print(markdown(quick_table(result, options)), end="\n\n")
        print(f"Goals: {GOAL_MINUTES} minutes at most, and better than before.", end="\n\n")
        gate = result["gate"]
        figures.append(Figure("quick fine-tuning, whole", 60 * result["minutes"], "s"))
        for when in ("old", "new"):
            figures += [
                Figure(f"quick fine-tuning, {name} of the {when} model", gate[when][name], "Dice")
                for name in ("dice", "f1")
            ]
    print(machine())
    finish(figures, options.json)


if __name__ == "__main__":
    main()
