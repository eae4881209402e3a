"""Imports point down the floors of the house, never round in a circle; files and folders stay small."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CORE = ROOT / "MSLesionSegLib"
# from the roof to the ground; what lies beside the folders (errors, pages, ...) is the ground
FLOORS = (
    "commands",
    "batch",
    "node",
    "pacs",
    "studies",
    "training",
    "cases",
    "dicom",
    "review",
    "evaluation",
    "segmentation",
    "network",
    "lesions",
    "imaging",
    "synthesis",
    "jobs",
    "files",
)
ON_THE_ROOF = ("cli", "__main__", "diagnostics", "warm_start")
LONGEST_FILE, MOST_FILES = 350, 15
ALL_CODE = [
    path
    for folder in ("MSLesionSeg", "MSLesionSegLib", "model_development", "Testing", "docs", ".ci")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, modules: set[str]) -> set[str]:
    """The core's own modules that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= whole & modules or {node.module}
    return names & modules


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    paths = {module_of(path): path for path in CORE.rglob("*.py")}
    return {name: imported(path, set(paths)) - {name} for name, path in paths.items()}


def floor(module: str) -> int:
    first = [*module.split("."), ""][1]
    if first in ON_THE_ROOF:
        return -1
    return FLOORS.index(first) if first in FLOORS else len(FLOORS)


def test_every_folder_of_the_core_is_a_floor():
    folders = {path.parent.name for path in CORE.glob("*/__init__.py")}
    assert folders <= set(FLOORS)


def test_imports_point_down(imports):
    up = [
        f"{module} imports {other}"
        for module, others in imports.items()
        for other in others
        if floor(other) < floor(module)
    ]
    assert not up, "\n".join(sorted(up))


def test_no_imports_go_round_in_a_circle(imports):
    def reached(module: str) -> set[str]:
        found, queue = set(), [module]
        while queue:
            new = imports[queue.pop()] - found
            found |= new
            queue += new
        return found

    circles = [module for module in imports if module in reached(module)]
    assert not circles, "\n".join(sorted(circles))


def test_no_file_is_long():
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in ALL_CODE}
    long = [f"{path.relative_to(ROOT)}: {count}" for path, count in lines.items() if count > LONGEST_FILE]
    # Slicer wants the module, its widget, its logic and its test in this one file
    assert [entry for entry in long if not entry.startswith("MSLesionSeg/MSLesionSeg.py")] == []


def test_no_folder_is_full():
    folders = [path.parent for path in ALL_CODE]
    full = {folder.relative_to(ROOT): folders.count(folder) for folder in folders}
    assert {folder: count for folder, count in full.items() if count > MOST_FILES} == {}
