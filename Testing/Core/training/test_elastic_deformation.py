"""Fields from few nodes and the grids of turned, bent patches."""

import numpy as np
import torch
import torch.nn.functional as F

from MSLesionSegLib.training.patches.elastic_deformation import deformation_nodes, from_nodes, sampling_grid


def test_interpolation_between_nodes_is_trilinear():
    nodes = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 2, 3, 3, 3)).astype(np.float32))
    expected = F.interpolate(nodes, size=(7, 8, 9), mode="trilinear", align_corners=True)
    torch.testing.assert_close(from_nodes(nodes, (7, 8, 9)), expected)


def test_a_grid_without_bend_is_the_affine_one():
    turn = np.array([[0.9, -0.2, 0.1], [0.2, 0.8, 0.0], [-0.1, 0.05, 1.1]])
    shift = np.array([0.1, -0.2, 0.3])
    theta = torch.from_numpy(np.column_stack([turn, shift])[None].astype(np.float32))
    expected = F.affine_grid(theta, (1, 1, 6, 6, 6), align_corners=False)
    nodes = deformation_nodes(turn, shift, np.zeros((3, 5, 5, 5)), 6)
    torch.testing.assert_close(sampling_grid(nodes[None], 6), expected)


def test_a_bend_moves_what_lies_near_its_node():
    bend = np.zeros((3, 5, 5, 5))
    bend[0, 2, 2, 2] = 0.5
    bent, straight = (deformation_nodes(np.eye(3), np.zeros(3), k * bend, 9)[None] for k in (1, 0))
    moved = sampling_grid(bent, 9) - sampling_grid(straight, 9)
    assert torch.allclose(moved[0, 4, 4, 4], torch.tensor([0.5, 0.0, 0.0]), atol=1e-6)
    assert not moved[0, 0].any()
