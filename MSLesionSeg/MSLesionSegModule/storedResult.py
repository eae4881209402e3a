"""A result that the command line stored: which scans of the scene it belongs to, and its findings to review."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.checksums import file_sha256
from MSLesionSegLib.errors import MSLesionSegError

from . import resultFolder, volumes
from .choices import OPTIONAL_INPUTS, TASK_INPUTS, inputTitle
from .findings import Findings


@dataclass(frozen=True)
class StoredResult:
    """A result folder of the core and the SHA-256 of the scans that were segmented, by input name."""

    folder: Path
    task: str
    digests: Mapping[str, str]

    def scansInScene(self) -> dict[str, Any]:
        """The volume nodes that were loaded from the very files that were segmented, by input name."""
        wanted = {digest: name for name, digest in self.digests.items()}
        found = {}
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
            name = wanted.get(volumes.digestOf(node))
            if name is not None:
                found.setdefault(name, node)
        return found

    def loadScan(self, name: str, path: Path):
        """Load the scan of an input from its file; returns the node.

        Raises:
            MSLesionSegError: it is another scan, or Slicer cannot read it. The scene is as it was.
            OSError: the file may not be read.
        """
        if file_sha256(path) != self.digests[name]:
            raise MSLesionSegError(
                _("{file} is not the {scan} that this result was made on.").format(
                    file=path.name, scan=inputTitle(name)
                )
            )
        try:
            return slicer.util.loadVolume(str(path))
        except RuntimeError:
            raise MSLesionSegError(_("{file} cannot be read.").format(file=path.name)) from None

    def show(self, nodes: Mapping[str, Any], work: Path) -> Findings:
        """Bring the result into the scene.

        Args:
            nodes: volume node by input name.
            work: folder for scans that lie in no file of a kind that the core files as a case.

        Raises:
            MSLesionSegError: a scan is not there, files are missing or damaged, or no honest count is possible.
                The scene is as it was.
        """
        for name in self.digests:
            if nodes.get(name) is None:
                raise MSLesionSegError(
                    _("Load the {scan} that this result was made on first.").format(scan=inputTitle(name))
                )
        own = Path(tempfile.mkdtemp(prefix="opened-", dir=work))
        inputs = {name: volumes.sourceFile(node, own, name).absolute() for name, node in nodes.items()}
        try:
            return resultFolder.load(self.folder, nodes, inputs)
        except MSLesionSegError:
            raise
        except Exception as error:  # damaged images make their readers raise errors of any kind
            raise MSLesionSegError(
                _("The result cannot be shown, as a part of it is missing or damaged ({reason}).").format(
                    reason=error
                )
            ) from error


def readResult(path: Path) -> StoredResult:
    """Read the ``result.json`` of a result folder.

    Raises:
        MSLesionSegError: it is none.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        task, inputs = manifest["task"], manifest["inputs"]
        names = [name for name in TASK_INPUTS[task] if name in inputs or (task, name) not in OPTIONAL_INPUTS]
        return StoredResult(path.parent, task, {name: inputs[name]["sha256"] for name in names})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise MSLesionSegError(
            _("{file} is no result of this program. Choose the result.json of a result folder.").format(
                file=path.name
            )
        ) from None
