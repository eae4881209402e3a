"""The folder that ``gpu.py --pack`` builds for a machine that has a GPU, Python and torch, and no network."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from training_loop import make_examples

MOST_MIB = 60
MISSING = ("monai", "safetensors", "nibabel", "packaging", "importlib-resources", "typing-extensions")
ROOT = Path(__file__).parents[2]
RUN = """#!/bin/sh
# measures on this machine; what comes out lies in the folder that is given, or in ./out
mkdir -p "${1:-$(dirname "$0")/out}" && out=$(cd "${1:-$(dirname "$0")/out}" && pwd) || exit 1
test $# -gt 0 && shift
cd "$(dirname "$0")" || exit 1
export PYTHONPATH=site:. MSLESIONSEG_MODELS=Resources/Models MSLESIONSEG_CACHE=.
for wheel in wheels/*.whl; do
  name=$(basename "$wheel") && name=${name%%-*}
  python3 -c "import importlib.util as u, sys; sys.exit(not u.find_spec('$name'))" ||
    python3 -m zipfile -e "$wheel" site
done
timeout -k 10 530 python3 Testing/benchmarks/gpu.py --examples examples --out "$out" "$@"
"""


def pack(folder: Path, model: str, missing: list[str], cases: int) -> None:
    """Build the folder for a machine without a network."""
    from MSLesionSegLib.training.examples.packed_example import write_packed

    no_cache = shutil.ignore_patterns("__pycache__", "*.pyc")
    for part in ("MSLesionSegLib", "Testing/benchmarks", f"Resources/Models/{model}"):
        shutil.copytree(ROOT / part, folder / part, ignore=no_cache)
    with tempfile.TemporaryDirectory() as temporary:
        for example in make_examples(Path(temporary), cases):
            write_packed(example, folder / "examples")
    wheels = ["-d", str(folder / "wheels"), *missing]
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", *wheels], check=True)
    (folder / "run.sh").write_text(RUN)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20
    print(f"{folder}: {size:.0f} MiB. There: sh run.sh")
    if size > MOST_MIB:
        raise SystemExit(f"That is more than {MOST_MIB} MiB: give fewer --cases or --missing packages.")
