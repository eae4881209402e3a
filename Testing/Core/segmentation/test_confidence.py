"""A result says how far it can be trusted, where that was measured of the model; its mask stays as it is."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, replace

import nibabel as nib
import numpy as np
import pytest

from MSLesionSegLib.errors import ModelError
from MSLesionSegLib.imaging.checks.intensity_statistics import STATISTICS
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.lesions.lesion_confidence import LesionConfidence
from MSLesionSegLib.network.models.confidence import Confidence
from MSLesionSegLib.network.models.store import read_card, write_card
from MSLesionSegLib.segmentation.request import SegmentRequest
from MSLesionSegLib.segmentation.segment import segment
from support.recorder import Recorder

WIDE = dict.fromkeys(STATISTICS, (-50.0, 50.0))
SURE = Confidence(LesionConfidence(-1.0, 0.3, 0.2), (0.0, 1.0), (0.0, 1.0), WIDE)
CONFIDENT = replace(SURE, predicted=(0.0, 0.49, 0.5, 1.0), observed=(0.0, 0.0, 1.0, 1.0))


@pytest.fixture
def told(tmp_path, head, models_folder, monkeypatch):
    """Runs the tiny model with a confidence on its card, or none, on a scan that may be changed first."""
    import shutil

    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path / "models"))
    scan = head.save(tmp_path)

    def run(name, confidence, progress=None):
        folder = tmp_path / "models" / name
        shutil.copytree(models_folder / "tiny", folder)
        content = {} if confidence is None else confidence.as_dict()
        write_card(folder, replace(read_card(folder), name=name, confidence=content))
        request = SegmentRequest("flair", {"flair": scan}, tmp_path / f"out-{name}", model=name, device="cpu")
        return segment(request, progress or Silent())

    return run


def rows_of(result):
    with result.files["table"].open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_table_page_and_manifest_tell_it_and_the_mask_stays_as_it_is(told):
    plain, known = told("plain", None), told("known", CONFIDENT)
    masks = [np.asarray(nib.load(result.files["mask"]).dataobj) for result in (plain, known)]
    np.testing.assert_array_equal(*masks)
    for lesion, row in zip(known.lesions, rows_of(known), strict=True):
        told_share = SURE.lesions.true_share(lesion.volume_mm3, lesion.peak_probability, lesion.region)
        assert lesion.true_share == told_share and row["true_percent"] == f"{100 * told_share:.0f}"
    assert {row["true_percent"] for row in rows_of(plain)} == {""}
    manifests = [json.loads(result.files["manifest"].read_text()) for result in (plain, known)]
    assert "confidence" not in manifests[0]
    assert LesionConfidence.from_dict(manifests[1]["confidence"]["lesions"]) == SURE.lesions
    assert 0 < manifests[1]["confidence"]["expected_dice"] < 1
    pages = [result.files["report"].read_text(encoding="utf-8") for result in (plain, known)]
    assert "100 like it" in pages[1] and "Dice with a reader" in pages[1]
    assert "100 like it" not in pages[0] and "Dice with a reader" not in pages[0]
    assert known.findings == plain.findings


@pytest.mark.parametrize(
    ("confidence", "code"),
    [
        (replace(SURE, ranges=dict.fromkeys(STATISTICS, (50.0, 51.0))), "unlike-training"),
        (replace(SURE, observed=(0.0, 0.1)), "low-expected-dice"),
    ],
)
def test_a_result_that_is_not_to_be_trusted_says_so_before_any_count(told, confidence, code):
    recorder = Recorder()
    result = told("doubtful", confidence, recorder)
    (finding,) = [found for found in result.findings if found.sentence.startswith("Do not trust")]
    assert finding.code == code
    assert code in recorder.warnings
    told_dice = json.loads(result.files["manifest"].read_text())["confidence"]["expected_dice"]
    assert (told_dice is None) == (code == "unlike-training")
    assert finding.sentence in result.files["report"].read_text(encoding="utf-8").replace("&#39;", "'")


def test_little_but_sure_lesion_in_a_large_brain_is_no_reason_for_doubt():
    """What the patients of the measurement had where the model saw nothing says nothing of this scan."""
    probability = np.zeros(1_300_000, np.float32)
    probability[:100] = 0.95
    known = replace(SURE, predicted=(0.0, 0.5, 1.0), observed=(0.002, 0.3, 0.8))
    assert known.expected_dice(probability, probability > 0.5) > 0.7


def test_the_expected_dice_is_what_calibrated_probabilities_give_on_average():
    rng = np.random.default_rng(0)
    probability = rng.beta(0.2, 0.6, 20_000)
    mask = probability > 0.5
    dice = []
    for _ in range(20):
        reader = rng.random(probability.shape) < probability
        dice.append(2 * (mask & reader).sum() / (mask.sum() + reader.sum()))
    assert SURE.expected_dice(probability, mask) == pytest.approx(np.mean(dice), abs=0.005)
    assert SURE.expected_dice(probability, np.zeros_like(mask)) is None


@pytest.mark.parametrize(
    "broken",
    [
        {"lesions": {}},
        asdict(SURE) | {"predicted": [0.0]},
        asdict(SURE) | {"observed": [0.0, 2.0]},
        asdict(SURE) | {"ranges": {"median": [0.0, 1.0]}},
        asdict(SURE) | {"lesions": [1, 2, 3]},
    ],
)
def test_a_card_whose_confidence_cannot_be_read_is_refused(broken, tmp_path, models_folder):
    card = read_card(models_folder / "tiny")
    write_card(tmp_path, replace(card, confidence=broken))
    with pytest.raises(ModelError, match="confidence cannot be read"):
        read_card(tmp_path)
