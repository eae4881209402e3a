"""Images that are written: the geometry of the scan, and none of its text."""

from __future__ import annotations

import time

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.imaging.reading import read_scan
from MSLesionSegLib.imaging.writing import save_image


def test_images_carry_the_geometry_and_none_of_the_text(tmp_path):
    affine = np.array([[-0.9, 0.1, 0, 80.0], [0.1, 0.9, 0, -70], [0, 0, 3.0, -40], [0, 0, 0, 1]])
    affine[:3, :3] = np.linalg.qr(affine[:3, :3])[0] @ np.diag([0.9, 0.9, 3.0])
    reference = nib.Nifti1Image(np.zeros((5, 6, 4), np.float32), affine)
    reference.header["descrip"] = b"DOE^JOHN"
    reference.header["db_name"] = b"DOE^JOHN"
    reference.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"DOE^JOHN"))
    save_image(np.ones((5, 6, 4), np.uint8), reference, tmp_path / "mask.nii")
    saved = nib.load(tmp_path / "mask.nii")
    assert saved.get_data_dtype() == np.uint8
    assert saved.shape == (5, 6, 4)
    assert np.abs(saved.affine - affine).max() < 1e-4
    assert np.abs(saved.get_qform() - affine).max() < 1e-4
    assert int(saved.header["sform_code"]) > 0
    assert b"DOE" not in (tmp_path / "mask.nii").read_bytes()


@pytest.mark.parametrize("agree", [True, False])
@pytest.mark.parametrize("qform_code", [0, 1, 2])
@pytest.mark.parametrize("sform_code", [0, 1, 2])
def test_every_reader_finds_the_mask_where_it_finds_the_scan(tmp_path, sform_code, qform_code, agree):
    """The readers disagree on which of the two positions counts, so the mask has both of them."""
    sitk = pytest.importorskip("SimpleITK")
    turned = nib.eulerangles.euler2mat(0.3, -0.2, 0.1)
    sform = nib.affines.from_matvec(turned @ np.diag([3.5, 4, 5]), [-30, -50, -20])
    qform = sform if agree else nib.affines.from_matvec(np.diag([-3.5, 4, 5]), [40, -30, 10])
    values = np.random.default_rng(0).random((20, 22, 16)).astype(np.float32)
    header = nib.Nifti1Header()
    header.set_data_shape(values.shape)
    header.set_qform(qform, qform_code)
    header.set_sform(sform, sform_code)
    nib.save(nib.Nifti1Image(values, None, header), tmp_path / "scan.nii.gz")
    stored = nib.load(tmp_path / "scan.nii.gz")
    assert (int(stored.header["sform_code"]), int(stored.header["qform_code"])) == (sform_code, qform_code)

    save_image(
        np.ones((20, 22, 16), np.uint8), read_scan(tmp_path / "scan.nii.gz").image, tmp_path / "mask.nii.gz"
    )

    mask = nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(mask.affine, stored.affine)
    for field in ("pixdim", "sform_code", "qform_code"):
        np.testing.assert_array_equal(mask.header[field], stored.header[field])
    np.testing.assert_array_equal(mask.get_qform(), stored.get_qform())
    one, other = (sitk.ReadImage(str(tmp_path / name)) for name in ("scan.nii.gz", "mask.nii.gz"))
    for place in ("GetOrigin", "GetSpacing", "GetDirection", "GetSize"):
        assert getattr(one, place)() == getattr(other, place)()


def test_the_same_image_gives_the_same_bytes(tmp_path):
    reference = nib.Nifti1Image(np.zeros((9, 9, 9), np.float32), np.eye(4))
    data = np.random.default_rng(0).random((9, 9, 9)).astype(np.float32)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        save_image(data, reference, tmp_path / name / "p.nii.gz")
        time.sleep(0.01)
    assert (tmp_path / "one/p.nii.gz").read_bytes() == (tmp_path / "two/p.nii.gz").read_bytes()
