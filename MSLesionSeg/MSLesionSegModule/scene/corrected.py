"""What leaves the scene: the corrected mask on the original file's grid, and the files that it belongs to."""

from pathlib import Path

import numpy as np
import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.files.checksums import file_sha256

from . import segments, volumes
from .distortion import refuseDistorted
from .reviewSession import INPUT, ReviewSession


def originalFiles(session: ReviewSession, folder: Path) -> dict[str, Path]:
    """The files that were segmented, by input name. What has gone since is written again into ``folder``.

    Raises:
        MSLesionSegError: neither the file nor the volume is there any more, or the volume has come under a transform
            that changes its size or shape.
    """
    files = {}
    for name in session.task.names:
        path = Path(session.record["inputs"].get(name, ""))
        node = session.node.GetNodeReference(INPUT + name)
        if node is not None:
            refuseDistorted(node)
        if path.is_file():
            files[name] = path.absolute()
        elif node is not None:
            files[name] = volumes.sourceFile(node, folder, name)
        elif name in session.record["inputs"]:
            raise MSLesionSegError(
                _("The scan is not in the scene any more. Load it and find lesions again.")
            )
    return files


def writeCorrected(session: ReviewSession, path: Path) -> Path:
    """Write the corrected mask on the original file's grid, whatever Slicer did to the axes; whole or not.

    Raises:
        MSLesionSegError: the scan has gone, or has other voxels than the volume.
    """
    import nibabel as nib

    from MSLesionSegLib.imaging.writing import save_in_folder

    path.parent.mkdir(parents=True, exist_ok=True)
    source = originalFiles(session, path.parent)[session.task.reviewed_on]
    mask = volumes.ontoFile(session.review.mask.astype(np.uint8), session.volume, source)
    save_in_folder(path.parent, {path.name: (mask, nib.load(source))})
    return path


def draftFile(session: ReviewSession, source: Path, folder: Path) -> Path | None:
    """The mask as it was found, on the grid of ``source``; None where its file has gone or was replaced.

    Written again into ``folder`` where ``source`` has other axes than the file that was segmented.
    """
    draft = Path(session.record["draft"])
    if not draft.is_file() or file_sha256(draft) != session.record.get("draft_sha256"):
        return None
    import nibabel as nib

    from MSLesionSegLib.imaging.writing import save_in_folder

    image, scan = nib.load(draft), nib.load(source)
    if image.shape[:3] == scan.shape[:3] and np.allclose(image.affine, scan.affine, atol=1e-3):
        return draft
    onNode = volumes.ontoNode(np.asarray(image.dataobj), image.affine, session.volume)
    mask = volumes.ontoFile(onNode, session.volume, source)
    save_in_folder(folder, {"draft.nii.gz": (mask, scan)})
    return folder / "draft.nii.gz"


def writeSegmentation(session: ReviewSession, path: Path) -> Path:
    """Write the reviewed lesions as Slicer's own file (.seg.nrrd), with this module's names of segments only.

    Raises:
        MSLesionSegError: the file could not be written.
    """
    node = segments.addSegmentation(session.volume, session.record["task"])
    try:
        segments.setMask(node, session.volume, session.masks())
        storage = slicer.vtkMRMLSegmentationStorageNode()
        storage.SetFileName(str(path))
        if not storage.WriteData(node):
            raise MSLesionSegError(_("The segmentation could not be written. Is the disk full?"))
    finally:
        volumes.remove(node)
    return path
