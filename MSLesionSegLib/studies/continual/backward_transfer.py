"""What continual learning is measured by: R[i, j] is the test score on centre j after training on centre i."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class BackwardTransfer:
    """How much learning new centres changed the scores on earlier ones; negative is forgetting.

    Attributes:
        by_centre: (K,) R[K, j] - R[j, j]; 0 for the last centre by definition.
        mean: over all centres but the last, the paper's 1/(K-1) * sum over i < K of (R[K, i] - R[i, i]).
        along_the_way: mean of R[i, j] - R[j, j] over all j < i, so over every earlier centre after every step (Diaz-
            Rodriguez et al. 2018, arXiv:1810.13166): it also sees what was forgotten and learnt again before the end.
    """

    by_centre: np.ndarray
    mean: float
    along_the_way: float


def backward_transfer(scores: np.ndarray) -> BackwardTransfer:
    """Backward transfer of a sequence of centres.

    Args:
        scores: (K, K) with rows and columns in the order of training, K at least 2; NaN where a centre has no
            lesions to test on, which is left out of the mean.

    Raises:
        ValueError: not square, or one centre only.

    >>> backward_transfer(np.array([[0.75, 0.25], [0.5, 0.75]])).mean  # the first centre's 0.75 became 0.5
    -0.25
    """
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or len(scores) < 2:
        raise ValueError(f"scores of shape {scores.shape} are not a sequence of two or more centres")
    change = scores - np.diag(scores)
    earlier = change[np.tril_indices(len(scores), -1)]
    return BackwardTransfer(change[-1], float(np.nanmean(change[-1, :-1])), float(np.nanmean(earlier)))


def zero_shot(scores: np.ndarray) -> np.ndarray:
    """Mean score on the centres that were not seen yet, after each step but the last: (K - 1,)."""
    return np.array([np.nanmean(scores[i, i + 1 :]) for i in range(len(scores) - 1)])
