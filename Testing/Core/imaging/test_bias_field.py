from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.bias_field import n4

SHAPE = (48, 44, 24)
AFFINE = np.array([[-3.0, 0, 0, 70], [0, 3.0, 0.5, -60], [0, -0.25, 6.0, -80], [0, 0, 0, 1]])


def phantom() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two tissues in a ball, a smooth field over it, and the ball."""
    x, y, z = (2 * index / (size - 1) - 1 for index, size in zip(np.indices(SHAPE), SHAPE, strict=True))
    ball = x**2 + y**2 + z**2 < 0.9
    rng = np.random.default_rng(4)
    tissue = np.where(np.sin(9 * x) * np.sin(8 * y) * np.sin(7 * z) > 0, 400.0, 500.0)
    field = np.exp(0.35 * x - 0.25 * y + 0.2 * z * x)
    return np.where(ball, tissue + rng.normal(0, 5, SHAPE), 0).astype(np.float32), field, ball


def images(data: np.ndarray, mask: np.ndarray) -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    return nib.Nifti1Image(data.astype(np.float32), AFFINE), nib.Nifti1Image(mask.astype(np.uint8), AFFINE)


def spread(values: np.ndarray) -> float:
    return float(values.std() / values.mean())


def test_a_smooth_field_is_removed() -> None:
    data, field, ball = phantom()
    corrected = n4(*images(data * field, ball)).get_fdata()
    left = corrected[ball] / data[ball]
    assert spread(left) < 0.2 * spread(field[ball])


def test_an_even_image_stays_as_it_is() -> None:
    data, _, ball = phantom()
    corrected = n4(*images(data, ball)).get_fdata()
    assert spread(corrected[ball] / data[ball]) < 0.02


def test_the_grid_and_the_level_of_the_image_are_kept() -> None:
    data, field, ball = phantom()
    image, mask = images(data * field, ball)
    before = image.get_fdata().copy()
    corrected = n4(image, mask)
    assert corrected.shape == SHAPE
    assert corrected.get_data_dtype() == np.float32
    np.testing.assert_array_equal(corrected.affine, AFFINE)
    assert np.median(corrected.get_fdata()[ball]) == pytest.approx(np.median(before[ball]), rel=1e-3)
    np.testing.assert_array_equal(image.get_fdata(), before)


def test_the_same_input_gives_the_same_bits() -> None:
    data, field, ball = phantom()
    first, second = (n4(*images(data * field, ball)).get_fdata() for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_negative_voxels_do_not_disturb() -> None:
    data, field, ball = phantom()
    ringing = data * field
    ringing[20:22, 20:22, 10] = -300
    corrected = n4(*images(ringing, ball)).get_fdata()
    assert np.isfinite(corrected).all()
    good = ball & (ringing > 0)
    assert spread(corrected[good] / data[good]) < 0.2 * spread(field[ball])


def test_few_thick_slices_are_enough() -> None:
    data, field, ball = phantom()
    slab = (slice(None), slice(None), slice(10, 13))
    corrected = n4(*images((data * field)[slab], ball[slab])).get_fdata()
    left = corrected[ball[slab]] / data[slab][ball[slab]]
    assert spread(left) < 0.5 * spread(field[slab][ball[slab]])


def test_an_empty_mask_is_refused() -> None:
    data, _, ball = phantom()
    with pytest.raises(ImageError, match="no bright voxel"):
        n4(*images(data, np.zeros_like(ball)))


def test_a_mask_of_another_shape_is_refused() -> None:
    data, _, ball = phantom()
    with pytest.raises(ValueError, match="differ in shape"):
        n4(*images(data, ball[1:]))
