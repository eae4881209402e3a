"""A result folder as the command line makes it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def segmented(flair: Path, folder: Path, models: Path) -> Path:
    """Let the model ``bright`` of a models folder find the lesions on a scan, into ``folder``; returns that."""
    command = [sys.executable, "-m", "MSLesionSegLib", "segment", "flair", "--flair", str(flair)]
    command += ["--output", str(folder), "--model", "bright", "--device", "cpu"]
    environment = {**os.environ, "MSLESIONSEG_MODELS": str(models), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return folder
