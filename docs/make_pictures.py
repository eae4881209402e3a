"""Draws the pictures of README and docs from the real program on a synthetic patient.

Run with the project's environment: python docs/make_pictures.py (needs Debian's Chromium)
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import matplotlib
import nibabel as nib
import numpy as np

from MSLesionSegLib.evaluation.demo import run_demo
from MSLesionSegLib.jobs.progress import Silent
from MSLesionSegLib.lesions.regions import DEEP_WHITE_MATTER
from MSLesionSegLib.network.models.confidence import Confidence
from MSLesionSegLib.network.models.store import SHIPPED, read_card

PICTURES = Path(__file__).parent / "images"
sys.path.insert(0, str(Path(__file__).parents[1] / "Testing"))


def main() -> None:
    matplotlib.use("Agg")
    PICTURES.mkdir(exist_ok=True)
    draw_patient()
    draw_reliability()


def draw_patient() -> None:
    """A synthetic patient with and without the outlines that were found."""
    from matplotlib import pyplot as plt

    with tempfile.TemporaryDirectory() as temporary:
        outcome = run_demo(None, Path(temporary) / "demo", Silent(), model=None, seed=7, overwrite=False)
        folder = outcome.result.folder
        flair_file = next(folder.parent.rglob("*_FLAIR.nii.gz"))
        # the patient's right on the left, as radiologists look at it
        flair, labels = (
            np.asarray(nib.as_closest_canonical(nib.load(file)).dataobj)[::-1]
            for file in (flair_file, outcome.result.files["lesions"])
        )
        draw_viewer(outcome.result.files["report"], Path(temporary))
    slices = np.argsort([-(labels[:, :, k] > 0).sum() for k in range(labels.shape[2])])[:24:8]
    figure, axes = plt.subplots(1, 2 * len(slices), figsize=(4 * len(slices), 2.6), facecolor="black")
    for k, z in enumerate(sorted(slices)):
        for axis, outlined in zip(axes[2 * k : 2 * k + 2], (False, True), strict=True):
            axis.imshow(flair[:, :, z].T, cmap="gray", origin="lower", vmax=np.percentile(flair, 99.7))
            if outlined:
                axis.contour(labels[:, :, z].T > 0, [0.5], colors="#ffb000", linewidths=1)
            for side, place in (("R", 0.04), ("L", 0.96)):
                axis.text(place, 0.5, side, color="white", ha="center", transform=axis.transAxes)
            axis.set_axis_off()
    figure.subplots_adjust(0, 0, 1, 1, 0.01, 0)
    figure.savefig(PICTURES / "synthetic-patient.png", dpi=110)


def draw_reliability() -> None:
    """How often, by the default model's card, a voxel of some probability was lesion and a lesion was true."""
    from matplotlib import pyplot as plt

    confidence = Confidence.of(read_card(SHIPPED / "flair-ms"))
    assert confidence is not None
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), constrained_layout=True)
    left.plot((0, 1), (0, 1), color="#aab4bd", linestyle="--", label="if it were calibrated")
    left.plot(
        confidence.predicted, confidence.observed, marker="o", markersize=4, color="#c22f1e", label="observed"
    )
    left.set(xlabel="probability of a voxel", ylabel="share of lesion", xlim=(0, 1), ylim=(0, 1))
    left.legend()
    volumes = np.geomspace(3, 1000, 100)
    for peak, colour in ((0.3, "#e6a100"), (0.9, "#2e9e5b"), (0.999, "#1d6fb8")):
        shares = [100 * confidence.lesions.true_share(volume, peak, DEEP_WHITE_MATTER) for volume in volumes]
        right.plot(volumes, shares, color=colour, label=f"peak {peak:g}")
    right.set(xlabel="volume (mm³), deep white matter", ylabel="true, of 100", xscale="log", ylim=(0, 100))
    right.legend()
    figure.savefig(PICTURES / "reliability.png", dpi=110)


def draw_viewer(report: Path, temporary: Path) -> None:
    """The page's viewer at its first lesion."""
    from PIL import Image

    from support.chromium import chromium

    with chromium(temporary / "profile") as page:
        page.open(report)
        page.value("openViewer(0)")
        Image.fromarray(page.picture()).save(PICTURES / "page-viewer.png", optimize=True)


if __name__ == "__main__":
    main()
