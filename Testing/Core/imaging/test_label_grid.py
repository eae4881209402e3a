from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.checks.lesion_mask import read_lesion_mask
from MSLesionSegLib.imaging.reading import read_mask, read_scan, warnings_of
from phantoms.scan_files import AFFINE, SHAPE, noise, write_nifti, write_nrrd

LABELS = np.zeros(SHAPE, np.uint8)
LABELS[10:14, 20:23, 15:19] = 1
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler("xyz", [8, -5, 12], degrees=True).as_matrix() * 3
OBLIQUE[:3, 3] = -50, -60, -40


@pytest.fixture(params=[AFFINE, OBLIQUE], ids=["straight", "oblique"])
def scan(request, tmp_path: Path) -> nib.Nifti1Image:
    return read_scan(write_nifti(tmp_path / "scan.nii.gz", noise(), request.param)).image


def moved(affine: np.ndarray, *voxels: float) -> np.ndarray:
    affine = affine.copy()
    affine[:3, 3] += affine[:3, :3] @ voxels
    return affine


def told(mask: nib.Nifti1Image) -> str:
    return " ".join(finding.sentence for finding in warnings_of(mask))


def test_a_mask_on_the_voxels_of_its_scan_needs_no_remark(tmp_path: Path, scan) -> None:
    mask = read_mask(write_nrrd(tmp_path / "mask.nrrd", LABELS, scan.affine), scan)
    np.testing.assert_array_equal(mask.dataobj, LABELS)
    assert warnings_of(mask) == ()


def test_less_than_a_tenth_of_a_voxel_is_the_same_grid_and_told_once(tmp_path: Path, scan) -> None:
    path = write_nifti(tmp_path / "mask.nii", LABELS, moved(scan.affine, 0.08, 0, -0.05))
    for read in (read_mask, read_lesion_mask):
        mask = read(path, scan)
        np.testing.assert_array_equal(mask.dataobj, LABELS)
        np.testing.assert_array_equal(mask.affine, scan.affine)
        assert len(warnings_of(mask)) == 1
        assert "The mask mask.nii lies up to 0.28 mm" in told(mask)
        assert "less than a tenth of a voxel" in told(mask)


def test_more_than_a_tenth_of_a_voxel_is_another_grid(tmp_path: Path, scan) -> None:
    path = write_nifti(tmp_path / "mask.nii", LABELS, moved(scan.affine, 0, 0.15, 0))
    with pytest.raises(
        ImageError, match=r"The mask mask.nii lies up to 0.4\d* mm away .* both have 36 x 40 x 34"
    ):
        read_mask(path, scan)
    turned = scan.affine.copy()
    turned[:3, :3] *= 1.004  # a tenth of a voxel or more at the far corner
    with pytest.raises(ImageError, match="mm away"):
        read_mask(write_nifti(tmp_path / "mask.nii", LABELS, turned), scan)


def test_a_cut_out_segmentation_is_placed_where_it_was_cut_out(tmp_path: Path, scan) -> None:
    part = LABELS[9:16, 18:25, 13:21]
    mask = read_mask(write_nrrd(tmp_path / "part.seg.nrrd", part, moved(scan.affine, 9, 18, 13)), scan)
    np.testing.assert_array_equal(mask.dataobj, LABELS)
    assert "part.seg.nrrd is cut or turned otherwise than its image. It was placed voxel by voxel" in told(
        mask
    )


def test_turned_and_reversed_axes_are_brought_back(tmp_path: Path, scan) -> None:
    stored = nib.Nifti1Image(LABELS, scan.affine)
    for axes in ([[2, 1], [0, -1], [1, 1]], [[0, -1], [1, -1], [2, -1]]):
        turned = stored.as_reoriented(np.array(axes))
        path = write_nrrd(tmp_path / "mask.seg.nrrd", np.asarray(turned.dataobj), turned.affine)
        np.testing.assert_array_equal(read_mask(path, scan).dataobj, LABELS)


def test_a_mask_of_other_programs_must_have_all_voxels_in_the_same_order(tmp_path: Path, scan) -> None:
    reverse = nib.Nifti1Image(LABELS, scan.affine).as_reoriented(np.array([[0, -1], [1, 1], [2, 1]]))
    with pytest.raises(ImageError, match="although both have 36 x 40 x 34 voxels"):
        read_mask(write_nifti(tmp_path / "mask.nii", np.asarray(reverse.dataobj), reverse.affine), scan)
    with pytest.raises(ImageError, match=r"has 36 x 40 x 33 voxels but the image .* has 36 x 40 x 34"):
        read_mask(write_nifti(tmp_path / "mask.nii", LABELS[:, :, :-1], scan.affine), scan)


def test_a_segmentation_may_reach_beyond_its_scan_but_not_its_labels(tmp_path: Path, scan) -> None:
    larger = np.pad(LABELS, 5)
    path = write_nrrd(tmp_path / "larger.seg.nrrd", larger, moved(scan.affine, -5, -5, -5))
    np.testing.assert_array_equal(read_mask(path, scan).dataobj, LABELS)
    larger[:2, 0, 0] = 1
    path = write_nrrd(tmp_path / "larger.seg.nrrd", larger, moved(scan.affine, -5, -5, -5))
    with pytest.raises(ImageError, match="2 labeled voxels that lie beyond the image"):
        read_mask(path, scan)


def test_a_mask_of_another_voxel_size_or_between_the_voxels_is_refused(tmp_path: Path, scan) -> None:
    part = LABELS[9:16, 18:25, 13:21]
    finer = scan.affine @ np.diag([0.5, 0.5, 1, 1])
    for affine in (finer, moved(scan.affine, 9.5, 18, 13)):
        with pytest.raises(ImageError, match=r"has 7 x 7 x 8 voxels but the image .* has 36 x 40 x 34"):
            read_mask(write_nrrd(tmp_path / "part.seg.nrrd", part, affine), scan)


def test_files_that_do_not_say_where_they_lie_are_not_placed(tmp_path: Path) -> None:
    def nowhere(data: np.ndarray) -> nib.Nifti1Image:
        image = nib.Nifti1Image(data, None)
        image.header["pixdim"][1:4] = 3
        return image

    nib.save(nowhere(noise()), tmp_path / "scan.nii")
    scan = read_scan(tmp_path / "scan.nii").image
    nib.save(nowhere(LABELS), tmp_path / "mask.nii")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.nii", scan).dataobj, LABELS)
    nib.save(nowhere(LABELS[:, :, 1:-1]), tmp_path / "mask.nii")
    with pytest.raises(ImageError, match="has 36 x 40 x 32 voxels"):
        read_mask(tmp_path / "mask.nii", scan)
