"""ANTs in a folder of its own, which only child processes see, last on their path: it hides nothing of Slicer."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from slicer.i18n import tr as _

from ..jobs.coreProcess import corePython

_IMPORTS = "import sys; sys.path.append(sys.argv[1]); import ants"


class AntsFolder:
    """The folder that fits this Slicer.

    Args:
        root: holds one folder for each kind of Slicer: a library compiled for one Python and one numpy fails, or
            crashes, with others.
        requirements: file with ANTs in its first line and, one per line, what it needs: its own metadata caps numpy
            and scipy below what Slicer brings, with which it runs.
    """

    def __init__(self, root: Path, requirements: Path) -> None:
        self.path = root / f"{sys.implementation.cache_tag}-numpy{importlib.metadata.version('numpy')}"
        self._requirements = requirements

    def filled(self) -> bool:
        """Whether ANTs is there for this Slicer, in the folder or because somebody gave it to Slicer itself."""
        return importlib.util.find_spec("ants") is not None or (self.path / "ants").is_dir()

    def fill(self, packaging, constraints: Path) -> None:
        """Install ANTs and try it; the folder comes into being complete, or not at all.

        Raises:
            subprocess.CalledProcessError: pip failed.
            RuntimeError: what was installed does not run in this Slicer.
        """
        partial = self.path.with_name(f"{self.path.name}.partial")
        into = ["--target", str(partial)]
        ants, *needs = map(str, packaging.load_requirements(self._requirements))
        shutil.rmtree(partial, ignore_errors=True)
        try:
            packaging.pip_install(
                [*into, *needs],
                constraints=constraints,
                no_deps_requirements=[*into, ants],
                requester="MSLesionSeg",
            )
            self._tryOut(partial)
            shutil.rmtree(self.path, ignore_errors=True)
            os.replace(partial, self.path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _tryOut(self, folder: Path) -> None:
        done = subprocess.run(
            [corePython(), "-c", _IMPORTS, str(folder)], capture_output=True, text=True, errors="replace"
        )
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise RuntimeError(
                _("ANTs was installed, but it does not run in this Slicer ({reason}).").format(
                    reason=said[-1]
                )
            )
