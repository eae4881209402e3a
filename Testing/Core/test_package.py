"""What is shipped is complete: a file that CMake does not list is missing from the extension."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"MSLesionSegLib": ROOT / "MSLesionSegLib", "MSLesionSeg": ROOT / "MSLesionSeg"}
NOT_SHIPPED = {"CMakeLists.txt", "Resources/Icons/draw_icon.py"}


def listed(folder: Path, variable: str) -> set[str]:
    text = (folder / "CMakeLists.txt").read_text(encoding="utf-8")
    entries = re.search(rf"set\({variable}\n(.*?)\n\s*\)", text, re.DOTALL).group(1).split()
    return {entry.replace("${MODULE_NAME}", folder.name) for entry in entries}


@pytest.mark.parametrize("name", PACKAGES)
def test_cmake_lists_every_file(name):
    folder = PACKAGES[name]
    there = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    } - NOT_SHIPPED
    in_cmake = listed(folder, "MODULE_PYTHON_SCRIPTS") | listed(folder, "MODULE_PYTHON_RESOURCES")
    assert in_cmake == there, f"bring {name}/CMakeLists.txt up to date"


def test_every_version_in_the_constraints_is_exact():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line), line


def test_every_dependency_is_pinned():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    }
    wanted = re.findall(r'"([A-Za-z0-9-]+)>=', project)
    assert wanted
    assert {name.lower() for name in wanted} <= pinned
