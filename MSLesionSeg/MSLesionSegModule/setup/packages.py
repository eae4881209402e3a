"""The Python packages that the core needs inside Slicer: what is missing, and installing it after a question."""

import importlib
import importlib.util
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.tasks import TASKS

from .antsFolder import AntsFolder
from .pipRun import pipRun
from .torchExtension import installTorch, torchThere

_LIGHT = ("nibabel", "cc3d", "platformdirs")


def coreImportable() -> bool:
    """Whether the light parts of the core (lesions, cards, records) can be imported into Slicer. Imports nothing."""
    return all(importlib.util.find_spec(name) is not None for name in _LIGHT)


def slicersPackaging():
    """Slicer's package installer, or None where Slicer is older than 5.12."""
    try:
        from slicer import packaging
    except ImportError:
        return None
    return packaging


class Packages:
    """Packages of this Slicer.

    Args:
        requirements: file with one requirement per line; ``requirements-ants.txt`` beside it holds what ANTs needs.
        antsRoot: where ANTs is installed below.
    """

    def __init__(self, requirements: Path, antsRoot: Path) -> None:
        self._requirements = requirements
        self._ants = AntsFolder(antsRoot, requirements.with_name("requirements-ants.txt"))
        self._missing: dict[str, list[str]] = {}

    @property
    def antsFolder(self) -> Path:
        """What child processes put on their path."""
        return self._ants.path

    def lookAgain(self) -> None:
        """Forget what was found to be missing."""
        importlib.invalidate_caches()
        self._missing = {}

    def missing(self, task: str = "flair") -> list[str]:
        """Names of what a task needs and is not there. Imports nothing and asks no network; looks once."""
        if task not in self._missing:
            self._missing[task] = self._look(task)
        return self._missing[task]

    def _look(self, task: str) -> list[str]:
        packaging = slicersPackaging()
        if packaging is None:
            return [_("3D Slicer 5.12 or later")]
        wanted = packaging.load_requirements(self._requirements)
        names = [requirement.name for requirement in wanted if not packaging.pip_check(requirement)]
        if not torchThere():
            names.insert(0, "PyTorch")
        if TASKS[task].registers and not self._ants.filled():
            names.append("antspyx")
        return names

    def install(self, task: str = "flair") -> bool:
        """Install what a task needs after asking; False if a restart of Slicer or another step is needed first.

        Raises:
            RuntimeError: the person said no, or an installation failed.
        """
        packaging = slicersPackaging()
        if packaging is None:
            raise RuntimeError(_("This module needs 3D Slicer 5.12 or later."))
        with pipRun():
            if not torchThere() and not installTorch():
                return False
        with pipRun() as constraints:  # holds PyTorch now as well
            packaging.pip_ensure(
                packaging.load_requirements(self._requirements),
                constraints=constraints,
                requester="MSLesionSeg",
                skip_in_testing=False,
            )
            if TASKS[task].registers and not self._ants.filled():
                question = _("Aligning two scans needs ANTs (about 200 MB with what it needs). Install it?")
                if not slicer.util.confirmOkCancelDisplay(question):
                    raise RuntimeError(_("ANTs was not installed."))
                self._ants.fill(packaging, constraints)
        return True

    def installDicom(self) -> bool:
        """Install what writes DICOM, if it is not there, after asking; False where this Slicer cannot.

        Raises:
            RuntimeError: the person said no, or an installation failed.
        """
        packaging = slicersPackaging()
        if packaging is None:
            return False
        wanted = packaging.load_requirements(self._requirements.with_name("requirements-dicom.txt"))
        if not all(packaging.pip_check(requirement) for requirement in wanted):
            with pipRun() as constraints:
                packaging.pip_ensure(
                    wanted, constraints=constraints, requester="MSLesionSeg", skip_in_testing=False
                )
            self.lookAgain()
        return True

    def statusText(self, task: str = "flair") -> str:
        """One line for the panel."""
        missing = self.missing(task)
        if not missing:
            return _("All packages are installed.")
        return _("Missing: {names}.").format(names=", ".join(missing))
