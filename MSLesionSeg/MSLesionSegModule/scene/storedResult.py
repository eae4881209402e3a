"""A result that the command line stored: which scans of the scene it belongs to, and its review."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.files.foreign_json import read_json
from MSLesionSegLib.segmentation.dicom_source import read_source
from MSLesionSegLib.tasks import TASKS

from ..choices import inputTitle
from . import baselineTransform, resultFolder, volumes
from .dicomSeries import SERIES_FOLDER, linkedFolder
from .resultRecord import refuseIncomparable
from .reviewSession import INPUT, RECORD, SUBTRACTION, ReviewSession


@dataclass(frozen=True)
class StoredScan:
    """What a result tells of a scan that was segmented: SHA-256 of its file and its shape."""

    sha256: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class StoredResult:
    """A result folder of the core, the SHA-256 of its manifest, and its scans by input name."""

    folder: Path
    sha256: str
    task: str
    scans: Mapping[str, StoredScan]

    def goOn(self) -> ReviewSession | None:
        """Go on with the review of this result, its scans in place; None where there is none or parts have gone."""
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
            if json.loads(node.GetAttribute(RECORD) or "{}").get("result") == self.sha256:
                return _goOn(node)
        return None

    def scansInScene(self) -> dict[str, Any]:
        """The volume nodes that were loaded from the very files that were segmented, by input name."""
        wanted = {scan.sha256: name for name, scan in self.scans.items()}
        shapes = {tuple(sorted(scan.shape)) for scan in self.scans.values()}
        found: dict[str, Any] = {}
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
            if node.IsA("vtkMRMLLabelMapVolumeNode") or node.GetAttribute(volumes.ROLE) is not None:
                continue
            # only a volume that may be one of them is read again
            if (
                node.GetImageData() is None
                or tuple(sorted(node.GetImageData().GetDimensions())) not in shapes
            ):
                continue
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
        if file_sha256(path) != self.scans[name].sha256:
            raise MSLesionSegError(
                _("{file} is not the {scan} that this result was made on.").format(
                    file=path.name, scan=inputTitle(name)
                )
            )
        try:
            return slicer.util.loadVolume(str(path))
        except RuntimeError:
            raise MSLesionSegError(_("{file} cannot be read.").format(file=path.name)) from None

    def loadSeries(self, name: str, work: Path):
        """Load the scan of an input from the DICOM series that the result remembers.

        ``work``: folder for links to its files. Returns the node, or None where there is no such series any more.
        """
        files = read_source(self.folder).files.get(name, ())
        if not files or not all(file.is_file() for file in files):
            return None
        from MSLesionSegLib.imaging.dicom import open_dicom
        from MSLesionSegLib.imaging.reading import scaled

        folder = linkedFolder(files, Path(tempfile.mkdtemp(prefix="series-", dir=work)) / "series")
        stored = open_dicom(folder)
        if stored.sha256 != self.scans[name].sha256:
            return None
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", inputTitle(name))
        volumes.fill(node, scaled(stored), stored.affine)
        node.CreateDefaultDisplayNodes()
        node.SetAttribute(SERIES_FOLDER, str(folder))
        return node

    def show(self, nodes: Mapping[str, Any], work: Path) -> ReviewSession:
        """Bring the result into the scene.

        Args:
            nodes: volume node by input name.
            work: folder for scans that lie in no file of a kind that the core files as a case.

        Raises:
            MSLesionSegError: a scan is not there, files are missing or damaged, or no honest count is possible.
                The scene is as it was.
        """
        for name in self.scans:
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
            raise _damaged(error) from error


def _goOn(node) -> ReviewSession | None:
    subtraction = node.GetNodeReference(SUBTRACTION)
    transform = None if subtraction is None else subtraction.GetParentTransformNode()
    if transform is not None:
        baselineTransform.place(
            transform, *(node.GetNodeReference(INPUT + name) for name in ("baseline", "followup"))
        )
    found = ReviewSession.ofNode(node)
    if found is not None:
        found.unhide()
    return found


def readResult(path: Path) -> StoredResult:
    """Read the ``result.json`` of a result folder.

    Raises:
        MSLesionSegError: it is none, files of it are missing, or its counts are withheld.
    """
    try:
        manifest = read_json(path)
        task, inputs, files = manifest["task"], manifest["inputs"], manifest["files"].values()
        names = [name for name in TASKS[task].names if name in inputs or name in TASKS[task].required]
        scans = {name: StoredScan(inputs[name]["sha256"], tuple(inputs[name]["shape"])) for name in names}
        missing = [name for name in files if not (path.parent / name).is_file()]
        result = StoredResult(path.parent, file_sha256(path), task, scans)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise MSLesionSegError(
            _("{file} is not a result of this program. Choose the result.json of a result folder.").format(
                file=path.name
            )
        ) from None
    refuseIncomparable(manifest)
    if missing:
        raise _damaged(missing[0])
    return result


def _damaged(reason) -> MSLesionSegError:
    return MSLesionSegError(
        _("The result cannot be shown, as a part of it is missing or damaged ({reason}).").format(
            reason=reason
        )
    )
