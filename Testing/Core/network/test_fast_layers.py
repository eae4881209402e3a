"""Our layers give what torch's give: values, gradients, memory layout."""

import numpy as np
import pytest
import torch

from MSLesionSegLib.network import fast_layers
from MSLesionSegLib.network.architectures import Architecture, build, build_by_monai
from MSLesionSegLib.network.fast_layers import (
    Conv,
    InstanceNorm,
    ThinConv,
    apart,
    side_by_side,
    with_fast_layers,
)

LAYOUTS = [torch.contiguous_format, torch.channels_last_3d]
CLOSE = {
    torch.float64: {"rtol": 1e-10, "atol": 1e-10},
    torch.float32: {"rtol": 1e-4, "atol": 1e-4},
    torch.bfloat16: {"rtol": 0.02, "atol": 0.06},
}


def compare(plain, ours, scans, layout, kind):
    """Both layers on the same scans: results, and gradients by input and weights."""
    ours.load_state_dict(plain.state_dict())
    outputs = []
    for layer in (plain, ours):
        maps = scans.to(kind).to(memory_format=layout).clone(memory_format=layout).requires_grad_()
        result = layer(maps)
        (result.double() ** 3).mean().backward()
        outputs.append((result, maps.grad, *(p.grad for p in layer.parameters())))
    for theirs, mine in zip(*outputs, strict=True):
        scale = theirs.abs().max()
        torch.testing.assert_close(mine / scale, theirs / scale, **CLOSE[kind])
    return outputs[1][0]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", list(CLOSE))
@pytest.mark.parametrize(("maps", "edge"), [(3, 8), (8, 12), (8, 9), (16, 6), (40, 6)])
def test_normalisation_is_that_of_torch_and_leaves_the_layout(maps, edge, layout, kind):
    torch.manual_seed(0)
    norm = torch.nn.InstanceNorm3d(maps, affine=True)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.uniform_(-1, 1)
    weights = norm.double() if kind is torch.float64 else norm
    ours = InstanceNorm(maps, affine=True).to(weights.weight.dtype)
    # neighbours that differ, so that the statistics of every second or fourth voxel are not those of all
    scans = 5 + 2 * torch.randn(2, maps, 5, 6, edge) + torch.arange(edge) % 4
    result = compare(weights, ours, scans, layout, kind)
    with torch.no_grad():
        alone = ours(scans.to(kind).to(memory_format=layout))
    torch.testing.assert_close(alone, result.detach(), **CLOSE[kind])
    assert alone.is_contiguous(memory_format=layout) and result.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("gradients", [True, False])
def test_bright_scans_in_bfloat16_are_normalised_by_exact_means(gradients):
    scan = (100 + torch.randn(1, 8, 8, 8, 16)).bfloat16().to(memory_format=torch.channels_last_3d)
    with torch.set_grad_enabled(gradients):
        result = InstanceNorm(8, affine=True)(scan).float().detach()
    expected = torch.nn.functional.instance_norm(scan.float())
    torch.testing.assert_close(result, expected, rtol=0, atol=0.02)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [torch.float64, torch.float32])
@pytest.mark.parametrize(("before", "after", "edge"), [(1, 8, 8), (8, 8, 6), (16, 8, 8), (8, 3, 7)])
def test_a_thin_convolution_is_that_of_torch(before, after, edge, layout, kind):
    torch.manual_seed(0)
    plain, ours = (
        layer(before, after, 3, padding=1, bias=False).to(kind) for layer in (torch.nn.Conv3d, ThinConv)
    )
    compare(plain, ours, torch.randn(2, before, 5, 4, edge), layout, kind)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", list(CLOSE))
@pytest.mark.parametrize(
    "settings", [{"stride": 2, "padding": 1, "bias": False}, {"padding": 1, "groups": 2}, {}]
)
def test_a_convolution_is_that_of_torch(settings, layout, kind):
    torch.manual_seed(0)
    plain, ours = (layer(4, 6, 3, **settings).to(kind) for layer in (torch.nn.Conv3d, Conv))
    compare(plain, ours, torch.randn(1, 4, 6, 5, 7), layout, kind)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
@pytest.mark.parametrize("long_registers", [True, False])
def test_one_small_scan_in_float32_is_computed_by_onednn_and_keeps_its_channels_last(
    long_registers, monkeypatch
):
    monkeypatch.setattr(fast_layers, "_has_long_registers", lambda: long_registers)
    maps = torch.randn(1, 1, 8, 8, 8).to(memory_format=torch.channels_last_3d)
    layers = [
        with_fast_layers(torch.nn.Conv3d(*maps_in_out, 3, padding=1, bias=False)).to(
            memory_format=torch.channels_last_3d
        )
        for maps_in_out in ((1, 8), (8, 32))
    ]
    with torch.profiler.profile() as profile:
        result = layers[1](layers[0](maps))
    assert result.is_contiguous(memory_format=torch.channels_last_3d)
    names = {event.key for event in profile.key_averages()}
    assert "aten::mkldnn_convolution" in names and "aten::slow_conv3d" not in names


def test_without_onednn_torch_computes(monkeypatch):
    torch.manual_seed(0)
    plain, ours = (layer(2, 3, 3, padding=1) for layer in (torch.nn.Conv3d, Conv))
    ours.load_state_dict(plain.state_dict())
    maps = torch.randn(1, 2, 6, 6, 6)
    with torch.backends.mkldnn.flags(enabled=False), torch.profiler.profile() as profile:
        torch.testing.assert_close(ours(maps), plain(maps), rtol=0, atol=0)
    assert "aten::mkldnn_convolution" not in {event.key for event in profile.key_averages()}


@pytest.mark.parametrize("settings", [{"padding": "same"}, {"padding": 1, "padding_mode": "reflect"}])
def test_a_layer_that_pads_in_its_own_way_is_left_as_it_is(settings):
    assert type(with_fast_layers(torch.nn.Conv3d(2, 3, 3, **settings))) is torch.nn.Conv3d


@pytest.mark.parametrize("layer", [Conv, ThinConv, InstanceNorm])
def test_a_scan_without_the_axis_of_scans_is_taken_as_torch_takes_it(layer):
    torch.manual_seed(0)
    maps = torch.randn(8, 5, 6, 4)
    if layer is InstanceNorm:
        plain, ours = (kind(8, affine=True) for kind in (torch.nn.InstanceNorm3d, layer))
    else:
        plain, ours = (kind(8, 8, 3, padding=1, bias=False) for kind in (torch.nn.Conv3d, layer))
    ours.load_state_dict(plain.state_dict())
    torch.testing.assert_close(ours(maps), plain(maps), rtol=1e-5, atol=1e-5)


def test_frozen_weights_get_no_gradient_and_let_it_through():
    layer = ThinConv(8, 8, 3, padding=1, bias=False).requires_grad_(False)
    maps = torch.randn(1, 8, 4, 4, 4).to(memory_format=torch.channels_last_3d).requires_grad_()
    layer(maps).sum().backward()
    assert layer.weight.grad is None
    assert maps.grad.abs().sum() > 0


@pytest.mark.parametrize(("kind", "edge"), [("unetr", 32), ("swinunetr", 64)])
def test_a_transformer_with_our_layers_is_the_one_of_monai(kind, edge):
    torch.manual_seed(0)
    architecture = Architecture(kind=kind, feature_maps=12, patch=edge, hidden=24, heads=3)
    plain, ours = build_by_monai(architecture).eval(), build(architecture).eval()
    ours.load_state_dict(plain.state_dict())
    assert any(isinstance(m, Conv) for m in ours.modules())
    assert not [m for m in ours.modules() if type(m) is torch.nn.InstanceNorm3d]
    scan = torch.randn(1, 1, edge, edge, edge)
    with torch.inference_mode():
        torch.testing.assert_close(ours(scan), plain(scan), rtol=1e-3, atol=1e-3)


def test_a_u_net_with_our_layers_is_the_one_of_monai():
    torch.manual_seed(0)
    architecture = Architecture(feature_maps=16, full_resolution_divisor=2, levels=3)
    plain = build_by_monai(architecture).eval()
    ours = build(architecture).eval()
    ours.load_state_dict(plain.state_dict())
    assert sum(isinstance(m, ThinConv) for m in ours.modules()) == 4
    assert not [m for m in ours.modules() if type(m) is torch.nn.InstanceNorm3d]
    scan = torch.randn(1, 1, 32, 32, 32).to(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        torch.testing.assert_close(ours(scan), plain(scan), rtol=1e-4, atol=1e-4)
        with torch.autocast("cpu", torch.bfloat16):
            mine, theirs = ours(scan), plain(scan)
    assert mine.dtype is torch.bfloat16
    assert (mine - theirs).float().abs().mean() < 0.02 * theirs.float().std()


@pytest.mark.parametrize("scans", [1, 2])
def test_what_follows_may_work_in_place(scans):
    torch.manual_seed(0)
    gradients = []
    for kind in (torch.nn.InstanceNorm3d, InstanceNorm):
        torch.manual_seed(0)
        maps = torch.randn(scans, 8, 4, 4, 8).to(memory_format=torch.channels_last_3d).requires_grad_()
        torch.nn.functional.leaky_relu_(kind(8, affine=True)(maps)).square().sum().backward()
        gradients.append(maps.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.nn.functional.leaky_relu_(InstanceNorm(8, affine=True)(maps))


def test_exchanging_layers_draws_no_random_numbers():
    network = build_by_monai(Architecture(feature_maps=8, full_resolution_divisor=2, levels=3))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with_fast_layers(network)
    assert torch.equal(torch.get_rng_state(), before)


def test_neighbours_side_by_side_and_apart_again():
    maps = torch.arange(2 * 3 * 2 * 2 * 4).reshape(2, 3, 2, 2, 4)
    wide = side_by_side(maps, 2)
    assert wide.shape == (2, 6, 2, 2, 2)
    np.testing.assert_array_equal(wide[:, 3:, :, :, 1], maps[..., 3])
    assert torch.equal(apart(wide, 2), maps)
