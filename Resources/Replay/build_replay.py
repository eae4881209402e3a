"""Makes the shipped replay buffer: python Resources/Replay/build_replay.py (about two minutes).

Four synthetic patients, two with thin and two with thick slices; the same patients every time.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from MSLesionSegLib.synthesis.dataset import write_dataset
from MSLesionSegLib.training.archives import pack
from MSLesionSegLib.training.compact import STEP, write_compact
from MSLesionSegLib.training.prepare import prepare_dataset
from MSLesionSegLib.training.replay import KIND

PATIENTS, SEED = 4, 22
TARGET = Path(__file__).with_name("synthetic-flair.zip")


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        dataset = write_dataset(folder / "synthetic", PATIENTS, mixture="ms", seed=SEED)
        examples = prepare_dataset(dataset, folder / "examples")
        for example in examples:
            write_compact(example, folder / "compact")
        TARGET.unlink(missing_ok=True)
        pack(folder / "compact", TARGET, KIND, {"task": "flair", "step": STEP})
    print(f"{TARGET.name}: {len(examples)} examples, {TARGET.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
