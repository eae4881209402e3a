"""The shipped models of two scans find what is put into a small volume, and nothing where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from MSLesionSegLib.network.models.store import SHIPPED, load_model
from MSLesionSegLib.network.sliding_window import predict
from MSLesionSegLib.tasks import get_task

SHAPE = (64, 64, 64)
PLACES = np.stack(np.indices(SHAPE)) - 32
BRAIN = (PLACES**2).sum(0) < 30**2
LESIONS = {(20, 32, 32): 2.5, (40, 32, 32): 3.0, (32, 45, 32): 4.5}  # centre and radius


@pytest.mark.parametrize("task", ["new", "enhancing"])
def test_the_default_model_ships_with_a_full_card(task):
    card = load_model(SHIPPED / get_task(task).default_model, task=task).card
    assert len(card.channels) == card.architecture.in_channels
    for content in (card.description, card.limits, card.licence, card.credits, card.hardware, card.results):
        assert content
    assert card.training["fingerprint"]
    assert card.recipe["steps"] > 0


def noise(deviation: float) -> np.ndarray:
    values = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), (0.5, 0.5, 1))
    return (values * deviation / values.std()).astype(np.float32)


def balls(contrast: float) -> np.ndarray:
    found = np.zeros(SHAPE, np.float32)
    for centre, radius in LESIONS.items():
        ball = ((np.stack(np.indices(SHAPE)) - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(0) < radius**2
        found += contrast * ndimage.gaussian_filter(ball.astype(np.float32), 0.7)
    return found


def test_new_lesions_are_found_on_a_subtraction_and_vanished_ones_are_not_called_new():
    model = load_model(SHIPPED / "new-ms")
    difference = noise(0.25) + balls(2.0)
    new, vanished, nothing = (
        predict(model, (volume * BRAIN)[None], BRAIN).probability
        for volume in (difference, -difference, noise(0.25))
    )
    assert all(new[centre] > 0.5 for centre in LESIONS)
    assert (new > 0.5).sum() < 1500
    assert max(vanished[centre] for centre in LESIONS) < 0.1
    assert (nothing > 0.5).sum() == 0


def test_what_is_bright_after_gadolinium_alone_is_found_and_what_is_bright_in_both_is_not():
    model = load_model(SHIPPED / "enhancing-ms")
    pre, bright = noise(0.8), balls(2.0)  # z-scores: tails are clipped at about 2
    post = pre + noise(0.1)[::-1]
    enhanced, both, nothing = (
        predict(model, np.stack(pair) * BRAIN, BRAIN, mirroring=True).probability
        for pair in ((pre, post + bright), (pre + bright, post + bright), (pre, post))
    )
    assert all(enhanced[centre] > 0.5 for centre in LESIONS)
    assert max(both[centre] for centre in LESIONS) < 0.5
    assert (nothing > 0.5).sum() == 0
