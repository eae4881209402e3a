"""Processes of the core: Slicer's Python outside Slicer, in a group of their own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def corePython() -> str:
    """The Python that runs the core: Slicer's own outside Slicer's process."""
    return shutil.which("PythonSlicer") or sys.executable


def coreEnvironment(packagesFolder: Path | None = None) -> dict[str, str]:
    """Environment in which ``python -m MSLesionSegLib`` finds the core and writes UTF-8.

    ``packagesFolder`` holds packages that Slicer does not have; the core puts it last on its path.
    """
    import MSLesionSegLib

    core = str(Path(MSLesionSegLib.__file__).resolve().parent.parent)
    before = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    path = os.pathsep.join([core, *before])
    extra = {} if packagesFolder is None else {"MSLESIONSEG_PACKAGES": str(packagesFolder)}
    return {**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", **extra}


def startCore(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], stdin: int = subprocess.DEVNULL
) -> subprocess.Popen:
    """Start ``python -m MSLesionSegLib``, with what it says in pipes.

    Args:
        arguments: of the command.
        folder: where it works and puts temporary files.
        environment: see :func:`coreEnvironment`.
        stdin: as for ``subprocess``.
    """
    # so that the launcher, Python and its workers can be ended together
    group = (
        {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
        if sys.platform == "win32"
        else {"start_new_session": True}
    )
    return subprocess.Popen(
        [corePython(), "-m", "MSLesionSegLib", *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,  # Python would take packages of the working directory for its own
        env={**environment, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))},
        **group,
    )


def endProcess(process: subprocess.Popen) -> None:
    """End a process and its children now."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
