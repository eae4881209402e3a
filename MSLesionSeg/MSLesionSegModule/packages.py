"""The Python packages that the core needs inside Slicer: what is missing, and installing it after a question.

PyTorch comes through Slicer's PyTorch extension. ANTs goes into a folder of its own, which only child processes see,
last on their path: so its numpy and scipy never replace Slicer's. What Slicer brings is pinned while pip works.
"""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import subprocess
import tempfile
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

_ANTS = "antspyx>=0.6"
# of Slicer and of its PyTorch extension: no installation may exchange them
_SLICERS = ("numpy", "scipy", "SimpleITK", "vtk", "requests", "torch", "torchvision")
_REOPEN = "MSLesionSeg/ReopenAfterRestart"
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


def reopenModule() -> None:
    """Come back to this module, once, after the restart that installing PyTorch needs."""
    settings = qt.QSettings()
    if settings.value(_REOPEN):
        settings.remove(_REOPEN)
        slicer.util.selectModule("MSLesionSeg")


@contextlib.contextmanager
def _slicersVersions():
    """A constraints file for pip that holds what Slicer brings at its version."""
    lines = []
    for name in _SLICERS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            lines.append(f"{name}=={importlib.metadata.version(name)}\n")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "constraints.txt"
        path.write_text("".join(lines), encoding="utf-8")
        yield path


class Packages:
    """Packages of this Slicer.

    Args:
        requirements: file with one requirement per line.
        antsFolder: where ANTs is installed into.
    """

    def __init__(self, requirements: Path, antsFolder: Path) -> None:
        self._requirements = requirements
        self.antsFolder = antsFolder
        self._missing: dict[str, list[str]] = {}

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
        if importlib.util.find_spec("torch") is None:
            names.insert(0, "PyTorch")
        if task != "flair" and not self._antsThere():
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
        if importlib.util.find_spec("torch") is None and not self._installTorch():
            return False
        wanted = packaging.load_requirements(self._requirements)
        try:
            with _slicersVersions() as constraints:
                packaging.pip_ensure(
                    wanted, constraints=constraints, requester="MSLesionSeg", skip_in_testing=False
                )
                if task != "flair" and not self._antsThere():
                    self._installAnts(packaging, constraints)
        except subprocess.CalledProcessError:
            raise RuntimeError(
                _("The packages could not be installed. Is this computer online? Slicer's log says more.")
            ) from None
        return True

    def statusText(self, task: str = "flair") -> str:
        """One line for the panel."""
        missing = self.missing(task)
        if not missing:
            return _("All packages are installed.")
        return _("Missing: {names}.").format(names=", ".join(missing))

    def _antsThere(self) -> bool:
        return importlib.util.find_spec("ants") is not None or (self.antsFolder / "ants").is_dir()

    def _installAnts(self, packaging, constraints: Path) -> None:
        question = _("Aligning two scans needs ANTs (about 200 MB with what it needs). Install it?")
        if not slicer.util.confirmOkCancelDisplay(question):
            raise RuntimeError(_("ANTs was not installed."))
        packaging.pip_install(
            ["--target", str(self.antsFolder), _ANTS], constraints=constraints, requester="MSLesionSeg"
        )

    def _installTorch(self) -> bool:
        try:
            import PyTorchUtils
        except ImportError:
            question = _(
                "The PyTorch extension of Slicer is needed. Install it now? Slicer restarts afterwards."
            )
            if not slicer.util.confirmOkCancelDisplay(question):
                raise RuntimeError(_("PyTorch was not installed.")) from None
            manager = slicer.app.extensionsManagerModel()
            if not manager.installExtensionFromServer("PyTorch", False):
                raise RuntimeError(
                    _("The PyTorch extension could not be installed. See the Extensions Manager.")
                ) from None
            qt.QSettings().setValue(_REOPEN, True)
            slicer.util.restart()
            return False
        if (
            PyTorchUtils.PyTorchUtilsLogic().installTorch(
                askConfirmation=True, torchVersionRequirement=">=2.4"
            )
            is None
        ):
            raise RuntimeError(_("PyTorch was not installed."))
        return True
