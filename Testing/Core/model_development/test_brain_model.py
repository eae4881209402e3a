"""Which heads the brain extraction network learns from, and how."""

from __future__ import annotations

import numpy as np

from model_development.brain_model import WEIGHTS, prepare_brain_examples
from MSLesionSegLib.jobs.progress import Silent
from phantoms.round_brains import add_patient


def test_heads_with_a_brain_mask_become_examples_except_the_one_with_a_cut_mask(tmp_path):
    for subject in ("sub-01", "sub-03"):
        add_patient(tmp_path / "data" / "ms3seg", subject)
    example, *more = prepare_brain_examples(tmp_path / "data", tmp_path / "work", Silent())
    assert not more
    assert example.name.startswith("sub-01") and example.weight == WEIGHTS["ms3seg"]
    image, label = example.array("image"), example.array("label")
    assert image.shape == (1, *label.shape) == (1, 61, 68, 60)  # 120 x 135 x 120 mm at 2 mm
    inside, outside = image[0][label > 200].astype(float), image[0][label == 0].astype(float)
    assert inside.mean() > 1.5 and np.abs(outside).max() < 0.5
