"""How often a lesion like one was true is told as one number that a larger or surer lesion never has lower."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.lesions.lesion_confidence import LesionConfidence
from MSLesionSegLib.lesions.table import lesion_table, write_lesion_table
from MSLesionSegLib.review.table_cache import RememberedTable

CONFIDENCE = LesionConfidence(-3.0, 0.5, 0.4, {"undetermined": 1.0, "deep white matter": -1.0})


def test_a_larger_or_surer_lesion_is_never_called_less_likely():
    for region in ("undetermined", "deep white matter", "elsewhere"):
        by_size = [CONFIDENCE.true_share(size, 0.9, region) for size in (0.1, 1, 10, 100, 1000, 1e6)]
        by_peak = [CONFIDENCE.true_share(30, peak, region) for peak in (0.0, 0.2, 0.5, 0.9, 0.99, 1.0)]
        assert by_size == sorted(by_size) and by_peak == sorted(by_peak)
        assert min(by_size + by_peak) > 0 and max(by_size + by_peak) < 1


def test_it_comes_back_from_json():
    assert LesionConfidence.from_dict(json.loads(json.dumps(asdict(CONFIDENCE)))) == CONFIDENCE


def labels_and_probability():
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[1:4, 1:4, 1:4], labels[7, 7, 7] = 1, 2
    probability = np.where(labels == 1, 0.95, 0.6).astype(np.float32)
    return nib.Nifti1Image(labels, np.eye(4)), nib.Nifti1Image(probability, np.eye(4))


def test_table_and_file_tell_it_and_leave_it_empty_where_it_is_not_known(tmp_path):
    labels, probability = labels_and_probability()
    large, small = lesion_table(labels, probability, None, CONFIDENCE)
    assert large.true_share == pytest.approx(CONFIDENCE.true_share(27, 0.95, "undetermined"))
    assert small.true_share < large.true_share
    told = [f"{100 * lesion.true_share:.0f}" for lesion in (large, small)]
    for known, cells in ((CONFIDENCE, told), (None, ["", ""])):
        write_lesion_table(lesion_table(labels, probability, None, known), tmp_path / "lesions.csv")
        with (tmp_path / "lesions.csv").open(newline="") as stream:
            assert [row["true_percent"] for row in csv.DictReader(stream)] == cells
    assert (
        lesion_table(labels, None, None, CONFIDENCE)[0].true_share is None
    )  # nothing is known without a map


def test_a_review_tells_the_same_as_the_table():
    labels, probability = labels_and_probability()
    table = RememberedTable(probability, None, CONFIDENCE)
    assert table.describe(np.asarray(labels.dataobj)) == lesion_table(labels, probability, None, CONFIDENCE)
