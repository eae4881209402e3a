"""On a Slicer without any of the core's packages the module loads, and the panel says what is missing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import scene as scenes

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "MSLesionSeg").rglob("*.py"))
ALLOWED = {
    "slicer",
    "qt",
    "ctk",
    "vtk",
    "numpy",
    "MSLesionSegLib",
    "MSLesionSegModule",
    *sys.stdlib_module_names,
}

BARE = """
import importlib, importlib.util, sys
sys.path.insert(0, {harness!r})
import panel as harness
harness.start()
importlib.import_module("__feature__").set_selection(2, "__main__")
GONE = {{"torch", "monai", "nibabel", "cc3d", "platformdirs", "safetensors", "typer", "rich", "jinja2", "einops"}}

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in GONE:
            raise ModuleNotFoundError(name, name=name)

for name in [name for name in sys.modules if name.split(".")[0] in GONE]:
    del sys.modules[name]
sys.meta_path.insert(0, Block())
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in GONE else find(name, *rest)
import slicer
from slicer import packaging
packaging.pip_check = lambda requirement: False
panel = harness.openPanel()
print(panel.ui.packagesLabel.text)
print(panel.ui.segmentButton.enabled)
harness.closePanel(panel)
"""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_at_file_scope_only_what_slicer_brings_is_imported(file):
    if file.name == "draw_icon.py":
        pytest.skip("draws the icon; it is not part of the module")
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        assert {name.split(".")[0] for name in names} <= ALLOWED


def test_the_panel_opens_without_the_core_s_packages():
    code = BARE.format(harness=str(scenes.ROOT / "Testing" / "harness"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    *_, label, enabled = done.stdout.strip().splitlines()
    assert "PyTorch" in label and "nibabel" in label
    assert enabled == "False"
