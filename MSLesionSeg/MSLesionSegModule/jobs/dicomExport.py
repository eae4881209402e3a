"""What the core is asked when a reviewed result is written as DICOM, and when it is sent."""

from pathlib import Path

from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.segmentation.dicom_source import read_source

from ..scene import volumes
from ..scene.dicomSeries import linkedFolder, segmentationsBeside, seriesFiles
from ..scene.reviewSession import INPUT


def resultFolderOf(session) -> Path | None:
    """The result folder that a review began with, if it is still there."""
    from MSLesionSegLib.segmentation.result_folder import MANIFEST

    folder = Path(session.record["draft"]).parent
    manifest = folder / MANIFEST
    return folder if manifest.is_file() and file_sha256(manifest) == session.record["result"] else None


def knowsSeries(session) -> bool:
    """Whether the reviewed scan is a DICOM series, by its result or by its volume."""
    folder = resultFolderOf(session)
    remembered = {} if folder is None else read_source(folder).files
    return session.task.reviewed_on in remembered or bool(seriesFiles(session.volume))


def exportArguments(session, work: Path, output: Path) -> list[str]:
    """Command that writes a reviewed result as DICOM; writes its numbered lesions into ``work``.

    Args:
        session: whose result folder is there.
        work: folder for what the command reads.
        output: folder that the command makes.

    Raises:
        MSLesionSegError: the volume has other voxels than the result.
    """
    import nibabel as nib
    import numpy as np

    from MSLesionSegLib.imaging.writing import save_in_folder

    result = resultFolderOf(session)
    draft = Path(session.record["draft"])
    labels = volumes.ontoFile(session.review.labels.astype(np.int32), session.volume, draft)
    save_in_folder(work, {"reviewed.nii.gz": (labels, nib.load(draft))})
    arguments = ["dicom", "export", str(result), "--reviewed", str(work / "reviewed.nii.gz")]
    arguments += ["--output", str(output)]
    nodes = {name: session.node.GetNodeReference(INPUT + name) for name in session.task.names}
    for name, node in nodes.items():
        files = seriesFiles(node)
        if files:
            arguments += ["--source", f"{name}={linkedFolder(files, work / name)}"]
    earlier = segmentationsBeside(node for node in nodes.values() if node is not None)
    if earlier:
        arguments += ["--former", str(linkedFolder(earlier, work / "former"))]
    return arguments


def sendArguments(archive: str, folder: Path) -> list[str]:
    """Command that sends the DICOM files of a folder to an archive."""
    return ["pacs", "send", archive, *(str(file) for file in sorted(folder.glob("*.dcm")))]


def archives() -> list[str]:
    """Names of the archives that are configured; none where the file is not there or not as it should be.

    None either as long as the core's packages are not installed.
    """
    from MSLesionSegLib.errors import MSLesionSegError
    from MSLesionSegLib.pacs.config_file import default_config, read_config
    from MSLesionSegLib.pacs.nodes import archive_names

    try:
        return archive_names(read_config(default_config()))
    except (MSLesionSegError, OSError, ImportError):
        return []
