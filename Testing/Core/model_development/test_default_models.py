"""The numbers of the shipped models come from models that never saw the measured patient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model_development import default_models
from model_development.default_models import REAL_MS, ROTATION, STAGES, stage_examples
from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network.models.store import load_model, read_card
from MSLesionSegLib.training.examples.example import write_example


@pytest.fixture
def work(tmp_path):
    rng = np.random.default_rng(0)
    subjects = {
        "ms3seg": [s for group in ROTATION for s in group if len(s) > 6],
        "openms_cross": [f"{s}_space-MNI152" for group in ROTATION for s in group if len(s) == 6],
        "synthetic-map-ms": ["sub-ms01"],
        "synthetic-map-other": ["sub-other01"],
        "synthetic-map-healthy": ["sub-healthy01"],
        "brats": ["sub-00000000"],
    }
    for site in REAL_MS:
        subjects[f"{site}-healthy"] = [f"{name}_healthy" for name in subjects[site]]
    for source, names in subjects.items():
        for name in names:
            image = rng.normal(size=(1, 20, 20, 20)).astype(np.float32)
            label = (image[0] > 2).astype(np.float32)
            write_example(
                tmp_path / "examples" / source / name, image, label, np.ones_like(label), site=source
            )
    return tmp_path


def subjects_of(examples) -> set[str]:
    return {example.name.split("_")[0] for example in examples}


def test_every_measured_patient_is_left_out_exactly_once_in_the_rotation():
    everyone = [subject for group in ROTATION for subject in group]
    assert len(everyone) == len(set(everyone)) == 12


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_rotation_model_sees_no_version_of_the_patients_it_is_measured_on(work, k):
    seen = subjects_of(stage_examples(STAGES[f"rotation-{k}"], work / "examples"))
    group = set(ROTATION[k - 1])
    assert not seen & group
    assert {s for other in ROTATION for s in other} - group <= seen


@pytest.mark.parametrize(
    ("stage", "site"), [("without-ms3seg", "ms3seg"), ("without-openms", "openms_cross")]
)
def test_a_model_without_a_hospital_sees_nothing_of_it(work, stage, site):
    sources = {e.folder.parent.name for e in stage_examples(STAGES[stage], work / "examples")}
    assert not any(source.startswith(site) for source in sources)


def test_the_base_model_sees_no_real_ms_patient(work):
    sources = {e.folder.parent.name for e in stage_examples(STAGES["flair-base"], work / "examples")}
    assert all(source.startswith("synthetic") or source == "brats" for source in sources)


def test_a_stage_becomes_a_model_with_its_recipe_and_parent(work, monkeypatch, tmp_path):
    tiny = default_models.Architecture(feature_maps=4, levels=3)
    monkeypatch.setattr(default_models, "ARCHITECTURE", tiny)
    quick = {
        name: default_models.replace(stage, recipe=stage.recipe.but(steps=2, patch=16))
        for name, stage in STAGES.items()
    }
    monkeypatch.setattr(default_models, "STAGES", quick)
    with pytest.raises(SettingsError, match="train that first"):
        default_models.train_stage("flair-voxels", tmp_path / "data", work, Silent())
    default_models.train_stage("flair-base", tmp_path / "data", work, Silent())
    card = read_card(default_models.train_stage("flair-voxels", tmp_path / "data", work, Silent()))
    assert card.parent == "flair-base"
    assert card.recipe == quick["flair-voxels"].recipe.as_dict()
    assert card.training["by_source"]["ms3seg"] == 10
    assert len(card.training["fingerprint"]) == 64


def test_weights_of_stages_before_are_averaged_in(work, monkeypatch, tmp_path):
    tiny = default_models.Architecture(feature_maps=4, levels=3)
    monkeypatch.setattr(default_models, "ARCHITECTURE", tiny)
    recipe = STAGES["flair-base"].recipe.but(steps=2, patch=16)
    first = default_models.Stage(None, recipe, STAGES["flair-base"].sources)
    alone = default_models.replace(first, recipe=recipe.but(seed=1))
    mixed = default_models.replace(alone, averaged={"first": 0.25})
    monkeypatch.setattr(default_models, "STAGES", {"first": first, "alone": alone, "mixed": mixed})
    default_models.train_stage("first", tmp_path / "data", work, Silent())
    lacking = default_models.replace(mixed, averaged={"another": 0.5})
    monkeypatch.setitem(default_models.STAGES, "lacking", lacking)
    with pytest.raises(SettingsError, match="starts from 'another': train that first"):
        default_models.train_stage("lacking", tmp_path / "data", work, Silent())
    assert not (work / "checkpoints" / "lacking.pt").exists()
    weights = [
        load_model(default_models.train_stage(name, tmp_path / "data", work, Silent())).network.state_dict()
        for name in ("first", "alone", "mixed")
    ]
    assert any(not torch.allclose(weights[0][name], weights[1][name], atol=0.01) for name in weights[0])
    for name, value in weights[2].items():
        expected = 0.25 * weights[0][name] + 0.75 * weights[1][name]
        torch.testing.assert_close(value, expected, rtol=0.02, atol=1e-3)  # stored at half precision
    assert read_card(work / "models" / "mixed").training["averaged"] == {"first": 0.25}
