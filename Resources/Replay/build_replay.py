"""Makes the shipped replay buffer: python Resources/Replay/build_replay.py WORK

WORK is the folder of ``python -m model_development default-models`` after its steps ``synthesise`` and ``prepare``.
The buffer holds four of the synthetic patients that the default models were trained on, two with thin and two with
thick slices.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from MSLesionSegLib.cases.splits import SYNTHETIC_SITE
from MSLesionSegLib.files.zip_archive import pack_folder
from MSLesionSegLib.training.examples.example import read_examples
from MSLesionSegLib.training.examples.packed_example import STEP, write_packed
from MSLesionSegLib.training.examples.replay_buffer import KIND

PATIENTS = ("sub-ms00006", "sub-ms00012", "sub-ms00014", "sub-ms00016")
TARGET = Path(__file__).with_name("synthetic-flair.zip")


def main(work: Path) -> None:
    examples = {example.name: example for example in read_examples(work / "examples" / "synthetic-ms")}
    with tempfile.TemporaryDirectory() as temporary:
        for name in PATIENTS:
            write_packed(replace(examples[name], site=SYNTHETIC_SITE, weight=1.0), Path(temporary))
        TARGET.unlink(missing_ok=True)
        pack_folder(Path(temporary), TARGET, KIND, {"task": "flair", "step": STEP})
    print(f"{TARGET.name}: {len(PATIENTS)} examples, {TARGET.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
