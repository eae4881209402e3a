"""RSIM: how similar the representations of two layers are (Karimi et al., transfer learning in FCNs, equation 1).

Canonical correlation analysis finds pairs of directions in which the activations of two layers are most correlated.
RSIM is the mean of these correlations, weighted by the share of the layers' variance that each direction explains,
after Morcos et al. 2018. Before it the directions that hold the last percent of the variance are dropped (SVCCA,
Raghu et al. 2017), because correlations of many weak directions with few samples are chance. The weights are
variances, not the absolute sums of Morcos et al., which makes RSIM invariant to rotations of either layer; it is the
mean of the weightings by the first and by the second layer, which makes it symmetric.
"""

from __future__ import annotations

import numpy as np

VARIANCE_KEPT = 0.99


def rsim(first: np.ndarray, second: np.ndarray) -> float:
    """Similarity of two layers in [0, 1].

    Args:
        first, second: activations (samples, channels) at the same places of the same images; the numbers of
            channels may differ. With fewer than about ten samples per channel chance correlations show.

    Returns:
        1 for layers that are equal up to rotation, scaling and shift; near 0 for independent ones. 0 when a layer is
        constant.

    Raises:
        ValueError: other numbers of samples, or no more samples than channels.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} samples cannot be compared")
    if len(first) <= max(first.shape[1], second.shape[1]):
        raise ValueError(
            f"{len(first)} samples are too few for {first.shape[1]} and {second.shape[1]} channels"
        )
    (u, s), (v, t) = _main_directions(first), _main_directions(second)
    if not len(s) or not len(t):
        return 0.0
    left, correlations, right = np.linalg.svd(u.T @ v, full_matrices=False)
    correlations = correlations.clip(0, 1)
    weights_first = ((left.T * s) ** 2).sum(1)
    weights_second = ((right * t) ** 2).sum(1)
    means = (np.average(correlations, weights=weights) for weights in (weights_first, weights_second))
    return float(sum(means)) / 2


def _main_directions(activations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal scores (samples, k) and singular values (k,) of the directions that hold most variance."""
    centred = activations.astype(np.float64) - activations.mean(0, dtype=np.float64)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    scale = float(np.abs(activations).max(initial=0.0)) * np.sqrt(activations.size)
    if not s.size or s[0] <= 1e-7 * scale:
        return u[:, :0], s[:0]
    shares = np.cumsum(s**2) / (s**2).sum()
    count = int(np.searchsorted(shares, VARIANCE_KEPT)) + 1
    return u[:, :count], s[:count]
