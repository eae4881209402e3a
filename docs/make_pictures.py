"""Draws the pictures of README and docs from the real program on a synthetic patient.

Run with the project's environment: python docs/make_pictures.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import matplotlib
import nibabel as nib
import numpy as np

from MSLesionSegLib.evaluation.demo import run_demo
from MSLesionSegLib.jobs.progress import Silent

PICTURES = Path(__file__).parent / "images"


def main() -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    with tempfile.TemporaryDirectory() as temporary:
        outcome = run_demo(None, Path(temporary) / "demo", Silent(), model=None, seed=7, overwrite=False)
        folder = outcome.result.folder
        flair_file = next(folder.parent.rglob("*_FLAIR.nii.gz"))
        flair = np.asarray(nib.load(flair_file).dataobj)
        labels = np.asarray(nib.load(outcome.result.files["lesions"]).dataobj)
    slices = np.argsort([-(labels[:, :, k] > 0).sum() for k in range(labels.shape[2])])[:24:8]
    figure, axes = plt.subplots(1, 2 * len(slices), figsize=(4 * len(slices), 2.6), facecolor="black")
    for k, z in enumerate(sorted(slices)):
        for axis, outlined in zip(axes[2 * k : 2 * k + 2], (False, True), strict=True):
            axis.imshow(flair[:, :, z].T, cmap="gray", origin="lower", vmax=np.percentile(flair, 99.7))
            if outlined:
                axis.contour(labels[:, :, z].T > 0, [0.5], colors="#ffb000", linewidths=1)
            axis.set_axis_off()
    figure.subplots_adjust(0, 0, 1, 1, 0.01, 0)
    PICTURES.mkdir(exist_ok=True)
    figure.savefig(PICTURES / "synthetic-patient.png", dpi=110)


if __name__ == "__main__":
    main()
