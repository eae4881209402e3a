"""Installing packages, by the real pip over wheels made here and without a network; its refusals are told."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import scene
import slicer
from PySide6.QtWidgets import QMessageBox

MODULES = {"antspyx": "ants", "pyyaml": "yaml"}


def put(shelf, name, version, needs=(), code=""):
    """A wheel with one module."""
    info = f"{name}-{version}.dist-info"
    about = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}",
        *(f"Requires-Dist: {n}" for n in needs),
    ]
    files = {
        f"{MODULES.get(name, name)}/__init__.py": code,
        f"{info}/METADATA": "\n".join(about) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(shelf / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of wheels, the only place where pip looks: ANTs, and what it needs at run time."""
    from slicer import packaging

    folder = tmp_path / "shelf"
    folder.mkdir()
    for name, value in {"CONFIG_FILE": os.devnull, "NO_INDEX": "1", "FIND_LINKS": str(folder)}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)

    def pip(arguments, constraints):
        command = [sys.executable, "-m", "pip", "install", *arguments, "-c", str(constraints)]
        subprocess.run(command, check=True, capture_output=True)

    def pip_install(requirements, constraints, no_deps_requirements=None, requester=None):
        if no_deps_requirements is not None:
            pip([*no_deps_requirements, "--no-deps"], constraints)
        pip(requirements, constraints)

    monkeypatch.setattr(packaging, "pip_install", pip_install)
    needs = ["numpy<1", "scipy<1", "pyyaml", "statsmodels", "webcolors"]
    put(folder, "antspyx", "0.6.9", needs, "import yaml, statsmodels, webcolors")
    put(folder, "pyyaml", "6.1")
    put(folder, "statsmodels", "0.15.9")
    put(folder, "webcolors", "25.1")
    return folder


@pytest.fixture
def slicer_without_ants(tmp_path, monkeypatch):
    """Slicer's Python, and that of its jobs, have no ANTs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    python = folder / "PythonSlicer"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ants" else find(name))


@pytest.fixture
def packages(tmp_path):
    from MSLesionSegModule.setup.packages import Packages

    slicer.harnessAnswers.clear()
    return Packages(scene.MODULE / "Resources" / "requirements.txt", tmp_path / "ants")


@pytest.mark.usefixtures("slicer_without_ants", "shelf")
class TestAnts:
    def test_is_installed_although_its_package_asks_for_an_older_numpy_than_slicer_s(self, packages):
        assert packages.missing("new") == ["antspyx"]
        slicer.harnessAnswers.append(False)
        with pytest.raises(RuntimeError, match="not installed"):
            packages.install("new")
        assert not packages.antsFolder.exists(), "nothing is installed without a yes"
        assert packages.install("new")
        packages.lookAgain()
        assert packages.missing("new") == []
        there = {path.name for path in packages.antsFolder.iterdir()}
        assert {"ants", "yaml", "statsmodels", "webcolors"} <= there
        assert [path.name for path in packages.antsFolder.parent.iterdir()] == [packages.antsFolder.name]

    def test_of_another_slicer_is_not_taken_for_its_own(self, packages, monkeypatch):
        from MSLesionSegModule.setup.packages import Packages

        (packages.antsFolder / "ants").mkdir(parents=True)
        versions = importlib.metadata.version
        monkeypatch.setattr(
            importlib.metadata, "version", lambda name: "3.0.1" if name == "numpy" else versions(name)
        )
        later = Packages(scene.MODULE / "Resources" / "requirements.txt", packages.antsFolder.parent)
        assert later.missing("new") == ["antspyx"]
        assert packages.missing("new") == []

    def test_that_does_not_run_here_is_not_kept_and_the_reason_is_told(self, packages, shelf):
        put(shelf, "antspyx", "0.7.0", code="import a_new_need")
        with pytest.raises(RuntimeError, match="No module named 'a_new_need'"):
            packages.install("new")
        assert packages.missing("new") == ["antspyx"]
        assert list(packages.antsFolder.parent.iterdir()) == []

    def test_of_which_something_cannot_be_had_leaves_nothing_behind_and_pip_s_reason_is_told(
        self, packages, shelf
    ):
        next(shelf.glob("webcolors*")).unlink()
        with pytest.raises(RuntimeError, match="requirement webcolors"):
            packages.install("new")
        assert list(packages.antsFolder.parent.iterdir()) == []


def test_a_conflict_of_versions_is_told_as_pip_tells_it(packages, shelf, tmp_path):
    from MSLesionSegModule.setup.pipRun import pipRun
    from slicer import packaging

    put(shelf, "lesiontool", "1.0", ["numpy<1"])
    with pytest.raises(RuntimeError) as told, pipRun() as constraints:
        packaging.pip_install(["--target", str(tmp_path / "target"), "lesiontool"], constraints)
    assert "lesiontool 1.0 depends on numpy<1" in str(told.value)
    assert f"numpy=={importlib.metadata.version('numpy')}" in str(told.value)
    assert "PIP_LOG" not in os.environ


def test_a_computer_without_a_network_is_told_apart_from_other_reasons():
    from MSLesionSegModule.setup.pipRun import refusal

    lines = ["WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'"]
    lines += ["ERROR: Could not find a version that satisfies the requirement monai (from versions: none)"]
    log = "".join(f"2026-05-03T09:15:22,131 {line}\n" for line in lines)
    assert "online" in refusal(log)


class Manager:
    """Slicer's extensions manager: asks by itself unless told not to."""

    def __init__(self):
        self.interactive = True
        self.done = []

    def installExtensionFromServer(self, name, restart):
        if self.interactive:
            slicer.util.messageBox(f"Do you want to install '{name}' now?")  # as Slicer's does
        self.done.append(f"installed {name}")
        return True


@pytest.fixture
def steps(monkeypatch):
    """What happens, in order, in a Slicer without the PyTorch extension."""
    manager = Manager()
    done = manager.done
    answer = slicer.util.messageBox

    def asked(text, **given):
        done.append("asked")
        return answer(text, **given)

    def save():
        done.append("saved")
        return slicer.harnessAnswers.pop(0) if slicer.harnessAnswers else True

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    monkeypatch.setattr(slicer.util, "messageBox", asked)
    monkeypatch.setattr(slicer.util, "openSaveDataDialog", save, raising=False)
    monkeypatch.setattr(slicer.util, "restart", lambda: done.append("restarted"), raising=False)
    monkeypatch.setattr(slicer.app, "extensionsManagerModel", lambda: manager, raising=False)
    scene.clear()
    return done


@pytest.fixture
def unsaved_volume(steps):
    """A volume in the scene that no file holds."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "T1")
    slicer.util.updateVolumeFromArray(node, np.ones((4, 4, 4), dtype=np.int16))
    return node


class TestTheRestartForPyTorch:
    def test_saves_first_when_something_is_unsaved_and_the_person_says_so(
        self, packages, steps, unsaved_volume
    ):
        slicer.harnessAnswers.append(QMessageBox.Save)
        assert not packages.install()
        assert steps == ["asked", "installed PyTorch", "saved", "restarted"]

    def test_does_not_happen_when_saving_was_broken_off(self, packages, steps, unsaved_volume):
        slicer.harnessAnswers.extend([QMessageBox.Save, False])
        assert not packages.install()
        assert steps == ["asked", "installed PyTorch", "saved"]

    def test_gives_unsaved_work_up_only_by_a_word(self, packages, steps, unsaved_volume):
        slicer.harnessAnswers.append(QMessageBox.Discard)
        assert not packages.install()
        assert steps == ["asked", "installed PyTorch", "restarted"]

    def test_leaves_everything_as_it_is_after_a_no(self, packages, steps, unsaved_volume):
        slicer.harnessAnswers.append(QMessageBox.Cancel)
        with pytest.raises(RuntimeError, match="not installed"):
            packages.install()
        assert steps == ["asked"]

    def test_comes_back_to_the_module_once(self, packages, steps, monkeypatch):
        from MSLesionSegModule.setup.torchExtension import reopenModule

        modules = []
        monkeypatch.setattr(slicer.util, "selectModule", modules.append, raising=False)
        assert not packages.install()
        assert steps == ["asked", "installed PyTorch", "restarted"], "nothing unsaved, nothing to save"
        reopenModule()
        reopenModule()
        assert modules == ["MSLesionSeg"]
