"""Opening a scan or a mask, whatever its format."""

from __future__ import annotations

import os
from pathlib import Path

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.formats.stored import StoredVolume, first_bytes

FORMATS = (
    "NIfTI (.nii, .nii.gz, .hdr with .img), NRRD (.nrrd, .nhdr), FreeSurfer (.mgz, .mgh) or a folder with one DICOM "
    "series"
)
_NIFTI = (".nii.gz", ".nii", ".img.gz", ".hdr.gz", ".img", ".hdr")
_VOXELS_OF_PAIRS = (".img.gz", ".img")
_NRRD = (".nrrd", ".nhdr")
_MGH = (".mgz", ".mgh")
ENDINGS = (*_NIFTI, *_NRRD, *_MGH)  # of files that can be read; longer ones first
_POINTERS = {  # text that stands in a file until a program of a data collection has fetched its content
    b"/annex/objects/": "datalad get",
    b"version https://git-lfs": "git lfs pull --include",
}


def without_ending(name: str) -> str | None:
    """A file's name without the ending of its format; None where no scan has such a name."""
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), None)
    return None if ending is None else name[: -len(ending)]


def stands_for_scan(name: str) -> bool:
    """Whether a file of this name can be opened as a scan; of a pair only the header, so that it counts once."""
    return without_ending(name) is not None and not name.lower().endswith(_VOXELS_OF_PAIRS)


def open_volume(path: Path) -> StoredVolume:
    """Open a scan or a mask in any of the formats, and check its header.

    Raises:
        ImageError: the file is missing, of another kind, damaged, or not one 3D volume on a usable grid.
    """
    name = path.name or str(path)
    _check_there(path, name)
    ending = path.name.lower()
    if path.is_dir():
        from MSLesionSegLib.imaging.dicom import open_dicom

        return open_dicom(path)
    if ending.endswith(_NIFTI):
        from MSLesionSegLib.imaging.formats.nifti import open_nifti

        return open_nifti(path)
    if ending.endswith(_NRRD):
        from MSLesionSegLib.imaging.formats.nrrd import open_nrrd

        return open_nrrd(path)
    if ending.endswith(_MGH):
        from MSLesionSegLib.imaging.formats.mgh import open_mgh

        return open_mgh(path)
    if first_bytes(path, 132)[128:] == b"DICM":
        raise ImageError(f"{name} is one DICOM file. Give the folder that holds all the files of its series.")
    raise ImageError(f"{name} is not of a kind that can be read. Give {FORMATS}.")


def _check_there(path: Path, name: str) -> None:
    """Tell a file that was never there from one whose content is still elsewhere."""
    try:
        there = path.exists()
        target = os.readlink(path) if path.is_symlink() else ""
    except OSError as error:
        raise ImageError(f"{name[:80]} cannot be opened: {error.strerror}.") from error
    if there:
        begin = b"" if path.is_dir() else first_bytes(path, 32)
        command = next((told for text, told in _POINTERS.items() if begin.startswith(text)), "")
    else:
        command = "datalad get" if "annex" in Path(target).parts else ""
    if command:
        raise ImageError(
            f"{name} is only a placeholder: its content has not been fetched yet. Fetch it with: {command} {name}"
        )
    if target and not there:
        raise ImageError(
            f"{name} is a link to a file that is not there. Restore that file, or give another one."
        )
    if not there:
        raise ImageError(f"{name} was not found. Check the name and the folder.")
