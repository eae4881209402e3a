"""Every package that the Slicer module and its jobs can import is Slicer's, or one that the module installs."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from MSLesionSegLib.cli import app

ROOT = Path(__file__).parents[3]
PANEL = [path for path in (ROOT / "MSLesionSeg").rglob("*.py") if path.name != "draw_icon.py"]
RESOURCES = ROOT / "MSLesionSeg" / "Resources"
OURS = {"MSLesionSeg", "MSLesionSegLib", "MSLesionSegModule"}
OF_SLICER = {
    "slicer",
    "qt",
    "ctk",
    "vtk",
    "DICOMLib",
    "numpy",
    "scipy",
    "SimpleITK",
    "requests",
    "SampleData",
}
OF_THE_PYTORCH_EXTENSION = {"torch", "PyTorchUtils"}
OF_THE_ANTS_FOLDER = {"ants"}
FOR_A_CLUSTER_ONLY = {"distributed"}


def listed(name: str) -> set[str]:
    """Distributions that a requirements file of the module names."""
    lines = (RESOURCES / name).read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(Requirement(line).name) for line in lines if line and not line.startswith("#")}


def needs(name: str) -> set[str]:
    """Distributions that one needs according to its metadata, whatever it is asked to do."""
    wanted = [Requirement(text) for text in importlib.metadata.requires(name) or ()]
    return {
        canonicalize_name(need.name)
        for need in wanted
        if need.marker is None or need.marker.evaluate({"extra": ""})
    }


def imports(tree: ast.AST, everywhere: bool) -> Iterator[str]:
    """Imported names, at file scope or everywhere; what only a type checker imports is left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = node.module if node.level == 0 else "MSLesionSegModule"
            yield from (package, *(f"{package}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        elif everywhere or not isinstance(node, ast.FunctionDef):
            yield from imports(node, everywhere)


def file_of(name: str) -> Path | None:
    """The core's file of a dotted name; None for anything else."""
    base = ROOT.joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def reached(start: set[Path], everywhere: bool) -> tuple[set[Path], set[str]]:
    """Files of the core that some files import, directly or not, and the names of foreign packages."""
    files, foreign, queue = set(), set(), list(start)
    while queue:
        path = queue.pop()
        if path in files:
            continue
        files.add(path)
        for name in imports(ast.parse(path.read_text(encoding="utf-8")), everywhere):
            if name.split(".")[0] not in OURS:
                foreign.add(name.split(".")[0])
            elif (file := file_of(name)) is not None:
                queue.append(file)
    return files, foreign - set(sys.stdlib_module_names)


def started_by_the_panel() -> set[Path]:
    """Files of the commands that the panel's code starts jobs with: the first words of its lists of arguments."""
    functions = {group.name: group.typer_instance.registered_commands for group in app.registered_groups}
    functions |= {command.callback.__name__: [command] for command in app.registered_commands}
    first_words = {
        node.elts[0].value
        for path in PANEL
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.List) and node.elts and isinstance(node.elts[0], ast.Constant)
    }
    started = first_words & functions.keys()
    assert {"segment", "cases", "train"} <= started
    return {file_of(command.callback.__module__) for name in started for command in functions[name]}


def test_whatever_the_panel_and_its_jobs_import_is_there_or_gets_installed():
    _, at_start = reached({file_of("MSLesionSegLib.__main__")}, everywhere=False)
    _, later = reached({*PANEL, *started_by_the_panel()}, everywhere=True)
    assert {"monai", "nilearn", "ants"} <= later, "the walk reaches what is imported late"
    by_itself = OF_SLICER | OF_THE_PYTORCH_EXTENSION | OF_THE_ANTS_FOLDER | FOR_A_CLUSTER_ONLY
    distributions = importlib.metadata.packages_distributions()
    wanted = {canonicalize_name(distributions[name][0]) for name in (at_start | later) - by_itself}
    asked = listed("requirements.txt") | listed("requirements-dicom.txt")
    asked_for_by_those = set().union(*(needs(name) for name in asked))
    assert wanted - asked - asked_for_by_those == set()


def test_what_ants_needs_is_listed_because_its_own_list_is_not_followed():
    there = listed("requirements.txt") | listed("requirements-ants.txt") | {"numpy", "scipy", "requests"}
    there |= set().union(*(needs(name) for name in listed("requirements.txt")))
    assert needs("antspyx") - there == set()
