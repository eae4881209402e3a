"""Whether pip can install into 3D Slicer what the module asks for: its own commands, as dry runs for CPython 3.12.

Run with Slicer's pip (see slicer-pins.txt). A stub stands for the PyTorch that Slicer's extension brings.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
RESOURCES = HERE.parent / "MSLesionSeg" / "Resources"
TORCH = "2.12.0"


def stub(folder: Path) -> str:
    """A wheel of PyTorch's name that holds nothing; returns the constraint that takes no other."""
    version = f"{TORCH}+extension"
    info = f"torch-{version}.dist-info"
    with zipfile.ZipFile(folder / f"torch-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return f"torch=={version}\n"


def dry_run(folder: Path, *wanted: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--progress-bar", "off"]
    command += ["--python-version", "3.12", "--only-binary", ":all:", "--target", str(folder / "target")]
    command += ["--find-links", str(folder), "--constraint", str(folder / "constraints.txt"), *wanted]
    subprocess.run(command, check=True)


def main() -> None:
    ants_file = (RESOURCES / "requirements-ants.txt").read_text(encoding="utf-8")
    ants, *needs = [line for line in ants_file.splitlines() if not line.startswith("#")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pins = (HERE / "slicer-pins.txt").read_text(encoding="utf-8")
        (folder / "constraints.txt").write_text(pins + stub(folder), encoding="utf-8")
        dry_run(folder, "--requirement", str(RESOURCES / "requirements.txt"))
        dry_run(folder, "--no-deps", ants)
        dry_run(folder, *needs)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
