"""What a training step costs by the part that is tuned, and how much memory it needs.

    python Testing/benchmarks/bench_training.py [--model NAME] [--steps N] [--patch N] [--batch N]

Each row is measured in a process of its own on random volumes; CPU seconds, so that other programs disturb little.
Compare rows of one run only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TUNES = ("all", "encoder", "decoder", "last")


def measure(tune: str, model: str, steps: int, patch: int, batch: int) -> dict[str, float]:
    """CPU seconds per step and per patch of the pool of frozen features, and peak memory in GiB; in this process."""
    import resource

    import numpy as np

    from MSLesionSegLib.network.parts import cut, freeze
    from MSLesionSegLib.network.store import load_model
    from MSLesionSegLib.progress import Silent
    from MSLesionSegLib.training.budget import memory_needed_gib
    from MSLesionSegLib.training.examples import write_example
    from MSLesionSegLib.training.features import FeatureSource
    from MSLesionSegLib.training.fine_tuning import get_recipe
    from MSLesionSegLib.training.interleave import InterleavedSource
    from MSLesionSegLib.training.loop import train_network

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
    per_gib = 2**30 if sys.platform == "darwin" else 2**20
    return {
        "step": per_step,
        "pool": pool,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_gib,
        "expected": memory_needed_gib(
            architecture, recipe, sum(parameter.numel() for parameter in network.parameters())
        ),
    }


def main() -> None:
    """Measure every row and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="flair-ms")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--tune", choices=TUNES, help="only this row, as JSON")
    options = parser.parse_args()
    settings = (options.model, options.steps, options.patch, options.batch)
    if options.tune:
        print(json.dumps(measure(options.tune, *settings)))
        return
    rows = {}
    for tune in TUNES:
        command = [sys.executable, __file__, "--tune", tune, "--model", options.model]
        for name in ("steps", "patch", "batch"):
            command += [f"--{name}", str(getattr(options, name))]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows[tune] = json.loads(done.stdout.splitlines()[-1])
        print(f"--tune {tune}: {rows[tune]['step']:.2f} s", file=sys.stderr)
    print(f"{options.model}, {options.batch} patches of {options.patch} voxels per step\n")
    print(
        "| --tune | CPU s per step | faster than all | CPU s per patch of the pool | peak GiB | planned GiB |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for tune, row in rows.items():
        ratio = rows["all"]["step"] / row["step"]
        pool = f"{row['pool']:.2f}" if row["pool"] else "-"
        print(
            f"| {tune} | {row['step']:.2f} | {ratio:.1f}x | {pool} | {row['memory']:.2f} | {row['expected']:.2f} |"
        )


if __name__ == "__main__":
    main()
