"""Training examples for enhancing lesions: real T1 pairs, and T1 scans whose second scan is synthetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from MSLesionSegLib.imaging.normalization import PAIR_WINSORISE_PERCENT
from MSLesionSegLib.imaging.reading import read_mask, read_scan
from MSLesionSegLib.jobs.progress import Progress
from MSLesionSegLib.network.brain_extraction import brain_mask
from MSLesionSegLib.segmentation.probability import NetworkInput, network_input
from MSLesionSegLib.synthesis.gadolinium_enhancement import enhance_normally
from MSLesionSegLib.training.examples.dataset_examples import cut_out, fractions
from MSLesionSegLib.training.examples.example import write_example

PAIRS = ("brats",)
SINGLES = ("ms3seg", "openms_long")
ENHANCING_TUMOUR = 3  # label 3 or 4 of a tumour is enhancing tissue
NORMAL_ENHANCEMENT_Z = 1.5  # what is that much brighter after gadolinium and is no lesion deserves attention
SINGLE_NOISE = 0.1


@dataclass(frozen=True)
class T1Pair:
    """Two T1 scans on one grid: before and after gadolinium, with the tumour's labels where there is one."""

    name: str
    pre: Path
    post: Path
    tumour: Path | None
    site: str


def find_pairs(dataset: Path) -> Iterator[T1Pair]:
    """T1 pairs of a BIDS dataset whose scans are registered."""
    for post in sorted(dataset.glob("sub-*/**/anat/*_ce-gadolinium_T1w.nii.gz")):
        stem = post.name.removesuffix("_ce-gadolinium_T1w.nii.gz")
        folder = dataset / "derivatives" / "manual" / post.parent.relative_to(dataset)
        tumour = folder / f"{stem}_label-tumour_dseg.nii.gz"
        yield T1Pair(
            stem,
            post.with_name(f"{stem}_T1w.nii.gz"),
            post,
            tumour if tumour.exists() else None,
            dataset.name,
        )


def find_singles(dataset: Path) -> list[Path]:
    """T1 scans without gadolinium of a BIDS dataset, those that belong to no pair."""
    return [file for file in sorted(dataset.glob("sub-*/**/anat/*_T1w.nii.gz")) if "_ce-" not in file.name]


def prepare_enhancing(data: Path, work: Path, progress: Progress) -> None:
    """Write the examples below ``work/examples``; those that are there already are kept.

    ``pairs-<site>``: real pairs without lesions (tumours are cut out), ``pairs-tumour``: their enhancing rims as
    labels, ``made-up-<site>``: real T1 scans whose scan after gadolinium has synthetic normal enhancement.
    """
    examples = work / "examples"
    pairs = [pair for site in PAIRS for pair in find_pairs(data / site)]
    singles = [(site, scan) for site in SINGLES for scan in find_singles(data / site)]
    total = len(pairs) + len(singles)
    for k, pair in enumerate(pairs):
        progress.stage("preparing pairs", k / total)
        _prepare_pair(pair, examples)
    for k, (site, scan) in enumerate(singles):
        progress.stage("preparing pairs", (len(pairs) + k) / total)
        name = scan.name.removesuffix("_T1w.nii.gz")
        folder = examples / f"made-up-{site}" / name
        if not _done(folder):
            _make_up(scan, folder, site, np.random.default_rng([k, *name.encode()]))


def pair_input(pre: nib.Nifti1Image, post: nib.Nifti1Image, brain: nib.Nifti1Image) -> NetworkInput:
    """What the network sees of a registered pair."""
    return network_input([pre, post], brain, winsorise_percent=PAIR_WINSORISE_PERCENT)


def brain_of_both(pre: nib.Nifti1Image, post: nib.Nifti1Image) -> nib.Nifti1Image:
    """What is brain on both scans of a registered pair."""
    both = np.asarray(brain_mask(pre).dataobj) & np.asarray(brain_mask(post).dataobj)
    return nib.Nifti1Image(both, post.affine)


def _prepare_pair(pair: T1Pair, examples: Path) -> None:
    normal = examples / f"pairs-{pair.site}" / pair.name
    rims = examples / "pairs-tumour" / pair.name
    if _done(normal) and (pair.tumour is None or _done(rims)):
        return
    pre, post = read_scan(pair.pre).image, read_scan(pair.post).image
    brain = brain_of_both(pre, post)
    if pair.tumour is not None:
        labels = np.asarray(nib.Nifti1Image.from_filename(pair.tumour).dataobj)
        rim = nib.Nifti1Image((labels >= ENHANCING_TUMOUR).astype(np.uint8), post.affine)
        seen = pair_input(pre, post, brain)
        write_example(rims, seen.channels, fractions(rim, seen), seen.brain, site=pair.site)
        brain = cut_out(read_mask(pair.tumour, post), brain)
    _write_normal(normal, pair_input(pre, post, brain), pair.site)


def _make_up(scan: Path, folder: Path, site: str, rng: np.random.Generator) -> None:
    image = read_scan(scan).image
    seen = network_input([image], brain_mask(image), winsorise_percent=PAIR_WINSORISE_PERCENT)
    pre = seen.channels[0]
    post = enhance_normally(pre, seen.brain, rng)
    pair = np.stack([pre, post])
    pair = (pair + rng.normal(0, SINGLE_NOISE, pair.shape)) * seen.brain
    _write_normal(folder, NetworkInput(pair.astype(np.float32), seen.brain, seen.affine), site)


def _write_normal(folder: Path, seen: NetworkInput, site: str) -> None:
    pre, post = seen.channels
    bright = (ndimage.gaussian_filter(post - pre, 0.5) > NORMAL_ENHANCEMENT_Z) & seen.brain
    write_example(folder, seen.channels, np.zeros(pre.shape, np.float32), seen.brain, site=site, focus=bright)


def _done(folder: Path) -> bool:
    return (folder / "example.json").exists()
