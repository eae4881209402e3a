"""Lesion patterns of patients without images, put into scans whose own lesions were painted over."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from MSLesionSegLib.imaging.reading import read_mask, read_scan
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.brain_extraction import brain_mask
from MSLesionSegLib.segmentation.probability import network_input
from MSLesionSegLib.synthesis.lesions import insert_pattern
from MSLesionSegLib.training.examples.dataset_examples import find_scans, fractions, paint_over
from MSLesionSegLib.training.examples.example import write_example

FLUID_Z = -0.9  # darker voxels of a z-scored FLAIR are fluid


def prepare_inserted(dataset: Path, out: Path, progress: Progress) -> None:
    """Write an example for each pair of a healed scan and a lesion mask of a patient whose scan is not there.

    Args:
        dataset: BIDS dataset whose scans and masks all lie on one grid, brains aligned (such as MNI152).
        out: folder of the examples; they are named after the scan, so that leaving a patient out leaves out all
            that was made from the patient's scan. Prepared ones are kept.
    """
    hosts = list(find_scans(dataset))
    known = {scan.mask for scan in hosts}
    masks = sorted(dataset.glob("derivatives/manual/sub-*/**/*_label-lesion_mask.nii.gz"))
    patterns = [mask for mask in masks if mask not in known]
    for k, host in enumerate(hosts):
        image = read_scan(host.image).image
        brain = brain_mask(image)
        healed = paint_over(image, read_mask(host.mask, image), brain)
        data, inside = np.asarray(healed.dataobj), np.asarray(brain.dataobj) > 0
        unit = float(data[inside].std())
        z = (data - data[inside].mean()) / unit
        for n, file in enumerate(patterns):
            progress.stage("inserting lesions", (k + n / len(patterns)) / len(hosts))
            folder = out / f"{host.name}_{file.name.split('_')[0].replace('sub-', 'pattern-')}"
            if (folder / "example.json").exists():
                continue
            pattern = np.asarray(read_mask(file, image).dataobj)
            rng = np.random.default_rng([k, n])
            flair, soft = insert_pattern(data, pattern, inside & (z > FLUID_Z), rng, unit)
            seen = network_input([nib.Nifti1Image(flair, image.affine)], brain)
            label = fractions(nib.Nifti1Image(soft, image.affine), seen)
            write_example(folder, seen.channels, label, seen.brain, site=host.site)
