"""How the model for enhancing lesions is made: what it learns from, and who judges whom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from model_development import enhancing_model
from model_development.default_models import stage_examples
from model_development.enhancing_examples import prepare_enhancing
from model_development.enhancing_model import STAGES
from model_development.measuring import enhancing as enhancing_measurement
from model_development.measuring.enhancing import measured_pairs, with_foci, write_enhancing_results
from model_development.steps import ENHANCING_STEPS, run_steps
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.lesions.components import LesionRule
from MSLesionSegLib.network.architectures import build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import read_card, save_model
from MSLesionSegLib.training.examples.example import read_examples

SHAPE = (96, 96, 96)
AFFINE = np.diag([1.0, 1.0, 1.0, 1.0])


def brain() -> tuple[np.ndarray, np.ndarray]:
    grid = np.indices(SHAPE) - (np.array(SHAPE).reshape(3, 1, 1, 1) - 1) / 2
    radius = np.sqrt((grid**2).sum(0))
    rng = np.random.default_rng(0)
    pre = np.select([radius < 6, radius < 36, radius < 44], [30.0, 110.0, 80.0], 0.0)
    return np.where(pre > 0, pre + rng.normal(0, 3, SHAPE), 0), radius


def add_pair(dataset: Path, subject: str, tumour: bool = False) -> None:
    pre, radius = brain()
    anat = dataset / subject / "anat"
    anat.mkdir(parents=True)
    vessels = (radius > 40) & (np.arange(SHAPE[2]) > 60)
    label = np.zeros(SHAPE, np.uint8)
    if tumour:
        label[50:60, 40:50, 30:40] = 3
        label[53:57, 43:47, 33:37] = 1
        manual = dataset / "derivatives" / "manual" / subject / "anat"
        manual.mkdir(parents=True)
        nib.save(nib.Nifti1Image(label, AFFINE), manual / f"{subject}_label-tumour_dseg.nii.gz")
    post = pre + 150 * vessels * (pre > 0) + 90 * (label == 3)
    for name, data in (("T1w", pre), ("ce-gadolinium_T1w", post)):
        nib.save(nib.Nifti1Image(data.astype(np.float32), AFFINE), anat / f"{subject}_{name}.nii.gz")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for subject in ("sub-07", "sub-19"):
        add_pair(folder / "openms_cross", subject)
    add_pair(folder / "brats", "sub-tumour", tumour=True)
    pre, _ = brain()
    for site in ("ms3seg", "openms_long"):
        anat = folder / site / "sub-1" / "anat"
        anat.mkdir(parents=True)
        nib.save(nib.Nifti1Image(pre.astype(np.float32), AFFINE), anat / "sub-1_T1w.nii.gz")
    return folder


@pytest.fixture(scope="module")
def work(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    prepare_enhancing(data, folder, Silent())
    return folder


def test_pairs_tumours_and_made_up_scans_become_examples(work):
    by_source = {}
    for example in read_examples(work / "examples"):
        by_source.setdefault(example.folder.parent.name, []).append(example)
    assert {source: len(examples) for source, examples in by_source.items()} == {
        "pairs-brats": 1,
        "pairs-tumour": 1,
        "made-up-ms3seg": 1,
        "made-up-openms_long": 1,
    }
    (rim,) = by_source["pairs-tumour"]
    (rest,) = by_source["pairs-brats"]
    assert rim.array("image").shape[0] == 2
    assert rim.array("label").astype(float).sum() / 255 == pytest.approx(1000 - 64, rel=0.05)
    assert not rest.array("label").any()
    assert (
        rest.array("brain").sum() < rim.array("brain").sum() - 1000
    )  # the tumour and what is around it are cut out
    for examples in by_source.values():
        for example in examples:
            pre, post = example.array("image").astype(np.float32)
            assert (post - pre).max() > 1.5, example.name
    assert len(rest.array("focus_index"))  # vessels are looked at harder


def test_examples_that_are_there_are_kept(data, work):
    before = {e.folder: e.folder.stat().st_mtime_ns for e in read_examples(work / "examples")}
    prepare_enhancing(data, work, Silent())
    assert before == {e.folder: e.folder.stat().st_mtime_ns for e in read_examples(work / "examples")}


def test_no_stage_sees_a_pair_that_is_measured(data, work):
    measured = {one.pair.name for one in measured_pairs(data)}
    assert measured == {"sub-07", "sub-19"}
    for stage in STAGES.values():
        assert not measured & {e.name.split("_")[0] for e in stage_examples(stage, work / "examples")}
    assert STAGES["enhancing-ms"].parent in STAGES


def test_measured_foci_are_in_the_scan_after_gadolinium_and_nowhere_else(data):
    pre, post = (
        nib.load(data / "openms_cross" / "sub-07" / "anat" / f"sub-07_{name}.nii.gz")
        for name in ("T1w", "ce-gadolinium_T1w")
    )
    inside = np.asarray(pre.dataobj) != 0
    mask_of_brain = nib.Nifti1Image(inside.astype(np.uint8), AFFINE)
    new_pre, new_post, mask = with_foci(pre, post, mask_of_brain, 1)
    gain = np.asarray(new_post.dataobj) - np.asarray(post.dataobj)
    assert gain[mask > 0].mean() > 15
    far = np.abs(gain) < 1e-2
    assert far.mean() > 0.8
    assert (np.asarray(new_pre.dataobj) - np.asarray(pre.dataobj)).max() < 1e-2
    again = with_foci(pre, post, mask_of_brain, 1)[2]
    np.testing.assert_array_equal(mask, again)
    assert (with_foci(pre, post, mask_of_brain, 2)[2] != mask).any()


def test_the_steps_train_measure_and_report(data, work, monkeypatch):
    tiny = enhancing_model.Architecture(feature_maps=4, levels=3, in_channels=2)
    monkeypatch.setattr(enhancing_model, "ARCHITECTURE", tiny)
    parent = replace(tiny, in_channels=1)
    save_model(work / "models", build(parent), ModelCard("flair-base", "flair", parent, ("FLAIR",)))
    monkeypatch.setattr(enhancing_measurement, "VERSIONS", 1)
    for name, stage in STAGES.items():
        quick = replace(stage, recipe=stage.recipe.but(steps=2, patch=16))
        monkeypatch.setitem(STAGES, name, quick)
    with pytest.raises(SettingsError, match="train that first"):
        run_steps(ENHANCING_STEPS, data, work, ["enhancing-ms"], Silent())
    with pytest.raises(SettingsError, match="There is no step x"):
        run_steps(ENHANCING_STEPS, data, work, ["x"], Silent())
    with pytest.raises(SettingsError, match="Nothing was measured"):
        write_enhancing_results(work, LesionRule())
    run_steps(ENHANCING_STEPS, data, work, [], Silent())
    card = read_card(work / "models" / "enhancing-ms")
    assert (card.task, card.parent) == ("enhancing", "enhancing-base")
    assert card.channels == ("T1 before gadolinium", "T1 after gadolinium")
    assert set(ENHANCING_STEPS) == {"prepare", "measure", *STAGES}
    text = write_enhancing_results(work, LesionRule()).read_text(encoding="utf-8")
    assert text.count("| sub-07_foci-1 |") == text.count("| sub-07_plain |") == 1
