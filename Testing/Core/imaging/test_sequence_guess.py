"""The sequence of a scan is guessed from its tissues."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from MSLesionSegLib.imaging.checks.sequence_guess import guess_sequence
from MSLesionSegLib.imaging.reading import read_scan
from phantoms.scan_files import AFFINE, SHAPE, codes, sentence


def head(white: float, grey: float, fluid: float, *, skull: bool, slices: float = 2.0) -> nib.Nifti1Image:
    """A folded brain with a 4 mm cortex and ventricles, in a scalp of fat, with a bias field and noise."""
    spacing = (1.5, 1.5, slices)
    shape = tuple(int(210 / edge) for edge in spacing)
    x, y, z = (
        (index - (size - 1) / 2) * edge
        for index, size, edge in zip(np.indices(shape), shape, spacing, strict=True)
    )
    radius = np.sqrt((x / 0.9) ** 2 + y**2 + (z / 0.9) ** 2)
    angle = np.arctan2(y, x)
    brain = radius < 68 + 8 * np.sin(14 * angle + 3 * np.sin(z / 12)) * np.exp(-((z / 55) ** 2))
    depth = ndimage.distance_transform_edt(brain, sampling=spacing)
    values = np.zeros(shape)
    if skull:
        values[radius < 92] = 1.6 * white
        values[radius < 86] = 0.1 * white
    values[radius < 79] = fluid if skull else 0
    values[brain] = np.where(depth[brain] < 4, grey, white)
    values[((np.abs(np.abs(x) - 10) < 6) & (np.abs(y) < 25) & (np.abs(z) < 12))] = fluid
    rng = np.random.default_rng(2)
    values = ndimage.gaussian_filter(values, [1 / edge for edge in spacing]) * (
        1 + 0.2 * y / 100
    ) + rng.normal(0, 15, shape)
    return nib.Nifti1Image(values.astype(np.float32), np.diag([*spacing, 1.0]))


@pytest.mark.parametrize("skull", [True, False])
@pytest.mark.parametrize("slices", [1.5, 6.0])
def test_the_sequence_is_guessed_from_cortex_and_white_matter(skull: bool, slices: float) -> None:
    assert guess_sequence(head(600, 750, 150, skull=skull, slices=slices)) == "FLAIR"
    assert guess_sequence(head(900, 620, 250, skull=skull, slices=slices)) == "T1w"


def test_a_flair_full_of_lesions_is_no_t1w() -> None:
    image = head(600, 700, 150, skull=True)
    values = image.get_fdata()
    field = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=values.shape), 3)
    lesions = (field > np.percentile(field, 80)) & (values > 450) & (values < 850)
    values[lesions] *= 1.6
    assert guess_sequence(nib.Nifti1Image(values.astype(np.float32), image.affine)) != "T1w"


def test_an_image_without_a_brain_has_no_sequence() -> None:
    values = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    for image in (values, np.zeros(SHAPE, np.float32), -np.ones(SHAPE, np.float32)):
        assert guess_sequence(nib.Nifti1Image(image, AFFINE)) is None


def test_a_t1w_given_as_flair_is_told_and_the_other_way_round(tmp_path: Path) -> None:
    t1w, flair = tmp_path / "t1w.nii.gz", tmp_path / "flair.nii.gz"
    nib.save(head(900, 620, 250, skull=True), t1w)
    nib.save(head(600, 750, 150, skull=True), flair)
    assert "given as a FLAIR but looks like a T1" in sentence(
        read_scan(t1w, sequence="FLAIR"), "wrong-sequence"
    )
    assert "given as a T1-weighted scan but does not look like" in sentence(
        read_scan(flair, sequence="T1w"), "wrong-sequence"
    )
    assert codes(read_scan(flair, sequence="FLAIR")) == codes(read_scan(t1w, sequence="T1w")) == []
