"""Scans that a case set holds already: the same voxels at the same place."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation, ornt_transform

from MSLesionSegLib.cases import layout
from MSLesionSegLib.cases.record import Case
from MSLesionSegLib.errors import ImageError, SettingsError
from MSLesionSegLib.imaging.checks.position import largest_distance
from MSLesionSegLib.imaging.deidentification import hashes_turned
from MSLesionSegLib.imaging.reading import Scan, clean_header
from MSLesionSegLib.tasks import Task

_SAME_PLACE_VOXELS = 0.1  # programs store one position with different rounding


@dataclass(frozen=True)
class StoredScan:
    """A scan's file below the set and that file's content hash, which is not the scan's if the face was removed."""

    name: str
    content: str


def find_stored(
    folder: Path,
    hashes: Mapping[str, str],
    scans: Mapping[str, Scan],
    task: Task,
    known: Sequence[Case],
) -> dict[str, StoredScan]:
    """Those scans of a case that the set in ``folder`` holds, by input name.

    Args:
        hashes: content hash of each original scan; scans: as they are given now.
        known: all versions of the set's cases.

    Raises:
        SettingsError: the set holds it as another kind of scan.
        ImageError: the set holds the same voxels at another place: one of the two headers is wrong.
    """
    found = {}
    for entry in task.inputs:
        for case, role in _holders(hashes.get(entry.name), known):
            path = case.images[role]
            name = path.relative_to(folder).as_posix()
            suffix = layout.suffix_of(name)
            if suffix != entry.suffix:
                raise SettingsError(
                    f"The scan given as {entry.name} is in the set as {suffix} of {case.case_id}. Check whether "
                    "scans were mixed up."
                )
            _check_same_place(scans[entry.name], entry.name, path, case)
            found[entry.name] = StoredScan(name, case.contents[role])
    return found


def known_turned(
    hashes: Mapping[str, str], scans: Mapping[str, Scan], kept: Collection[str], known: Sequence[Case]
) -> list[str]:
    """Hashes under which a set knows the voxels of scans that are new to it, by a header that turned them otherwise.

    Args:
        hashes, scans, known: as for :func:`find_stored`.
        kept: content hashes of all scans that ever were in the set.

    Raises:
        ImageError: a case holds these voxels: one of the two headers is wrong.
    """
    found = []
    for name, content in hashes.items():
        if content in kept or not kept:
            continue
        former = next((turned for turned in hashes_turned(scans[name].own_values) if turned in kept), None)
        for case, _ in _holders(former, known):
            raise _other_header(scans[name], name, case, "with their axes mirrored or turned another way")
        if former is not None:
            found.append(former)
    return found


def turned_to(mask: nib.Nifti1Image, scan: nib.Nifti1Image) -> nib.Nifti1Image:
    """A mask on the voxels of a scan that holds the same grid with its axes in another order or direction."""
    turn = ornt_transform(io_orientation(mask.affine), io_orientation(scan.affine))
    data = apply_orientation(np.asarray(mask.dataobj), turn)
    return nib.Nifti1Image(data, scan.affine, clean_header(scan.header, data.dtype, data.shape))


def _holders(content: str | None, known: Sequence[Case]) -> list[tuple[Case, str]]:
    """Cases that hold a scan, with the name of the input that it is there; the file of the first one counts."""
    held = [(case, role) for case in known for role, scan in case.scans.items() if scan == content]
    return held[:1]


def _check_same_place(scan: Scan, title: str, path: Path, case: Case) -> None:
    stored, shape = _upright(nib.Nifti1Image.from_filename(path))
    given, _ = _upright(scan.image)
    distance = largest_distance(given, stored, shape)
    if distance > _SAME_PLACE_VOXELS * voxel_sizes(stored).min():
        raise _other_header(scan, title, case, f"up to {distance:.3g} mm away from where they lie now")


def _other_header(scan: Scan, title: str, case: Case, how: str) -> ImageError:
    return ImageError(
        f"The voxels of {scan.path.name} ({title}) are in the set as {case.case_id}, but {how}: the header of one of "
        "the two was changed. Nothing was added. If the new position is the right one, remove that case (mslesionseg "
        f"cases remove {case.case_id}) and add this one; otherwise give scan and mask as they were filed."
    )


def _upright(image: nib.Nifti1Image) -> tuple[np.ndarray, tuple[int, ...]]:
    """Affine and shape of an image with its axes in the order and direction closest to RAS."""
    turn = io_orientation(image.affine)
    shape = image.shape[:3]
    upright = np.empty(3, int)
    upright[turn[:, 0].astype(int)] = shape
    return image.affine @ inv_ornt_aff(turn, shape), tuple(int(n) for n in upright)
