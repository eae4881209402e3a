"""The remembered table is the lesion table, and no lesion is described twice."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.lesions.components import label_components
from MSLesionSegLib.lesions.regions import RegionMap
from MSLesionSegLib.lesions.table import each_lesion, lesion_table
from MSLesionSegLib.review import table_cache
from MSLesionSegLib.review.table_cache import RememberedTable

AFFINE = np.array([[-1.0, 0, 0, 20], [0, 1, 0, -20], [0, 0, 2, -20], [0, 0, 0, 1]])
SHAPE = (30, 32, 16)


@pytest.fixture
def probability() -> nib.Nifti1Image:
    return nib.Nifti1Image(np.random.default_rng(1).random(SHAPE, np.float32), AFFINE)


@pytest.fixture
def regions():
    labels = np.full(SHAPE, 3, np.uint8)
    labels[13:17, 14:18, 6:10] = 4
    labels[:, :3] = 2
    return RegionMap(nib.Nifti1Image(labels, AFFINE))


def labels_of(*corners: tuple[int, int, int]) -> np.ndarray:
    """Boxes of growing size at these corners, numbered by size."""
    mask = np.zeros(SHAPE, bool)
    for size, (x, y, z) in enumerate(corners, start=2):
        mask[x : x + size, y : y + size, z : z + 2] = True
    return label_components(mask)[0]


@pytest.fixture
def described(monkeypatch) -> list[int]:
    """How many lesions each call of the lesion table was asked for."""
    counts = []

    def counting(dseg, *rest):
        counts.append(len(np.unique(dseg.dataobj)) - 1)
        return each_lesion(dseg, *rest)

    monkeypatch.setattr(table_cache, "each_lesion", counting)
    return counts


def test_it_is_the_lesion_table_whatever_changes(probability, regions, described):
    table = RememberedTable(probability, regions)
    steps = (
        labels_of((2, 2, 2), (10, 5, 4), (20, 20, 8)),
        labels_of((2, 2, 2), (20, 20, 8)),  # one was rejected; the largest is another size now
        labels_of(),
        labels_of((2, 2, 2), (10, 5, 4), (20, 20, 8), (12, 13, 6)),
    )
    for labels in steps:
        expected = lesion_table(nib.Nifti1Image(labels, AFFINE), probability, regions)
        assert table.describe(labels) == expected
    assert described == [3, 1, 1]


def test_numbers_change_without_a_new_description(probability, described):
    table = RememberedTable(probability, None)
    first = table.describe(labels_of((2, 2, 2), (10, 5, 4)))
    mirrored = np.array([0, 2, 1])[labels_of((2, 2, 2), (10, 5, 4))]
    assert [lesion.volume_mm3 for lesion in table.describe(mirrored)] == [
        lesion.volume_mm3 for lesion in first[::-1]
    ]
    assert described == [2]


def test_what_is_remembered_stays_limited(probability, described, monkeypatch):
    monkeypatch.setattr(RememberedTable, "_MOST", 2)
    table = RememberedTable(probability, None)
    labels = labels_of((2, 2, 2), (10, 5, 4), (20, 20, 8))
    assert table.describe(labels) == table.describe(labels)
    assert described == [3, 3] and len(table._known) == 3
