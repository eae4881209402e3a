"""pip at work inside Slicer: it may not exchange what Slicer brings, and a refusal is told in its own words."""

import contextlib
import importlib.metadata
import os
import re
import subprocess
import tempfile
from pathlib import Path
from unittest import mock

from slicer.i18n import tr as _

# of Slicer and of its PyTorch extension: no installation may exchange them
_SLICERS = ("numpy", "scipy", "SimpleITK", "vtk", "requests", "torch", "torchvision")


@contextlib.contextmanager
def pipRun():
    """A constraints file for pip that holds what Slicer brings at its version.

    Raises:
        RuntimeError: pip, run inside this context, failed; the sentence gives its reason.
    """
    with tempfile.TemporaryDirectory() as folder:
        constraints, log = Path(folder) / "constraints.txt", Path(folder) / "pip.log"
        constraints.write_text("".join(_slicersVersions()), encoding="utf-8")
        with mock.patch.dict(os.environ, PIP_LOG=str(log)):
            try:
                yield constraints
            except subprocess.CalledProcessError:
                text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
                raise RuntimeError(
                    _("The packages could not be installed: {reason}").format(reason=refusal(text))
                ) from None


def refusal(log: str) -> str:
    """Why pip gave up, from the log that it writes with ``PIP_LOG``."""
    lines = [re.sub(r"^\d{4}-\d\d-\d\dT[\d:,]+ ", "", line) for line in log.splitlines()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if "The conflict is caused by:" in lines:
        start = lines.index("The conflict is caused by:") + 1
        end = next((n for n in range(start, len(lines)) if not lines[n].strip()), len(lines))
        return "; ".join(line.strip() for line in lines[start:end][-2:])
    if any("Retrying (" in line for line in lines) and any("from versions: none" in line for line in errors):
        return _("the package server could not be reached. Is this computer online?")
    return errors[0] if errors else _("pip gave no reason; Slicer's log says more.")


def _slicersVersions():
    for name in _SLICERS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield f"{name}=={importlib.metadata.version(name)}\n"
