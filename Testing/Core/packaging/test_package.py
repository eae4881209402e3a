"""What is shipped is complete: a file that CMake does not list is missing from the extension."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
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


# what Slicer and its PyTorch extension bring, what goes into a folder of its own, and what only the studies need
NOT_FOR_PIP_IN_SLICER = {
    "torch",
    "numpy",
    "scipy",
    "simpleitk",
    "antspyx",
    "pandas",
    "statsmodels",
}


def test_the_slicer_module_installs_what_the_core_needs():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    needed = re.search(r"\ndependencies = \[(.*?)\]", project, re.DOTALL).group(1)
    lines = (ROOT / "MSLesionSeg/Resources/requirements.txt").read_text(encoding="utf-8").splitlines()
    asked = {line.split(">=")[0].lower() for line in lines if line and not line.startswith("#")}
    assert {
        name.lower() for name in re.findall(r'"([A-Za-z0-9-]+)>=', needed)
    } - NOT_FOR_PIP_IN_SLICER == asked


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The unpacked wheel, built from a copy because setuptools leaves a build folder beside what it builds."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("MSLesionSegLib", "Resources"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    offline = ["--no-build-isolation", "--no-deps", "--no-index", "--quiet"]
    pip = [sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", folder, source]
    subprocess.run(pip, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def test_a_wheel_holds_the_whole_package_and_its_resources(installed):
    package = installed / "MSLesionSegLib"
    there = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    code = PACKAGES["MSLesionSegLib"]
    wanted = listed(code, "MODULE_PYTHON_SCRIPTS") | listed(code, "MODULE_PYTHON_RESOURCES")
    resources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "Resources").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert there == wanted | resources


def test_what_a_wheel_installs_finds_its_models_and_its_atlas(installed, tmp_path):
    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    table = run("-m", "MSLesionSegLib", "models", "list")
    for model in (ROOT / "Resources" / "Models").iterdir():
        assert model.name in table
    atlas = run("-c", "from MSLesionSegLib.lesions.atlas import ATLAS; print(ATLAS)").strip()
    assert Path(atlas) == installed / "MSLesionSegLib" / "Resources" / "Atlas"
    assert (Path(atlas) / "regions.nii.gz").is_file()
