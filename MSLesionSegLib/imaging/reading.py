"""Reading a scan or a mask that a person gives, with everything checked that can silently spoil a result."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.checks import scan_checks
from MSLesionSegLib.imaging.checks.air_level import AT_ZERO, Air, measure_air
from MSLesionSegLib.imaging.checks.label_grid import elsewhere, on_grid
from MSLesionSegLib.imaging.checks.missing_values import covered_shape, fill_missing
from MSLesionSegLib.imaging.checks.position import NO_POSITION, is_placed
from MSLesionSegLib.imaging.checks.scan_checks import InputWarning
from MSLesionSegLib.imaging.formats import StoredVolume, open_volume
from MSLesionSegLib.imaging.formats.stored import CHOSEN, FRACTIONS, first_bytes

if TYPE_CHECKING:
    from MSLesionSegLib.tasks import MRSequence

__all__ = ["InputWarning", "Scan", "read_mask", "read_scan"]

# where an image keeps what is to be told about it, the space of its positions, which of its labels are lesions, and
# whether it may cover a part of its scan alone
_FINDINGS, _SPACE, _LESIONS, _PART = "findings", "frame of reference", "lesions", "part"
_CUT_OUT = ".seg.nrrd"  # 3D Slicer cuts them to what is painted, and may reverse an axis
_LARGEST_LABELLED_SHARE, _MOST_LABELS = 0.1, 50  # above both it is a scan: lesions are small, regions few
_GEOMETRY_FIELDS = (
    *("pixdim", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan that passed all checks.

    Attributes:
        image: float32, finite, air at 0 (see :mod:`~MSLesionSegLib.imaging.checks.air_level`), (X, Y, Z) on the
            file's own voxel grid and RAS affine. Its header holds the file's geometry (sform, qform and their codes)
            and nothing else of the file's header.
        path: where it came from: a file, or the folder of a DICOM series.
        sha256: fingerprint of what was read.
        findings: what a person should know before trusting the result.
        air: what had to be done to bring air to 0.
        given: the same with the file's own values, of which content hashes are made; None where ``image`` has them.
        dicom_files: of a DICOM series, the files of its slices.
    """

    image: nib.Nifti1Image
    path: Path
    sha256: str
    findings: tuple[InputWarning, ...]
    air: Air = AT_ZERO
    given: nib.Nifti1Image | None = None
    dicom_files: tuple[Path, ...] = ()

    @property
    def own_values(self) -> nib.Nifti1Image:
        """The scan with the values of its file."""
        return self.image if self.given is None else self.given


def read_scan(path: str | os.PathLike[str], *, sequence: MRSequence | None = None) -> Scan:
    """Read a 3D MR scan from a file or a folder with one DICOM series (formats: ``imaging/formats``).

    Args:
        sequence: what the scan should be; a scan that looks otherwise gets a finding.

    Raises:
        ImageError: the scan cannot be used; the sentence names the file, the fault and the way out.
    """
    path = Path(path)
    name = os.path.basename(os.path.abspath(path))
    volume = open_volume(path)
    values = scaled(volume)
    data, repairs = fill_missing(name, values)
    coverage = scan_checks.check_field_of_view(name, covered_shape(values), volume.affine)
    scan_checks.check_contrast(name, data)
    given = image_of(data, volume)
    air = measure_air(data)
    image = given if air == AT_ZERO else image_of(air.remove(data), volume)
    measured = volume.stored[~air.is_filling(data)] if air.filling else volume.stored
    findings = (
        *volume.findings,
        *coverage,
        *repairs,
        *scan_checks.check_stored_values(name, measured),
        *scan_checks.check_sequence(name, image, sequence),
    )
    own = None if image is given else given
    return Scan(image, path, volume.sha256, findings, air, own, volume.dicom_files)


def read_mask(path: str | os.PathLike[str], reference: nib.Nifti1Image | None = None) -> nib.Nifti1Image:
    """Read a mask: uint8, 1 where :func:`read_labels` finds any label, else 0; the same arguments and errors."""
    labels = read_labels(path, reference)
    mask = (np.asarray(labels.dataobj) > 0).astype(np.uint8)
    return nib.Nifti1Image(mask, labels.affine, clean_header(labels.header, np.uint8), extra=labels.extra)


def read_labels(path: str | os.PathLike[str], reference: nib.Nifti1Image | None = None) -> nib.Nifti1Image:
    """Read a label image whose voxels must lie on those of ``reference``.

    Args:
        path: a file of any format that :func:`read_scan` takes, or a DICOM Segmentation. It may be empty.
        reference: the scan or mask (X, Y, Z) that the labels belong to; any grid is right when None.

    Returns:
        int32, labels from 0 up, with the geometry of ``reference``, or else the file's own. What a person should know
        about it: :func:`warnings_of`.

    Raises:
        ImageError: the file cannot be read, holds anything but whole numbers from 0 up or one above 2^31 - 1, looks
            like a scan (more than 50 labels in more than a tenth of the voxels), or its voxels do not lie on those of
            ``reference`` (see :func:`~MSLesionSegLib.imaging.checks.label_grid.on_grid`), or it tells its positions
            in another DICOM frame of reference.
    """
    path = Path(path)
    name = os.path.basename(os.path.abspath(path))
    volume, in_parts = _open_labels(path)
    values = scaled(volume)
    if not np.isfinite(values).all() or values.min() < 0 or np.abs(values - np.round(values)).max() > 1e-3:
        raise ImageError(
            f"{name} is not a mask: it holds fractions, negative numbers or numbers that are not finite. A "
            "probability map has to be cut at a threshold first."
        )
    if values.max() >= 2**31:  # float32 knows no number between the largest int32 and this one
        raise ImageError(
            f"{name} cannot be used as a mask: it holds the label {values.max():.0f}, and the largest that can be "
            "kept is 2147483647. Give its lesions smaller numbers."
        )
    labels = np.rint(values).astype(np.int32)
    share = (labels > 0).mean()
    if share > _LARGEST_LABELLED_SHARE and len(np.unique(labels)) > _MOST_LABELS:
        raise ImageError(
            f"{name} looks like a scan and not like a mask: {100 * share:.0f} % of its voxels are above 0, "
            f"with {len(np.unique(labels))} different values. Give the mask; a map of many regions has to be cut to "
            "0 and 1 first."
        )
    told = tuple(finding for finding in volume.findings if finding.code in (CHOSEN, FRACTIONS))
    if reference is None:
        image = image_of(labels, volume)
        image.extra |= {_FINDINGS: told, _LESIONS: volume.lesion_labels, _PART: in_parts}
        return image
    if (
        volume.frame_of_reference
        and reference.extra.get(_SPACE, volume.frame_of_reference) != volume.frame_of_reference
    ):
        raise ImageError(
            f"The mask {name} tells its positions in another frame of reference than the image that it must match: "
            "it was made on another examination, or the patient was positioned anew. Give the mask of this scan."
        )
    unplaced = any(finding.code == NO_POSITION for finding in volume.findings)
    if (unplaced or not is_placed(reference.header)) and labels.shape != reference.shape[:3]:
        raise elsewhere(name, labels.shape, volume.affine, reference)
    labels, moved = on_grid(name, labels, volume.affine, reference, in_parts=in_parts)
    if volume.frame_of_reference and reference.extra.get(_SPACE):
        moved = []  # such files leave out the slices without a label, and their place is certain
    header = clean_header(reference.header, np.int32)
    extra = {_FINDINGS: (*told, *moved), _LESIONS: volume.lesion_labels}
    return nib.Nifti1Image(labels, reference.affine, header, extra=extra)


def _open_labels(path: Path) -> tuple[StoredVolume, bool]:
    """A volume of labels, and whether it may cover a part of its scan alone."""
    if os.path.isdir(path) or (os.path.isfile(path) and first_bytes(path, 132)[128:] == b"DICM"):
        from MSLesionSegLib.imaging.dicom.segmentation import open_segmentation

        segmentation = open_segmentation(path)
        if segmentation is not None:
            return segmentation, True
    return open_volume(path), path.name.lower().endswith(_CUT_OUT)


def warnings_of(labels: nib.Nifti1Image) -> tuple[InputWarning, ...]:
    """What :func:`read_labels` or :func:`read_mask` had to say about a file."""
    return labels.extra.get(_FINDINGS, ())


def lesion_labels_of(labels: nib.Nifti1Image) -> tuple[int, ...]:
    """Which labels of an image of :func:`read_labels` are lesions, where the file says so by codes; else none."""
    return labels.extra.get(_LESIONS, ())


def is_part(labels: nib.Nifti1Image) -> bool:
    """Whether an image of :func:`read_labels` on its own grid may cover a part of its scan alone."""
    return bool(labels.extra.get(_PART))


def scaled(volume: StoredVolume) -> np.ndarray:
    """True values as float32."""
    if volume.slope == 1 and volume.intercept == 0:
        return volume.stored.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        return (volume.stored.astype(np.float64) * volume.slope + volume.intercept).astype(np.float32)


def image_of(data: np.ndarray, volume: StoredVolume) -> nib.Nifti1Image:
    """An image of ``data`` (X, Y, Z), of its type, with the geometry of a volume and nothing else of its header."""
    if volume.header is not None:
        header = clean_header(volume.header, data.dtype, data.shape)
        return nib.Nifti1Image(data, header.get_best_affine(), header, dtype=data.dtype)
    image = nib.Nifti1Image(data, volume.affine, dtype=data.dtype)
    image.set_sform(volume.affine, code="scanner")
    image.set_qform(volume.affine, code="scanner")
    image.header.set_xyzt_units("mm")
    if volume.frame_of_reference:
        image.extra[_SPACE] = volume.frame_of_reference
    return image


def clean_header(
    source: nib.Nifti1Header, dtype: np.dtype | type, shape: tuple[int, ...] | None = None
) -> nib.Nifti1Header:
    """A new header with the geometry of ``source`` only: the rest can hold a patient's name."""
    header = nib.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(shape or source.get_data_shape()[:3])
    for field in _GEOMETRY_FIELDS:
        header[field] = source[field]
    header["pixdim"][4:] = 1
    header.set_xyzt_units("mm")
    return header
