"""Training learns, resumes to the same result, and draws patches as the recipe says."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from MSLesionSegLib.errors import Cancelled, SettingsError
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.training.examples.example import fingerprint, read_examples, write_example
from MSLesionSegLib.training.loop import loop
from MSLesionSegLib.training.loop.losses import dice_cross_entropy, get_loss, lesion_dice
from MSLesionSegLib.training.loop.recipe import RECIPES, TrainingRecipe
from MSLesionSegLib.training.patches.patches import PatchSource, change_intensity, one_lesion, thick_slices

QUICK = TrainingRecipe(steps=6, patch=16, batch=2, warm_up=1, learning_rate=3e-3)


@pytest.fixture
def examples(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(3):
        image = rng.normal(0, 0.3, (1, 40, 40, 40)).astype(np.float32)
        label = np.zeros((40, 40, 40), np.float32)
        if k < 2:
            label[12:20, 12:20, 12:20] = 1
        image[0] += 3 * label
        focus = np.zeros_like(label)
        focus[30:34, 30:34, 30:34] = 1
        write_example(tmp_path / f"case{k}", image, label, np.ones_like(label), site="here", focus=focus)
    return read_examples(tmp_path)


def tiny():
    torch.manual_seed(0)
    return build(Architecture(feature_maps=4, levels=3))


def trained_tiny(source, recipe, **settings):
    network = tiny()
    loop.train_network(network, source, recipe, **settings)
    return network


def test_examples_come_back_in_order_with_half_precision_images_and_soft_labels(examples):
    assert [e.name for e in examples] == ["case0", "case1", "case2"]
    assert examples[0].array("image").dtype == np.float16
    assert examples[0].array("label").max() == 255
    assert len(examples[2].array("lesion_index")) == 0


def test_a_step_gives_the_same_batch_every_time_and_another_step_another_one(examples):
    source = PatchSource(examples, QUICK)
    first, again, other = source.batch(4), source.batch(4), source.batch(5)
    torch.testing.assert_close(first[0], again[0], rtol=0, atol=0)
    assert not torch.equal(first[0], other[0])
    assert first[0].shape == first[1].shape == (2, 1, 16, 16, 16)
    assert first[1].min() >= 0 and first[1].max() <= 1


def test_lesion_patches_come_as_often_as_asked(examples):
    sick = examples[:2]
    plain = QUICK.but(insertion=0, geometry=0, intensity=0, thick_slices=0, focus_share=0, batch=1)
    shares = {}
    for wanted in (0.0, 1.0):
        source = PatchSource(sick, plain.but(lesion_share=wanted))
        shares[wanted] = np.mean([float(source.batch(k)[1].max()) > 0 for k in range(60)])
    assert shares[1.0] == 1.0
    assert shares[0.0] < 0.7


def test_lesion_by_lesion_a_small_one_is_drawn_as_often_as_a_large_one(tmp_path):
    label = np.zeros((32, 32, 32), np.float32)
    label[4:6, 4:6, 4:6] = 1
    label[18:28, 18:28, 18:28] = 1
    example = write_example(tmp_path / "case", label[None], label, np.ones_like(label), site="here")
    rng = np.random.default_rng(0)
    small = [len(one_lesion(example, rng)) == 8 for _ in range(60)]
    assert 0.3 < np.mean(small) < 0.7


def test_heavier_examples_are_drawn_more_often(examples):
    heavy = [replace(e, weight=8.0 if e.name == "case2" else 1.0) for e in examples]
    source = PatchSource(heavy, QUICK)
    assert source.chances.argmax() == 2 and source.chances[2] == pytest.approx(0.8)


def test_labels_stay_soft_under_deformation(examples):
    source = PatchSource(examples[:1], QUICK.but(lesion_share=1.0, insertion=0))
    values = torch.cat([source.batch(k)[1].flatten() for k in range(4)])
    assert ((values > 0.05) & (values < 0.95)).any()


def test_some_patches_keep_the_sharpness_of_the_scan(examples):
    source = PatchSource(examples[2:], QUICK.but(insertion=0, intensity=0, thick_slices=0))
    voxels = set(np.unique(examples[2].array("image")).tolist())
    kept = [float(v) in voxels for k in range(20) for v in source.batch(k)[0][:, 0, 8, 8, 8]]
    assert 0.15 < np.mean(kept) < 0.6


def test_scans_are_made_both_sharper_and_softer():
    picture = torch.from_numpy(np.random.default_rng(0).normal(0, 0.3, (1, 1, 24, 24, 24)).astype(np.float32))
    detail = []
    for k in range(60):
        out = change_intensity(picture, [np.random.default_rng(k)], 1e-6)
        detail.append(float(torch.diff(out, dim=2).std() / torch.diff(picture, dim=2).std()))
    assert min(detail) < 0.7 and max(detail) > 1.3
    assert np.isclose(detail, 1, rtol=0.01).mean() > 0.1  # and some are left alone


@dataclass(frozen=True)
class Blurring(TrainingRecipe):
    widest_blur: float = 2.4


def test_a_recipe_can_blur_more_widely(examples):
    def softest(kind: type[TrainingRecipe]) -> float:
        recipe = kind(patch=16, lesion_share=0, insertion=0, thick_slices=0, geometry=0, intensity=1e-6)
        source = PatchSource(examples[2:], recipe)
        return min(float(source.batch(step)[0].std()) for step in range(40))

    assert softest(Blurring) < 0.7 * softest(TrainingRecipe)


def test_thick_slices_are_constant_in_mean_and_blurred_along_one_axis():
    picture = torch.zeros(1, 28, 28, 28) + 1e-3
    picture[:, 14, 14, 14] = 28.0
    target = (picture > 1).float()
    out, label = thick_slices(torch.cat([picture, target]), np.random.default_rng(0))
    assert out.shape == label.shape == picture.shape[1:]
    assert out.max() < 20 and label.max() <= 1


def test_voxels_outside_the_brain_stay_exactly_0():
    pictures = torch.zeros(5, 1, 16, 16, 16)
    pictures[:, :, 4:12] = torch.randn(5, 1, 8, 16, 16)
    out = change_intensity(pictures, [np.random.default_rng(k) for k in range(5)], 1.0)
    assert not out[:, :, :4].any() and torch.isfinite(out).all()


def test_training_learns_to_find_the_lesions(examples):
    recipe = QUICK.but(steps=80, patch=32, insertion=0, learning_rate=1e-2, lesion_share=1.0)
    source = PatchSource(examples[:2], recipe)
    image, label = source.batch(1000)
    untrained = float(dice_cross_entropy(tiny()(image), label).detach())
    network = trained_tiny(source, recipe)
    with torch.no_grad():
        trained = float(dice_cross_entropy(network(image), label))
    assert trained < 0.5 * untrained


@pytest.mark.parametrize("steps", [1, 5])
def test_a_training_that_diverges_is_told_and_stores_nothing(examples, tmp_path, steps):
    recipe = QUICK.but(steps=steps)
    network = tiny()
    with torch.no_grad():
        next(network.parameters()).fill_(1e38)
    source = PatchSource(examples, recipe)
    with pytest.raises(SettingsError, match="Lower the recipe's learning_rate"):
        loop.train_network(network, source, recipe, checkpoint=tmp_path / "c.pt")
    assert not (tmp_path / "c.pt").exists()


def test_a_run_that_was_killed_resumes_to_the_result_of_an_unbroken_one(examples, tmp_path, monkeypatch):
    recipe = QUICK.but(patch=32)
    source = PatchSource(examples, recipe)
    unbroken = trained_tiny(source, recipe)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0)

    class Killed(Exception):
        pass

    class KillAtStep4:
        def stage(self, _, fraction):
            if fraction >= 4 / 6:
                raise Killed

        def metric(self, *_, **__):
            pass

    with pytest.raises(Killed):
        loop.train_network(tiny(), source, recipe, checkpoint=tmp_path / "c.pt", progress=KillAtStep4())
    fractions = []

    class Listener(Silent):
        def stage(self, name, fraction=0.0):
            fractions.append(fraction)

    resumed = trained_tiny(source, recipe, checkpoint=tmp_path / "c.pt", progress=Listener())
    assert fractions[0] >= 3 / 6
    for a, b in zip(unbroken.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_checkpoint_of_another_run_is_not_continued(examples, tmp_path):
    recipe = QUICK.but(steps=2, patch=32)
    checkpoint = tmp_path / "c.pt"
    loop.train_network(tiny(), PatchSource(examples, recipe), recipe, checkpoint=checkpoint)
    told = []

    class Listener(Silent):
        def warning(self, code, sentence):
            told.append(code)

    for other, cases in ((recipe.but(seed=3), examples), (recipe, examples[:2])):
        source = PatchSource(cases, other)
        fresh = trained_tiny(source, other)
        trained = trained_tiny(source, other, checkpoint=checkpoint, progress=Listener())
        for a, b in zip(fresh.parameters(), trained.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert told == ["other-checkpoint"] * 2


def test_a_checkpoint_of_a_version_that_kept_no_time_is_resumed(examples, tmp_path):
    recipe = QUICK.but(patch=32)
    checkpoint = tmp_path / "c.pt"
    source = PatchSource(examples, recipe)
    whole = trained_tiny(source, recipe)

    class StopAtStep4(Silent):
        def stage(self, name, fraction=0.0):
            if fraction >= 4 / 6:
                raise Cancelled

    with pytest.raises(Cancelled):
        loop.train_network(tiny(), source, recipe, checkpoint=checkpoint, progress=StopAtStep4())
    state = torch.load(checkpoint, weights_only=True)
    assert state["step"] == 4 and state.pop("seconds") > 0
    torch.save(state, checkpoint)
    resumed = trained_tiny(source, recipe, checkpoint=checkpoint)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_damaged_checkpoint_is_replaced(examples, tmp_path):
    checkpoint = tmp_path / "c.pt"
    checkpoint.write_bytes(b"half a file")
    recipe = QUICK.but(steps=1)
    loop.train_network(tiny(), PatchSource(examples, recipe), recipe, checkpoint=checkpoint)
    assert torch.load(checkpoint, weights_only=True)["step"] == 1


def test_the_fingerprint_knows_contents_and_weights(examples):
    one = fingerprint(examples)
    assert one == fingerprint(read_examples(examples[0].folder.parent))
    assert one != fingerprint(examples[::-1])
    assert one != fingerprint([replace(examples[0], weight=2.0), *examples[1:]])
    changed = examples[0].array("image") + 1
    label, brain = examples[0].array("label") / 255, examples[0].array("brain")
    again = write_example(examples[0].folder, changed, label, brain, site="here")
    assert one != fingerprint([again, *examples[1:]])


def test_the_learning_rate_warms_up_and_falls_to_zero():
    recipe = TrainingRecipe(steps=100, warm_up=10, learning_rate=1.0)
    rates = [loop.learning_rate(recipe, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0, abs=0.01)
    assert rates[-1] < 0.01 and rates[10:] == sorted(rates[10:], reverse=True)


def test_a_missed_lesion_costs_the_same_however_small_it_is():
    label = torch.zeros(2, 1, 24, 24, 24)
    label[0, 0, 2:4, 2:4, 2:4] = 1
    label[0, 0, 12:22, 12:22, 12:22] = 1
    without_small, without_large = label.clone(), label.clone()
    without_small[0, 0, 2:4, 2:4, 2:4] = 0
    without_large[0, 0, 12:22, 12:22, 12:22] = 0
    assert lesion_dice(label, label) == 0
    # one of two is missed; the 1 of smoothing forgives a little more of a small one
    assert float(lesion_dice(without_small, label)) == pytest.approx(0.5 * (1 - 1 / 9))
    assert float(lesion_dice(without_large, label)) == pytest.approx(0.5 * (1 - 1 / 1001))


def test_a_false_mark_counts_against_the_lesion_that_is_nearest():
    label = torch.zeros(1, 1, 24, 24, 24)
    label[0, 0, 2:4, 2:4, 2:4] = 1
    label[0, 0, 20:22, 20:22, 20:22] = 1
    marked = label.clone()
    marked[0, 0, 6:8, 2:4, 2:4] = 1
    assert float(lesion_dice(marked, label)) == pytest.approx(0.5 * (1 - 17 / 25))


def test_without_lesions_the_lesion_wise_loss_is_that_of_voxels_alone():
    torch.manual_seed(0)
    logits, label = torch.randn(1, 1, 12, 12, 12), torch.zeros(1, 1, 12, 12, 12)
    assert get_loss("lesion-dice-ce", "sigmoid")(logits, label) == dice_cross_entropy(logits, label)


def test_the_loss_is_0_for_a_perfect_and_high_for_an_inverted_prediction():
    label = torch.zeros(1, 1, 8, 8, 8)
    label[..., 2:5, 2:5, 2:5] = 1
    perfect = dice_cross_entropy((label - 0.5) * 100, label)
    inverted = dice_cross_entropy((0.5 - label) * 100, label)
    assert float(perfect) < 1e-3 and float(inverted) > 10


@pytest.mark.parametrize("change", [{"steps": 0}, {"patch": 8}, {"lesion_share": 1.5}, {"colour": 1}])
def test_impossible_recipes_are_refused(change):
    with pytest.raises(SettingsError):
        RECIPES["default"].but(**change)
