"""Synthetic follow-ups: what changed is labelled, what did not is not; the study resumes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model_development import new_lesion_models as study
from model_development.steps import NEW_LESION_STEPS, run_steps
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network.architectures import Architecture
from MSLesionSegLib.network.models.store import load_model
from MSLesionSegLib.synthesis.deformation import smooth_field
from MSLesionSegLib.training.examples.dataset_examples import prepare_dataset
from MSLesionSegLib.training.loop.recipe import TrainingRecipe
from MSLesionSegLib.training.patches import synthetic_followup as pairs
from MSLesionSegLib.training.patches.synthetic_followup import (
    CHANNELS,
    Host,
    PairSource,
    acquire_pair,
    slices,
)
from phantoms.round_brains import add_patient

RECIPE = TrainingRecipe(patch=32, batch=2, insertion=0.5, thick_slices=0.0, intensity=0.0, geometry=0.0)


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> Path:
    """A hospital with one patient, prepared with and without the lesion."""
    folder = tmp_path_factory.mktemp("hospital")
    add_patient(folder / "ms3seg", "sub-1")
    prepare_dataset(folder / "ms3seg", folder / "examples" / "ms3seg")
    prepare_dataset(folder / "ms3seg", folder / "examples" / "ms3seg-healthy", healing="paint")
    return folder / "examples"


@pytest.fixture
def hosts(examples) -> list[Host]:
    return study.stage_hosts(study.PairStage(None, RECIPE, {"ms3seg": 1.0}), examples)


def batches(source: PairSource, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*(source.batch(step) for step in range(count)), strict=True)
    return torch.cat(images), torch.cat(labels)


def test_a_scan_is_paired_with_its_twin_without_lesions(hosts):
    (host,) = hosts
    assert (host.scan.name, host.twin.name) == ("sub-1", "sub-1_healthy")


def test_the_same_step_gives_the_same_batch(hosts):
    first, second = (PairSource(hosts, RECIPE).batch(3) for _ in range(2))
    torch.testing.assert_close(first, second)
    assert not torch.equal(first[0], PairSource(hosts, RECIPE).batch(4)[0])


def test_what_is_labelled_is_brighter_at_follow_up(hosts):
    source = PairSource(hosts, RECIPE.but(lesion_share=1.0), CHANNELS)
    images, labels = batches(source, 12)
    subtraction, baseline, followup = images.unbind(1)
    torch.testing.assert_close(subtraction, followup - baseline)
    new = labels[:, 0] > 0.8
    assert new.any()
    assert subtraction[new].mean() > 1.0
    assert abs(float(subtraction[labels[:, 0] == 0].median())) < 0.1
    gone = (subtraction < -1.0) & (labels[:, 0] == 0)
    assert gone.any()  # vanished lesions are there and not labelled


def test_pairs_without_change_have_no_label(hosts, monkeypatch):
    monkeypatch.setattr(pairs, "_UNCHANGED_PATCHES", 1.0)
    images, labels = batches(PairSource(hosts, RECIPE.but(insertion=1.0)), 4)
    assert labels.max() == 0
    assert images.abs().max() > 0


def test_the_network_gets_the_channels_that_were_asked_for(hosts):
    image, label = PairSource(hosts, RECIPE, ("follow-up", "subtraction")).batch(0)
    assert image.shape == (2, 2, 32, 32, 32)
    assert label.shape == (2, 1, 32, 32, 32)


def test_voxels_outside_the_brain_stay_zero(hosts):
    source = PairSource(hosts, RECIPE.but(intensity=1.0, thick_slices=1.0), CHANNELS)
    images, _ = batches(source, 6)
    outside = (images[:, 1] == 0) & (images[:, 2] == 0)
    assert outside.any()
    assert images[:, 0][outside].abs().max() == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("phase", [0, 2])
def test_slices_are_averages_at_their_place(axis, phase):
    volume = torch.zeros(1, 20, 20, 20)
    volume[0].narrow(axis, 9, 1).fill_(1)
    thick = slices(volume, axis, 4, phase)
    assert thick.shape == volume.shape
    profile = thick[0].mean(dim=[a for a in range(3) if a != axis])
    assert float(profile.max()) < 0.3
    assert abs(int(profile.argmax()) - 9) <= 2
    assert float(profile.sum()) == pytest.approx(1, abs=0.05)


def test_two_acquisitions_differ_a_little_where_nothing_changed():
    rng = np.random.default_rng(0)
    side = 3 * smooth_field((24, 24, 24), 8, rng)
    inside = np.ones(side.shape, bool)
    recipe = RECIPE.but(intensity=1.0)
    (before, after), grown = acquire_pair(side, side.copy(), np.zeros_like(side), inside, recipe, rng)
    assert grown.max() == 0
    assert not torch.equal(before, after)
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.6


def test_a_stage_trains_from_its_parent_and_is_kept(examples, tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    (work / "examples").symlink_to(examples)
    short = RECIPE.but(steps=2, warm_up=1)
    stages = {
        "new-base": study.PairStage(None, short, {"ms3seg-healthy": 1.0}),
        "new-ms": study.PairStage("new-base", short, {"ms3seg": 1.0}),
    }
    monkeypatch.setattr(study, "STAGES", stages)
    monkeypatch.setattr(study, "ARCHITECTURE", Architecture(feature_maps=4, levels=3))
    with pytest.raises(SettingsError, match="starts from 'new-base'"):
        study.train_stage("new-ms", tmp_path, work, Silent())
    for name in stages:
        saved = study.train_stage(name, tmp_path, work, Silent())
    model = load_model(saved, task="new")
    assert model.card.parent == "new-base"
    assert model.card.channels == ("subtraction",)
    assert model.card.training["hosts"] == 1
    changed = (saved / "weights.safetensors").stat().st_mtime_ns
    study.train_stage("new-ms", tmp_path, work, Silent())
    assert (saved / "weights.safetensors").stat().st_mtime_ns == changed

    monkeypatch.setitem(stages, "new-ms", replace(stages["new-ms"], recipe=short.but(steps=3)))
    with pytest.raises(SettingsError, match="another recipe"):
        study.train_stage("new-ms", tmp_path, work, Silent())


def test_unknown_steps_are_named(tmp_path):
    with pytest.raises(SettingsError, match="no step guess"):
        run_steps(NEW_LESION_STEPS, tmp_path, tmp_path, ["guess"], Silent())
    with pytest.raises(SettingsError, match="No prepared examples"):
        study.train_stage("new-base", tmp_path, tmp_path, Silent())
