"""RSIM agrees with cases that can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from MSLesionSegLib.studies.dynamics.similarity import rsim

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(4000, 6)) * [5, 4, 3, 2, 1, 1]


def test_a_layer_is_identical_to_itself():
    assert rsim(NOISE, NOISE) == pytest.approx(1.0, abs=1e-9)


def test_rotation_scaling_and_shift_change_nothing():
    rotation, _ = np.linalg.qr(RNG.normal(size=(6, 6)))
    other = NOISE + 2 * RNG.normal(size=NOISE.shape)
    plain = rsim(NOISE, other)
    assert 0.4 < plain < 0.95
    assert rsim(NOISE @ rotation, other) == pytest.approx(plain, abs=1e-9)
    assert rsim(NOISE, -7 * other @ rotation + 3) == pytest.approx(plain, abs=1e-9)
    assert rsim(NOISE, 0.1 * NOISE @ rotation) == pytest.approx(1.0, abs=1e-9)


def test_independent_noise_is_near_0():
    assert rsim(NOISE, RNG.normal(size=(4000, 6))) < 0.06


def test_correlations_are_weighted_by_the_variance_that_they_explain():
    # exactly orthogonal columns of variance 4 and 1; the second layer shares only the strong, or only the weak one
    base, _ = np.linalg.qr(RNG.normal(size=(500, 4)) - 0)
    base -= base.mean(0)
    base, _ = np.linalg.qr(base)
    first = base[:, :2] * [2, 1]
    strong, weak = (np.stack([base[:, k], base[:, 2 + k]], 1) for k in (0, 1))
    # correlations 1 and 0; weights of the first layer 0.8 and 0.2, of the second one half each
    assert rsim(first, strong) == pytest.approx((0.8 + 0.5) / 2, abs=1e-6)
    assert rsim(first, weak) == pytest.approx((0.2 + 0.5) / 2, abs=1e-6)


def test_one_noisy_channel_gives_its_correlation_coefficient():
    x = RNG.normal(size=2000)
    y = 0.6 * x + 0.8 * RNG.normal(size=2000)
    expected = abs(np.corrcoef(x, y)[0, 1])
    assert rsim(x[:, None], -y[:, None]) == pytest.approx(expected, abs=1e-9)


def test_it_is_symmetric_also_for_other_numbers_of_channels():
    wide = NOISE @ RNG.normal(size=(6, 9)) + RNG.normal(size=(4000, 9))
    assert rsim(NOISE, wide) == pytest.approx(rsim(wide, NOISE), abs=1e-9)


def test_a_constant_layer_is_similar_to_nothing():
    assert rsim(NOISE, np.ones((4000, 3))) == 0


@pytest.mark.parametrize(("n", "m"), [(10, 9), (5, 5)])
def test_samples_that_cannot_be_compared_are_refused(n, m):
    with pytest.raises(ValueError):
        rsim(NOISE[:n], NOISE[:m])
