"""Starting is cheap, and the core stands on its own feet."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "monai", "slicer", "qt", "vtk", "ants", "SimpleITK", "skimage", "matplotlib", "nilearn")


@pytest.mark.parametrize("module", ["MSLesionSegLib", "MSLesionSegLib.cli", "MSLesionSegLib.jobs"])
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_help_is_shown_without_loading_torch():
    code = (
        "import sys\nfrom MSLesionSegLib.cli import app\n"
        "try:\n    app(['segment', 'flair', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
