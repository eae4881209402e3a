"""FreeSurfer's .mgh and .mgz."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.files.checksums import file_sha256
from MSLesionSegLib.imaging.checks import scan_checks
from MSLesionSegLib.imaging.checks.position import no_position
from MSLesionSegLib.imaging.formats.gzip_check import check_gzip
from MSLesionSegLib.imaging.formats.stored import DAMAGED, StoredVolume, cut_off, first_bytes

_GOOD_RAS = slice(28, 30)  # flag in the header: the position in space is given
_GZIP = b"\x1f\x8b"


def open_mgh(path: Path) -> StoredVolume:
    """Open a file of FreeSurfer with nibabel.

    Raises:
        ImageError: the file is damaged, of another kind, or not one 3D volume on a usable grid.
    """
    name = path.name
    if path.suffix.lower() == ".mgz" and first_bytes(path, 2) == _GZIP:
        with path.open("rb") as stream:
            check_gzip(name, stream)
    try:
        image = nib.MGHImage.from_filename(path)
        shape, affine = image.shape, image.affine
        with nib.openers.ImageOpener(str(path)) as opener:
            positioned = int.from_bytes(opener.read(_GOOD_RAS.stop)[_GOOD_RAS], "big") > 0
    except DAMAGED:
        raise ImageError(
            f"{name} is not an image of FreeSurfer, or it is damaged or cut off. Copy or export it again."
        ) from None
    scan_checks.check_shape(name, shape)
    scan_checks.check_affine(name, affine)
    try:
        stored = np.asarray(image.dataobj).reshape(shape[:3])
    except DAMAGED:
        raise cut_off(name) from None
    findings = () if positioned else (no_position(name, "LIA"),)
    return StoredVolume(stored, 1.0, 0.0, affine, None, file_sha256(path), findings)
