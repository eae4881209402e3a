"""A scan that is unlike those of the training is told, with what is odd about it; an ordinary one is not."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from MSLesionSegLib.evaluation.calibration import ranges_of
from MSLesionSegLib.imaging.checks.intensity_statistics import (
    distances,
    intensity_statistics,
    judge_intensities,
)
from MSLesionSegLib.imaging.normalization import zscore
from MSLesionSegLib.synthesis.reacquire import scan_again


@pytest.fixture(scope="module")
def known(synthetic_head):
    """The scan, its brain, and ranges of statistics over scans of that head scanned again."""
    flair, brain = synthetic_head.flair, synthetic_head.brain
    again = [scan_again(flair, np.random.default_rng(k), also=(brain,)) for k in range(4)]
    smoothed = ndimage.gaussian_filter(np.asarray(flair.dataobj, np.float32), 0.6)
    scans = [*again, (nib.Nifti1Image(smoothed, flair.affine), brain)]
    return flair, brain, ranges_of(judged(*scan) for scan in scans)


def judged(image, brain):
    inside = np.asarray(brain.dataobj) > 0
    return intensity_statistics(zscore(np.asarray(image.dataobj, np.float32), inside), inside)


def noisy(values):
    return values + np.random.default_rng(0).normal(0, 0.3 * values.max(), values.shape)


def uneven(values):
    return values * np.exp(np.linspace(-1.5, 1.5, values.shape[0]))[:, None, None]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (noisy, "it is noisy"),
        (lambda values: ndimage.gaussian_filter(values, 3), "it is blurred"),
        (uneven, "its brightness is uneven"),
        (lambda values: values.max() - values, "its contrast is another one"),
    ],
)
def test_a_degraded_scan_is_told_with_what_is_odd_about_it(damage, told, known):
    flair, brain, ranges = known
    damaged = nib.Nifti1Image(damage(np.asarray(flair.dataobj, np.float32)), flair.affine)
    (warning,) = judge_intensities("FLAIR", distances(judged(damaged, brain), ranges))
    assert warning.code == "unlike-training"
    assert warning.sentence.startswith("Do not trust") and told in warning.sentence


def test_an_ordinary_scan_is_not_told(known):
    flair, brain, ranges = known
    image, mask = scan_again(flair, np.random.default_rng(9), also=(brain,))
    assert judge_intensities("FLAIR", distances(judged(image, mask), ranges)) == ()


def test_brightness_and_gain_of_a_scanner_change_nothing(known):
    flair, brain, _ = known
    scaled = nib.Nifti1Image(np.asarray(flair.dataobj, np.float32) * 7 + 100, flair.affine)
    assert judged(scaled, brain) == pytest.approx(judged(flair, brain), abs=1e-3)
