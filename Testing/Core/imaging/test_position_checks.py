"""Where a scan lies, how large it is and how it is cut is checked and told."""

from __future__ import annotations

import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.processing import resample_to_output
from scipy.spatial.transform import Rotation

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.reading import Scan, read_scan
from phantoms.scan_files import AFFINE, SHAPE, codes, noise, sentence, write_fields, write_nifti


def two_positions(path: Path, sform_code: int, qform_code: int, shift: float) -> Scan:
    image = nib.Nifti1Image(noise(), AFFINE)
    moved = AFFINE.copy()
    moved[0, 3] = shift
    image.set_sform(AFFINE, sform_code)
    image.set_qform(moved, qform_code)
    nib.save(image, path)
    return read_scan(path)


@pytest.mark.parametrize(
    ("sform_code", "viewer"), [(1, "as does 3D Slicer"), (2, "Slicer and ANTs use the qform")]
)
def test_two_different_positions_are_told_with_the_one_that_is_used(
    tmp_path: Path, sform_code: int, viewer: str
) -> None:
    scan = two_positions(tmp_path / "scan.nii", sform_code, 1, shift=12)
    assert codes(scan) == ["sform-qform-differ"]
    words = sentence(scan, "sform-qform-differ")
    assert "by up to 12.0 mm" in words
    assert "The sform is used" in words
    assert viewer in words
    np.testing.assert_array_equal(scan.image.affine, AFFINE)


@pytest.mark.parametrize("pixdim", [3.0, 2.98])
@pytest.mark.parametrize(("sform_code", "qform_code"), [(s, q) for s in range(5) for q in range(5) if s or q])
def test_what_is_said_about_slicer_is_what_itk_does(
    tmp_path: Path, sform_code: int, qform_code: int, pixdim: float
) -> None:
    import SimpleITK as sitk

    two_positions(tmp_path / "scan.nii", sform_code, qform_code, shift=12)
    content = bytearray((tmp_path / "scan.nii").read_bytes())
    struct.pack_into("<f", content, 80, pixdim)
    (tmp_path / "scan.nii").write_bytes(content)
    scan = read_scan(tmp_path / "scan.nii")
    shown = sitk.ReadImage(str(tmp_path / "scan.nii"))
    elsewhere = shown.GetOrigin()[0] != pytest.approx(-scan.image.affine[0, 3])
    larger = shown.GetSpacing()[0] != pytest.approx(scan.image.affine[0, 0])
    told = " ".join(finding.sentence for finding in scan.findings)
    if elsewhere:
        assert "but 3D Slicer and ANTs use the qform" in told
    elif larger:
        assert "but 3D Slicer and ANTs" in told
    elif sform_code and qform_code:
        assert "as does 3D Slicer" in told
    else:
        assert codes(scan) == []


def test_a_voxel_size_that_contradicts_the_sform_is_told(tmp_path: Path) -> None:
    scan = read_scan(write_fields(tmp_path / "scan.nii", pixdim=[1, 1, 1, 2, 0, 0, 0, 0]))
    assert codes(scan) == ["voxel-size-differs"]
    words = sentence(scan, "voxel-size-differs")
    assert "3.00 x 3.00 x 3.00 mm in its sform, 1.00 x 1.00 x 2.00 mm in its pixdim" in words
    np.testing.assert_array_equal(scan.image.affine, AFFINE)


def test_two_equal_positions_are_fine(tmp_path: Path) -> None:
    assert codes(two_positions(tmp_path / "scan.nii", 2, 1, shift=0.01)) == []


def test_a_broken_qform_beside_a_good_sform_is_told(tmp_path: Path) -> None:
    scan = read_scan(write_fields(tmp_path / "scan.nii", qform_code=1, quatern_b=3.0))
    assert "the qform is broken" in sentence(scan, "sform-qform-differ")


def test_a_scan_without_a_position_is_told_which_one_is_assumed(tmp_path: Path) -> None:
    scan = read_scan(write_fields(tmp_path / "scan.nii", sform_code=0, qform_code=0))
    assert codes(scan) == ["no-position"]
    assert nib.aff2axcodes(scan.image.affine) == ("L", "A", "S")
    assert int(scan.image.header["sform_code"]) == 0


def test_a_sheared_grid_is_refused_and_the_advice_helps(tmp_path: Path) -> None:
    sheared = AFFINE.copy()
    sheared[0, 1] = 0.15
    path = write_nifti(tmp_path / "scan.nii", noise(), sheared)
    with pytest.raises(ImageError, match=r"not at right angles \(shear of 5\.0 %\).*resample_to_output"):
        read_scan(path)
    nib.save(resample_to_output(nib.load(path), 3), path)
    assert read_scan(path).findings == ()


def test_a_shear_below_one_percent_is_accepted(tmp_path: Path) -> None:
    sheared = AFFINE.copy()
    sheared[0, 1] = 0.02
    scan = read_scan(write_nifti(tmp_path / "scan.nii", noise(), sheared))
    np.testing.assert_allclose(scan.image.affine, sheared, atol=1e-6)


@pytest.mark.parametrize("row", [[0, 0, 0, 0], [0, 3, 0, 0], [np.nan, 0, 0, 0], [np.inf, 0, 0, 0]])
def test_a_grid_without_volume_is_refused(tmp_path: Path, row: list[float]) -> None:
    path = write_fields(tmp_path / "scan.nii", srow_x=row)
    with pytest.raises(ImageError, match="unusable position matrix"):
        read_scan(path)


def test_left_handed_and_oblique_grids_need_no_remark(tmp_path: Path) -> None:
    oblique = AFFINE.copy()
    oblique[:3, :3] = Rotation.from_euler("xyz", [20, -10, 35], degrees=True).as_matrix() * 3
    oblique[:, 0] *= -1
    assert read_scan(write_nifti(tmp_path / "scan.nii", noise(), oblique)).findings == ()


def test_thick_slices_are_told(tmp_path: Path) -> None:
    scan = read_scan(write_nifti(tmp_path / "scan.nii", noise(), np.diag([3.0, 3.0, 6.5, 1.0])))
    assert codes(scan) == ["thick-slices"]
    assert "slices of 6.5 mm (3.00 x 3.00 x 6.50 mm voxels)" in sentence(scan, "thick-slices")


@pytest.mark.parametrize("edges", [(3, 3, 14), (0.15, 3, 3)])
def test_an_unusual_voxel_size_is_told(tmp_path: Path, edges: tuple[float, ...]) -> None:
    shape = (800, 40, 36) if edges[0] < 1 else SHAPE
    scan = read_scan(write_nifti(tmp_path / "scan.nii", noise(shape), np.diag([*edges, 1.0])))
    assert codes(scan) == ["extreme-spacing"]


def test_a_scan_of_a_part_of_the_head_is_told(tmp_path: Path) -> None:
    scan = read_scan(write_nifti(tmp_path / "scan.nii", noise((36, 40, 20))))
    assert codes(scan) == ["small-coverage"]
    assert "108 x 120 x 60 mm" in sentence(scan, "small-coverage")


def test_a_slab_too_small_for_a_brain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="covers only 108 x 120 x 30 mm, which is too small for a brain"):
        read_scan(write_nifti(tmp_path / "scan.nii", noise((36, 40, 10))))


def test_a_scan_larger_than_a_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="more than a head"):
        read_scan(write_nifti(tmp_path / "scan.nii", noise(), np.diag([30.0, 30.0, 30.0, 1.0])))


def test_a_scan_in_metres_is_refused_unless_its_numbers_are_millimetres(tmp_path: Path) -> None:
    path = write_fields(tmp_path / "scan.nii", xyzt_units=1)
    assert codes(read_scan(path)) == ["wrong-units"]
    small = write_nifti(tmp_path / "small.nii", noise(), np.diag([0.003, 0.003, 0.003, 1.0]))
    content = bytearray(small.read_bytes())
    content[123] = 1
    small.write_bytes(content)
    with pytest.raises(ImageError, match="gives its voxel size in metres"):
        read_scan(small)
