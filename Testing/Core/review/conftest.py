"""A probability map with four spots, of which three reach a threshold of 0.5, and its review."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.lesions.components import LesionRule
from MSLesionSegLib.review.review import Review
from phantoms.review_phantom import AFFINE, SPOTS, blob


@pytest.fixture
def probability() -> nib.Nifti1Image:
    return nib.Nifti1Image(np.max([blob(*spot) for spot in SPOTS], axis=0), AFFINE)


@pytest.fixture
def review(probability) -> Review:
    return Review(probability, LesionRule(0.5))
