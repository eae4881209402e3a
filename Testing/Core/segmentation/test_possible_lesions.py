"""A result lists what may be a lesion apart from what counts."""

from __future__ import annotations

import csv
import json

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.commands.segment import print_lesions
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.segment import segment


@pytest.fixture(scope="module")
def results(tmp_path_factory, head, models_folder):
    """The same scan by a rule that counts its lesions and by one that hardly anything passes."""
    folder = tmp_path_factory.mktemp("patient")
    scan = head.save(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSLESIONSEG_MODELS", str(models_folder))
        return [
            segment(
                SegmentRequest(
                    "flair", {"flair": scan}, folder / name, model="tiny", device="cpu", threshold=threshold
                ),
                Silent(),
            )
            for name, threshold in (("usual", 0.5), ("strict", 0.9999))
        ]


def array(path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def test_they_lie_beside_the_mask_and_do_not_count(results):
    strict = results[1]
    possible, probability = array(strict.files["possible"]), array(strict.files["probability"])
    assert 1 <= possible.max() <= 10
    assert not array(strict.files["mask"]).any() and strict.counts["lesions"] == 0
    peaks = [float(probability[possible == number].max()) for number in range(1, possible.max() + 1)]
    assert peaks == sorted(peaks, reverse=True) and min(peaks) >= 0.2
    for result in results:
        if "possible" in result.files:
            assert not (array(result.files["mask"]) * array(result.files["possible"])).any()


def test_table_page_and_manifest_tell_them(results):
    strict = results[1]
    with strict.files["possible_table"].open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["id"]) for row in rows] == list(range(1, array(strict.files["possible"]).max() + 1))
    manifest = json.loads(strict.files["manifest"].read_text())
    assert manifest["possible_lesions"] == len(rows) and manifest["counts"]["lesions"] == 0
    assert "Possible lesions, not counted" in strict.files["report"].read_text(encoding="utf-8")


def test_the_command_tells_where_they_are_listed(results, capsys):
    print_lesions(results[1])
    assert f"Possible lesions, not counted: {results[1].files['possible_table']}" in capsys.readouterr().out
