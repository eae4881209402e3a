"""Networks that start from another one's weights."""

from __future__ import annotations

import pytest
import torch

from MSLesionSegLib.errors import ModelError
from MSLesionSegLib.network.architectures import Architecture, build
from MSLesionSegLib.network.weight_transfer import inherit

ONE = Architecture(feature_maps=4, levels=3)
TWO = Architecture(feature_maps=4, levels=3, in_channels=2)


def _network(architecture, seed):
    torch.manual_seed(seed)
    return build(architecture).eval()


def test_a_network_of_two_channels_sees_at_first_what_its_parent_sees_on_their_difference():
    parent, child = _network(ONE, 1), _network(TWO, 2)
    inherit(child, parent, (-1.0, 1.0))
    before, after = torch.randn(2, 1, 1, 16, 16, 16)
    with torch.no_grad():
        assert torch.allclose(child(torch.cat([before, after], 1)), parent(after - before), atol=1e-4)


def test_a_network_of_the_same_channels_takes_all_weights_as_they_are():
    parent, child = _network(TWO, 1), _network(TWO, 2)
    inherit(child, parent)
    assert all(torch.equal(a, b) for a, b in zip(child.parameters(), parent.parameters(), strict=True))


def test_networks_that_do_not_fit_are_refused():
    with pytest.raises(ModelError, match="do not fit"):
        inherit(_network(TWO, 1), _network(ONE, 1))
    with pytest.raises(ModelError, match="first filters"):
        inherit(
            _network(Architecture(feature_maps=4, levels=3, in_channels=3), 1),
            _network(TWO, 1),
            (1.0, 0.0, 0.0),
        )
    with pytest.raises(ModelError, match="first filters"):
        inherit(_network(Architecture(feature_maps=8, levels=3), 1), _network(ONE, 1), (1.0,))
