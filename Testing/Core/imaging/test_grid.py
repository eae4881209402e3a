"""Whatever the orientation of a scan, results come back on its own grid, voxel for voxel."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform
from nibabel.processing import resample_from_to

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.grid import to_native_grid, to_network_grid
from MSLesionSegLib.imaging.normalization import zscore

ORIENTATIONS = ["RAS", "LAS", "LPS", "PIR", "SAL"]


def smooth_image(shape=(24, 28, 20), spacing=(1.0, 1.0, 1.0), codes="RAS", rotation=0.0) -> nib.Nifti1Image:
    """A smooth function of world position, sampled on any grid: its value tells where a voxel lies."""
    ornt = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    affine = np.diag([*spacing, 1.0]) @ inv_ornt_aff(ornt, shape)
    cos, sin = np.cos(rotation), np.sin(rotation)
    turn = np.array([[1, 0, 0, 3], [0, cos, -sin, -5], [0, sin, cos, 2], [0, 0, 0, 1.0]])
    affine = turn @ affine
    world = nib.affines.apply_affine(affine, np.stack(np.indices(shape), -1))
    return nib.Nifti1Image((100 + world @ np.array([1.0, 2.0, -1.5])).astype(np.float32), affine)


@pytest.mark.parametrize("codes", ORIENTATIONS)
@pytest.mark.parametrize("rotation", [0.0, 0.3])
@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.6, 0.6, 4.0)])
def test_values_stay_at_their_place_in_the_patient_there_and_back(codes, rotation, spacing):
    image = smooth_image(spacing=spacing, codes=codes, rotation=rotation)
    grid = to_network_grid(image)
    assert nib.aff2axcodes(grid.affine) == ("R", "A", "S")
    np.testing.assert_allclose(nib.affines.voxel_sizes(grid.affine), 1.0)
    back = to_native_grid(grid, image)
    assert back.shape == image.shape
    np.testing.assert_allclose(back.affine, image.affine, atol=1e-4)
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(back.get_fdata()[inner], image.get_fdata()[inner], atol=0.6)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(ORIENTATIONS),
    st.floats(0, 0.6),
    st.tuples(st.floats(0.5, 2), st.floats(0.5, 2), st.floats(0.8, 6)),
)
def test_the_network_grid_covers_the_whole_field_of_view(codes, rotation, spacing):
    image = smooth_image(shape=(8, 9, 7), spacing=spacing, codes=codes, rotation=rotation)
    grid = to_network_grid(image)
    corners = nib.affines.apply_affine(
        image.affine, [[i, j, k] for i in (0, 7) for j in (0, 8) for k in (0, 6)]
    )
    voxels = nib.affines.apply_affine(np.linalg.inv(grid.affine), corners)
    assert (voxels > -1e-3).all()
    assert (voxels < np.array(grid.shape) - 1 + 1 + 1e-3).all()


def test_labels_keep_their_values_when_resampled():
    image = smooth_image()
    labels = nib.Nifti1Image((image.get_fdata() > 100).astype(np.uint8) * 7, image.affine)
    there = to_network_grid(labels, spacing=1.3, order=0)
    back = to_native_grid(there, labels, order=0)
    assert set(np.unique(there.get_fdata())) <= {0, 7}
    assert set(np.unique(back.get_fdata())) <= {0, 7}


def test_a_fine_scan_is_smoothed_before_it_is_thinned_out():
    fine = np.zeros((60, 60, 60), np.float32)
    fine[::2] = 1.0  # stripes finer than the network grid can show
    grid = to_network_grid(nib.Nifti1Image(fine, np.diag([0.4, 0.4, 0.4, 1])))
    inner = grid.get_fdata()[4:-4, 4:-4, 4:-4]
    assert inner.std() < 0.1


def test_the_z_score_has_mean_0_and_deviation_1_in_the_brain_and_is_0_outside():
    rng = np.random.default_rng(0)
    array, mask = rng.normal(300, 40, (10, 10, 10)), np.zeros((10, 10, 10))
    mask[2:8, 2:8, 2:8] = 1
    scored = zscore(array, mask)
    assert abs(scored[mask > 0].mean()) < 1e-5
    assert abs(scored[mask > 0].std() - 1) < 1e-5
    assert not scored[mask == 0].any()


@pytest.mark.parametrize("mask", [np.zeros((4, 4, 4)), np.ones((4, 4, 4))])
def test_an_empty_mask_or_a_flat_brain_cannot_be_normalised(mask):
    with pytest.raises(ImageError):
        zscore(np.full((4, 4, 4), 7.0), mask)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(ORIENTATIONS),
    st.floats(0, 0.6),
    st.tuples(st.floats(0.5, 2), st.floats(0.5, 2), st.floats(0.8, 6)),
    st.floats(0, 0.2),
)
def test_values_are_those_of_scipy_s_linear_interpolation(codes, rotation, spacing, shear):
    image = smooth_image(shape=(12, 9, 11), spacing=spacing, codes=codes, rotation=rotation)
    sheared = image.affine @ np.array([[1, shear, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    reference = nib.Nifti1Image(np.zeros((10, 8, 9), np.float32), smooth_image(shape=(10, 8, 9)).affine)
    volume = nib.Nifti1Image(image.get_fdata(dtype=np.float32), sheared)
    ours = np.asarray(to_native_grid(volume, reference).dataobj)
    grid = (reference.shape, reference.affine)
    theirs = np.asarray(resample_from_to(volume, grid, order=1, mode="constant", cval=0.0).dataobj)
    voxels = nib.affines.apply_affine(
        np.linalg.inv(sheared) @ reference.affine, np.stack(np.indices(reference.shape), -1)
    )
    beyond = np.maximum(-voxels, voxels - (np.array(volume.shape) - 1)).max(-1)
    inside, outside = beyond < -0.01, beyond > 0.01
    np.testing.assert_allclose(ours[inside], theirs[inside], rtol=1e-3)
    assert not ours[outside].any()
