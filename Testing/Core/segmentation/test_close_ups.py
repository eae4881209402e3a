"""Lesions from near: the same place on every scan, right on the left and front on top."""

from __future__ import annotations

import base64
import io

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from MSLesionSegLib.lesions.table import lesion_table
from MSLesionSegLib.segmentation.report.close_ups import close_ups
from phantoms.phantom import centred

SHAPE = (60, 70, 40)


def pixels(url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGBA")).astype(int)


@pytest.mark.parametrize(
    "turn", [np.eye(3), np.diag([-1, -1, 1]), np.diag([1, -1, -1])], ids=["RAS", "LPS", "RPI"]
)
def test_what_lies_right_and_in_front_of_a_lesion_is_shown_left_and_on_top(turn):
    affine = centred((2, 2, 2), turn, SHAPE)
    points = nib.affines.apply_affine(affine, np.moveaxis(np.indices(SHAPE), 0, -1))

    def ball(centre, radius):
        return np.linalg.norm(points - np.array(centre), axis=-1) < radius

    lesion, mark = (
        ball((5, 5, 1), 5),
        ball((23, 20, 1), 4),
    )  # the mark lies 18 mm right of it and 15 mm in front
    brain = ball((0, 0, 0), 38)
    noise = np.random.default_rng(0).normal(0, 1, SHAPE)
    images = {
        "pre": nib.Nifti1Image((100 + noise) * brain + 40 * mark, affine),
        "post": nib.Nifti1Image((100 + noise) * brain + 40 * lesion, affine),
    }
    labels = lesion.astype(np.int32)
    likely = nib.Nifti1Image(lesion * 0.9, affine)
    rows = lesion_table(nib.Nifti1Image(labels, affine), likely, None)
    (one,) = close_ups(images, "post", brain, labels, rows, {1: (255, 0, 0)})
    before, _ = (pixels(view) for view in one.views)
    assert one.outlined == 1
    middle, scale = one.size / 2, one.size / 61
    bright = np.argwhere(before[..., 0] > 250)
    row, column = bright.mean(0)
    assert row == pytest.approx(middle - 15 * scale, abs=3 * scale)
    assert column == pytest.approx(middle - 18 * scale, abs=3 * scale)
    line = np.argwhere(pixels(one.overlay)[..., 0] > 200)
    assert np.linalg.norm(line - middle, axis=1).mean() == pytest.approx(5.5 * scale, abs=2 * scale)
    assert one.caption.startswith("No. 1, ")


def test_the_most_certain_lesions_are_shown_first_and_not_more_than_asked_for():
    affine = centred((2, 2, 2), np.eye(3), SHAPE)
    labels = np.zeros(SHAPE, np.int32)
    likely = np.zeros(SHAPE, np.float32)
    for k in range(1, 5):
        labels[10 * k : 10 * k + 3, 30:33, 20:22] = k
        likely[labels == k] = 0.5 + 0.1 * (k % 4)
    brain = np.ones(SHAPE, bool)
    image = nib.Nifti1Image(np.random.default_rng(1).normal(100, 5, SHAPE), affine)
    rows = lesion_table(nib.Nifti1Image(labels, affine), nib.Nifti1Image(likely, affine), None)
    colours = {k: (0, 255, 0) for k in range(1, 5)}
    shown = close_ups({"post": image}, "post", brain, labels, rows, colours, most=3)
    assert [one.lesion for one in shown] == [3, 2, 1]
