"""Fine-tuning recipes, the patches that they draw, and the parts that they tune."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
import torch

from MSLesionSegLib.errors import ModelError, SettingsError
from MSLesionSegLib.network.activation import probabilities
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.freezing import TUNE, cut, freeze
from MSLesionSegLib.training.fine_tuning import budget
from MSLesionSegLib.training.fine_tuning.recipes import (
    FINE_TUNING,
    FineTuningRecipe,
    get_recipe,
    length,
    recipe_from_card,
    with_settings,
)
from MSLesionSegLib.training.loop.distributed import ProcessGroup
from MSLesionSegLib.training.loop.losses import get_loss
from MSLesionSegLib.training.loop.schedule import learning_rate
from MSLesionSegLib.training.patches.replay_interleaving import InterleavedSource
from phantoms.lesion_examples import add_example

PLAIN = FineTuningRecipe(
    steps=4, batch=4, patch=16, patches=1, insertion=0, geometry=0, intensity=0, thick_slices=0
)


@pytest.fixture
def cases(tmp_path):
    return [add_example(tmp_path / "cases", f"case{k}", seed=k) for k in range(4)]


@pytest.fixture
def replay(tmp_path):
    return [add_example(tmp_path / "replay", f"old{k}", seed=10 + k, site="earlier") for k in range(2)]


@pytest.mark.parametrize("name", FINE_TUNING)
def test_a_recipe_comes_back_from_a_card(name):
    recipe = FINE_TUNING[name].but(learning_rate=1.25e-4)
    assert recipe_from_card({**recipe.as_dict(), "tune": "all"}) == recipe
    assert recipe.source


def test_the_papers_recipes_hold_the_papers_numbers():
    transfer, replay = FINE_TUNING["ms-transfer"], FINE_TUNING["replay"]
    assert (transfer.patch, transfer.patches, transfer.epochs) == (96, 60 * 3, 30)
    assert (transfer.loss, transfer.optimiser, transfer.learning_rate) == ("ce", "adam", 1e-5)
    assert (replay.loss, replay.activation, replay.soft_labels) == ("dice", "normalised-relu", True)
    assert (replay.epochs, replay.patches, replay.batch, replay.replay_share) == (150, 4, 4, 0.5)
    assert FINE_TUNING["fcn"].schedule == "plateau" and FINE_TUNING["pretrained"].patience > 0


def test_settings_given_as_text_get_the_kind_of_their_field():
    changed = with_settings(
        get_recipe("quick"), ["learning_rate=1e-4", "steps=7", "soft_labels=no", "loss = dice"]
    )
    assert changed == get_recipe("quick").but(learning_rate=1e-4, steps=7, soft_labels=False, loss="dice")


@pytest.mark.parametrize(
    "text",
    [
        "steps",
        "steps=many",
        "colour=blue",
        "soft_labels=perhaps",
        "loss=magic",
        "replay_share=1",
        "minutes=-1",
    ],
)
def test_impossible_settings_are_refused(text):
    with pytest.raises(SettingsError):
        with_settings(get_recipe("quick"), [text])


def test_an_unknown_recipe_is_refused_with_the_list():
    with pytest.raises(SettingsError, match="ms-transfer"):
        get_recipe("magic")


def test_the_normalised_relu_goes_with_dice_only():
    with pytest.raises(SettingsError, match="normalized ReLU"):
        get_recipe("replay").but(loss="ce")


def test_every_field_of_a_recipe_is_described():
    described = "".join(kind.__doc__ for kind in FineTuningRecipe.__mro__[:-1])
    for field in fields(FineTuningRecipe):
        assert f"{field.name}" in described, field.name


def test_epochs_count_the_patches_of_the_cases_alone():
    recipe = PLAIN.but(steps=0, epochs=3, patches=8, batch=4, replay_share=0.5)
    assert length(recipe, cases=5, replayed=False) == 3 * 8 * 5 / 4
    assert length(recipe, cases=5, replayed=True) == 3 * 8 * 5 / 2


def test_each_case_is_seen_once_per_epoch(cases):
    source = InterleavedSource(cases, PLAIN)
    epochs = [[source.example(4 * epoch + n).name for n in range(4)] for epoch in range(6)]
    assert all(sorted(epoch) == ["case0", "case1", "case2", "case3"] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_the_buffer_gives_its_share_of_every_stretch_of_patches(cases, replay, share):
    source = InterleavedSource(cases, PLAIN.but(replay_share=share), replay)
    sites = [source.example(n).site for n in range(80)]
    for begin in range(0, 80, 4):
        assert sites[begin : begin + 4].count("earlier") == 4 * share
    drawn = Counter(source.example(n).name for n in range(80))
    assert drawn["old0"] == drawn["old1"] and len({drawn[case.name] for case in cases}) == 1


def test_without_a_buffer_nothing_is_replayed(cases):
    source = InterleavedSource(cases, PLAIN.but(replay_share=0.5))
    assert {source.example(n).site for n in range(40)} == {"here"}


def test_processes_share_a_batch_without_overlap(cases, replay):
    whole = InterleavedSource(cases, PLAIN, replay).batch(3)
    parts = [InterleavedSource(cases, PLAIN, replay, group=ProcessGroup(rank, 2)).batch(3) for rank in (0, 1)]
    for k in (0, 1):
        torch.testing.assert_close(whole[k][0::2], parts[0][k], rtol=0, atol=0)
        torch.testing.assert_close(whole[k][1::2], parts[1][k], rtol=0, atol=0)


def test_half_of_the_patches_holds_a_lesion_and_the_other_half_none(cases):
    source = InterleavedSource(cases, PLAIN.but(correction_share=0, lesion_share=0.5))
    with_lesion = [bool((source.numbered([n])[1] > 0.5).any()) for n in range(120)]
    assert 0.35 < np.mean(with_lesion) < 0.65
    never = InterleavedSource(cases, PLAIN.but(correction_share=0, lesion_share=0))
    assert np.mean([bool((never.numbered([n])[1] > 0.5).any()) for n in range(60)]) < 0.05


def test_corrected_regions_are_drawn_as_often_as_asked(cases):
    def share_near_the_correction(wanted: float) -> float:
        source = InterleavedSource(cases, PLAIN.but(correction_share=wanted))
        rng = np.random.default_rng(0)
        label = cases[0].array("label")
        centres = [source.centre(cases[0], label, rng) for _ in range(80)]
        return float(np.mean([np.abs(centre - 31.5).max() <= 6 for centre in centres]))

    assert share_near_the_correction(1.0) == 1.0
    assert share_near_the_correction(0.0) < 0.5


def test_labels_stay_soft_or_are_cut_as_the_recipe_says(cases):
    bent = PLAIN.but(geometry=1.0, correction_share=0, lesion_share=1.0)
    values = torch.cat([InterleavedSource(cases, bent).numbered([n])[1].flatten() for n in range(4)])
    assert ((values > 0.1) & (values < 0.9)).any()
    cut_off = InterleavedSource(cases, bent.but(soft_labels=False))
    assert set(torch.unique(cut_off.numbered([0])[1]).tolist()) <= {0.0, 1.0}


def test_quarter_turns_move_image_and_label_together(cases):
    source = InterleavedSource(cases, PLAIN.but(quarter_turns=True, correction_share=0, lesion_share=1.0))
    for number in range(6):
        image, label = source.numbered([number])
        assert float(image[label > 0.5].mean()) > 2 > float(image[label < 0.5].mean())


def test_a_normalised_relu_ends_at_1_or_is_0_everywhere():
    output = torch.tensor([[-1.0, 2.0, 4.0], [-1.0, -2.0, -3.0]]).reshape(2, 1, 3, 1, 1)
    with pytest.raises(ModelError, match="Unknown activation 'foo'"):
        probabilities(output, "foo")
    found = probabilities(output, "normalised-relu").reshape(2, 3)
    torch.testing.assert_close(found, torch.tensor([[0.0, 0.5, 1.0], [0.0, 0.0, 0.0]]))


@pytest.mark.parametrize(
    ("loss", "activation"),
    [("dice-ce", "sigmoid"), ("ce", "sigmoid"), ("dice", "sigmoid"), ("dice", "normalised-relu")],
)
def test_every_loss_is_lower_for_a_better_prediction(loss, activation):
    label = torch.zeros(1, 1, 8, 8, 8)
    label[..., 2:5, 2:5, 2:5] = 1
    function = get_loss(loss, activation)
    right, wrong = function((label - 0.5) * 20, label), function((0.5 - label) * 20, label)
    assert float(right) < 0.05 < float(wrong)


def test_the_schedules_fall_as_they_say():
    recipe = PLAIN.but(steps=90, learning_rate=1.0, warm_up=0)
    halving = [learning_rate(recipe.but(schedule="halving", halvings=3), step) for step in range(90)]
    assert [halving[0], halving[29], halving[30], halving[60], halving[89]] == [1, 1, 0.5, 0.25, 0.25]
    assert learning_rate(recipe.but(schedule="constant"), 80) == 1.0
    plateau = recipe.but(schedule="plateau", plateau=10)
    better = list(np.linspace(1, 0.5, 40))
    assert learning_rate(plateau, 40, better) == 1.0
    assert learning_rate(plateau, 70, [*better, *[0.6] * 30]) == pytest.approx(0.9**3)


@pytest.mark.parametrize(("kind", "base"), [("unet", 4), ("unetr", 4), ("swinunetr", 12)])
def test_the_parts_of_a_network_are_apart_and_make_up_the_whole(kind, base):
    architecture = Architecture(kind=kind, feature_maps=base, levels=3, patch=32)
    network = build(architecture)
    tuned = {}
    for tune in TUNE:
        freeze(network, architecture, tune)
        tuned[tune] = {name for name, p in network.named_parameters() if p.requires_grad}
    assert tuned["encoder"] | tuned["decoder"] == tuned["all"]
    assert not tuned["encoder"] & tuned["decoder"]
    assert tuned["last"] and tuned["last"] < tuned["decoder"]


def test_an_unknown_part_is_refused():
    with pytest.raises(SettingsError, match="decoder"):
        freeze(build(Architecture(feature_maps=4, levels=3)), Architecture(feature_maps=4, levels=3), "brain")


@pytest.mark.parametrize("tune", ["decoder", "last"])
@pytest.mark.parametrize("thin", [1, 2])
def test_a_network_cut_in_two_computes_the_same(tune, thin):
    architecture = Architecture(feature_maps=8, levels=3, full_resolution_divisor=thin)
    network = build(architecture).eval()
    begin, rest = cut(network, architecture, tune)
    freeze(network, architecture, tune)
    assert any(p.requires_grad for p in rest.parameters())
    x = torch.randn(2, 1, 32, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(rest(begin(x)), network(x))


def test_quick_takes_larger_patches_on_a_gpu_and_smaller_ones_where_memory_is_short(monkeypatch):
    def sizes(device: str, free: float, recipe=FINE_TUNING["quick"]) -> tuple[int, int]:
        monkeypatch.setattr(budget, "free_memory_gib", lambda _: free)
        sized = budget.fit_sizes(recipe, Architecture(full_resolution_divisor=2), 5_600_000, device)
        return sized.batch, sized.patch

    assert sizes("cpu", 16.0) == (2, 64)
    assert sizes("cuda", 40.0) == (8, 96)
    assert sizes("cuda", 4.0) < (8, 96)
    assert sizes("cpu", 0.5) == (1, 48)
    assert sizes("cuda", 40.0, with_settings(get_recipe("quick"), ["batch=3"])) == (3, 64)
