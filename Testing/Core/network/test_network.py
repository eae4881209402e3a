"""Networks can be built in every offered size, and inference covers the brain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from MSLesionSegLib.errors import ModelError
from MSLesionSegLib.network import sliding_window as inference
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.models.card import ModelCard
from MSLesionSegLib.network.models.store import Model


@pytest.mark.parametrize("levels", [3, 4, 5])
def test_the_u_net_keeps_the_shape_at_every_depth(levels):
    architecture = Architecture(feature_maps=4, levels=levels, in_channels=2)
    with torch.no_grad():
        assert build(architecture)(torch.zeros(1, 2, 64, 64, 64)).shape == (1, 1, 64, 64, 64)


def feature_maps(architecture: Architecture, edge: int) -> dict[int, set[int]]:
    """How many maps the convolutions of a network make, by edge of their output."""
    network, found = build(architecture), {}

    def note(module, inputs, output):
        found.setdefault(output.shape[-1], set()).add(output.shape[1])

    for name, module in network.named_modules():
        if isinstance(module, (torch.nn.Conv3d, torch.nn.ConvTranspose3d)) and "output_block" not in name:
            module.register_forward_hook(note)
    with torch.no_grad():
        network(torch.zeros(1, 1, edge, edge, edge))
    return found


def test_a_thin_u_net_has_half_the_maps_at_full_resolution_only():
    assert feature_maps(Architecture(feature_maps=4, levels=3), 32) == {32: {4}, 16: {8}, 8: {16}, 4: {32}}
    assert feature_maps(Architecture(feature_maps=4, levels=3, full_resolution_divisor=2), 32) == {
        32: {2},
        16: {8},
        8: {16},
        4: {32},
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["unetr", "swinunetr"])
def test_transformers_are_selectable(kind):
    with torch.no_grad():
        network = build(Architecture(kind=kind, feature_maps=12, patch=64)).eval()
        assert network(torch.zeros(1, 1, 64, 64, 64)).shape == (1, 1, 64, 64, 64)


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture(kind="resnet"),
        Architecture(levels=2),
        Architecture(feature_maps=16, full_resolution_divisor=3),
        Architecture(feature_maps=16, full_resolution_divisor=0),
    ],
)
def test_unknown_networks_are_refused(architecture):
    with pytest.raises(ModelError):
        build(architecture)


class Brightness(torch.nn.Module):
    """Stands for a perfectly trained network: bright is lesion, from the voxel alone."""

    def forward(self, x):
        return (x[:, :1] - 2) * 20


def model(kind: str = "unet") -> Model:
    return Model(ModelCard("bright", "flair", Architecture(kind=kind), ("FLAIR",)), Brightness(), Path())


@pytest.fixture
def head():
    image = np.zeros((1, 130, 110, 70), np.float32)
    brain = np.zeros((130, 110, 70), bool)
    brain[10:120, 8:100, 5:60] = True
    image[0, 20:25, 15:20, 10:14] = 4
    image[0, 100:118, 90:98, 50:58] = 4
    image[0, 0:5] = 4  # outside the brain
    return image, brain


@pytest.mark.parametrize("kind", ["unet", "swinunetr"])
def test_windows_join_without_seams_and_nothing_is_found_outside_the_brain(head, kind):
    image, brain = head
    found = inference.predict(model(kind), image, brain).probability
    assert found.shape == brain.shape and found.dtype == np.float32
    np.testing.assert_array_equal(found > 0.5, (image[0] > 2) & brain)


class OnlyCubes(torch.nn.Module):
    """Stands for a UNETR, whose position embedding fits one size of input."""

    def forward(self, x):
        assert x.shape[2:] == (64, 64, 64)
        return (x[:, :1] - 2) * 20


def test_a_network_bound_to_one_size_of_input_gets_that_size(head):
    image, brain = head
    card = ModelCard("cubes", "flair", Architecture(kind="unetr", patch=64), ("FLAIR",))
    found = inference.predict(Model(card, OnlyCubes(), Path()), image, brain).probability
    np.testing.assert_array_equal(found > 0.5, (image[0] > 2) & brain)


def test_nothing_is_found_where_there_is_no_brain(head):
    image, brain = head
    assert not inference.predict(model(), image, np.zeros_like(brain)).probability.any()


def test_mirrored_passes_agree_for_a_network_without_a_side(head):
    image, brain = head
    once = inference.predict(model(), image, brain)
    averaged = inference.predict(model(), image, brain, mirroring=True)
    np.testing.assert_allclose(averaged.probability, once.probability, atol=1e-3)
    assert averaged.uncertainty.max() < 1e-2
    assert once.uncertainty is None


class OneSided(torch.nn.Module):
    """Finds lesions only in the first half of the window along the first axis."""

    def forward(self, x):
        out = (x[:, :1] - 2) * 20
        out[:, :, x.shape[2] // 2 :] = -20
        return out


def test_disagreement_between_mirrored_passes_shows_as_uncertainty(head):
    image, brain = head
    one_sided = Model(model().card, OneSided(), Path())
    found = inference.predict(one_sided, image[:, :96, :90], brain[:96, :90], mirroring=True)
    assert found.uncertainty[21, 17, 11] == pytest.approx(0.5, abs=0.05)


def test_progress_moves_forward_only(head):
    seen = []

    class Recorder:
        def stage(self, name, fraction=0.0):
            seen.append(fraction)

    inference.predict(model(), *head, progress=Recorder())
    assert seen == sorted(seen) and seen[-1] == 1.0


def test_the_same_input_gives_the_same_output_bit_for_bit(head):
    torch.manual_seed(0)
    random_model = Model(model().card, build(Architecture(feature_maps=4, levels=3)).eval(), Path())
    image = head[0] + np.random.default_rng(0).normal(size=head[0].shape).astype(np.float32)
    first, second = (inference.predict(random_model, image, head[1]).probability for _ in range(2))
    np.testing.assert_array_equal(first, second)


class SmallMemory(torch.nn.Module):
    """Finds what is bright, and has no memory for more than two windows at once."""

    def __init__(self, error):
        super().__init__()
        self.batches, self.error = [], error

    def forward(self, x):
        self.batches.append(len(x))
        if len(x) > 2:
            raise self.error
        return (x[:, :1] - 2) * 20


def test_windows_seen_in_batches_give_what_one_after_the_other_gives(head):
    image, brain = head
    alone = inference.predict(model(), image, brain, mirroring=True)
    together = inference.predict(model(), image, brain, mirroring=True, batch=16)
    np.testing.assert_array_equal(together.probability, alone.probability)
    np.testing.assert_array_equal(together.uncertainty, alone.uncertainty)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
    ],
)
def test_batches_that_do_not_fit_into_the_memory_become_smaller(head, error):
    image, brain = head
    network = SmallMemory(error)
    found = inference.predict(Model(model().card, network, Path()), image, brain, mirroring=True, batch=7)
    np.testing.assert_array_equal(
        found.probability, inference.predict(model(), image, brain, mirroring=True).probability
    )
    assert max(network.batches) > 2 and network.batches[-1] <= 2


def test_a_memory_too_small_for_one_window_is_told(head):
    class NoMemory(torch.nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        inference.predict(Model(model().card, NoMemory(), Path()), *head, batch=4)
