"""Files of noise as a scan would be stored, for the tests of the readers."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from MSLesionSegLib.imaging.reading import Scan

SHAPE = (36, 40, 34)
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def noise(shape: tuple[int, ...] = SHAPE, dtype: type = np.int16) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 1500, shape).astype(dtype)


def write_nifti(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def write_nrrd(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    lps = FROM_LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    sitk.WriteImage(image, str(path))
    return path


def assert_same_world(image: nib.Nifti1Image, data: np.ndarray, affine: np.ndarray) -> None:
    """Every voxel of ``data`` is found in ``image`` at the same place in RAS space."""
    index = np.indices(data.shape).reshape(3, -1)
    found = nib.affines.apply_affine(np.linalg.inv(image.affine) @ affine, index.T)
    nearest = np.round(found).astype(int)
    assert np.abs(found - nearest).max() < 1e-2
    assert sorted(image.shape) == sorted(data.shape)
    np.testing.assert_array_equal(image.get_fdata()[tuple(nearest.T)], data[tuple(index)])


def write_fields(path: Path, data: np.ndarray = None, **fields: object) -> Path:
    """Write a NIfTI file and then overwrite header fields on disk, past every repair that a writer makes."""
    write_nifti(path, noise() if data is None else data)
    content = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    content[:348] = header.binaryblock
    path.write_bytes(content)
    return path


def codes(scan: Scan) -> list[str]:
    return [finding.code for finding in scan.findings]


def sentence(scan: Scan, code: str) -> str:
    (found,) = [finding.sentence for finding in scan.findings if finding.code == code]
    return found
