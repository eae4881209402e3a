"""Brain mask, resampling and registration against the usual choices, with how good each is.

    python Testing/benchmarks/preprocessing.py [--quick] [--json]

Synthetic heads with a known brain and a known motion; CPU seconds in one process and one thread. ``--quick`` leaves
out the registrations that take minutes.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

import nibabel as nib
import numpy as np
from measuring import Figure, dice, finish, machine, markdown, measure

THICK = (0.72, 0.72, 4.0)
MOTION_MM, MOTION_DEGREES = (3.0, -2.0, 4.0), 3.0


def brain_rows(quick: bool) -> dict[str, tuple[float, float]]:
    """CPU seconds and Dice with the true brain of a 1 mm head."""
    from MSLesionSegLib.network.brain_extraction import brain_mask
    from MSLesionSegLib.synthesis.patient import synthetic_patient

    patient = synthetic_patient(11, lesions=15)
    truth = np.asarray(patient.brain.dataobj) > 0

    def row(call: Callable[[], np.ndarray]) -> tuple[float, float]:
        cpu, _, mask = measure(call)
        return cpu, dice(mask, truth)

    rows = {"this program": row(lambda: np.asarray(brain_mask(patient.flair).dataobj) > 0)}
    if not quick:
        rows["template, ANTs SyN"] = row(lambda: template_brain(patient.flair, "SyN"))
        rows["template, ANTs affine"] = row(lambda: template_brain(patient.flair, "Affine"))
    return rows


def template_brain(flair: nib.Nifti1Image, kind: str) -> np.ndarray:
    """The usual way without a network: a head template with a brain mask registered to the head."""
    import ants
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

    head, template, mask = (
        ants.from_nibabel_nifti(image)
        for image in (flair, load_mni152_template(resolution=1), load_mni152_brain_mask(resolution=1))
    )
    found = ants.registration(head, template, kind)
    moved = ants.apply_transforms(head, mask, found["fwdtransforms"], interpolator="nearestNeighbor")
    return moved.numpy() > 0.5


def resampling_rows() -> dict[str, tuple[float, float]]:
    """CPU seconds of a thick-slice scan to 1 mm and back, and the correlation with the scan after both."""
    from nibabel.processing import resample_from_to, resample_to_output

    from MSLesionSegLib.imaging.grid import to_native_grid, to_network_grid
    from MSLesionSegLib.imaging.registration import correlation
    from MSLesionSegLib.synthesis.patient import synthetic_patient

    scan = synthetic_patient(11, lesions=15, spacing=THICK).flair

    def row(there: Callable[[Any], Any], back: Callable[[Any], Any]) -> tuple[float, float]:
        cpu, _, image = measure(lambda: back(there(scan)), 2)
        return cpu, correlation(np.ravel(image.dataobj), np.ravel(scan.dataobj))

    return {
        "this program": row(to_network_grid, lambda image: to_native_grid(image, scan)),
        "nibabel, cubic (its default)": row(
            lambda image: resample_to_output(image, (1, 1, 1)), lambda image: resample_from_to(image, scan)
        ),
    }


def registration_rows(quick: bool) -> dict[str, tuple[float, float]]:
    """CPU seconds, and the mean distance in mm that is left in the brain after a known motion."""
    from MSLesionSegLib.imaging.registration import register
    from MSLesionSegLib.synthesis.patient import synthetic_patient

    patient = synthetic_patient(11, lesions=15, spacing=THICK)
    moving, fixed, mask = patient.flair, patient.flair, patient.brain
    motion = np.eye(4)
    motion[:3, :3] = nib.eulerangles.euler2mat(*np.radians((MOTION_DEGREES, -MOTION_DEGREES, 2.0)))
    motion[:3, 3] = MOTION_MM
    noise = np.random.default_rng(0).normal(0, 0.02 * np.asarray(fixed.dataobj).max(), fixed.shape)
    moving = nib.Nifti1Image(np.asarray(fixed.dataobj) + noise.astype(np.float32), motion @ fixed.affine)
    moving_mask = nib.Nifti1Image(np.asarray(mask.dataobj), moving.affine)
    places = np.argwhere(np.asarray(mask.dataobj) > 0)[::997]
    points = nib.affines.apply_affine(fixed.affine, places)
    true = nib.affines.apply_affine(motion, points)

    def left(transform: Any) -> float:
        flip = np.array([-1.0, -1.0, 1.0])
        found = np.array([transform.TransformPoint((p * flip).tolist()) for p in points]) * flip
        return float(np.linalg.norm(found - true, axis=1).mean())

    def ours(preset: str) -> tuple[float, float]:
        cpu, _, found = measure(
            lambda: register(moving, fixed, preset=preset, moving_mask=moving_mask, fixed_mask=mask)
        )
        return cpu, left(found.forward)

    def usual(kind: str) -> tuple[float, float]:
        import ants
        import SimpleITK as sitk

        scans = [ants.from_nibabel_nifti(image) for image in (fixed, moving)]
        cpu, _, found = measure(lambda: ants.registration(*scans, kind))
        parts = []
        for file in found["fwdtransforms"]:
            if file.endswith(".nii.gz"):
                field = sitk.Cast(sitk.ReadImage(file), sitk.sitkVectorFloat64)
                parts.append(sitk.DisplacementFieldTransform(field))
            else:
                parts.append(sitk.ReadTransform(file))
        # ANTs lists what comes last first; a composite applies its last part first
        return cpu, left(sitk.CompositeTransform(parts[::-1]))

    rows = {"this program, rigid (default)": ours("rigid")}
    if not quick:
        rows["this program, restricted-syn"] = ours("restricted-syn")
        rows["ANTs SyN"] = usual("SyN")
        rows["ANTs SyNQuick"] = usual("antsRegistrationSyNQuick[s]")
    return rows


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="without what takes minutes")
    parser.add_argument("--json", action="store_true", help="the figures as a last line of JSON")
    options = parser.parse_args()
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"

    import torch

    torch.set_num_threads(1)
    tables = {
        "brain mask": (brain_rows(options.quick), "Dice", "Dice with the true brain"),
        "resampling": (resampling_rows(), "r", "correlation after there and back"),
        "registration": (registration_rows(options.quick), "mm", "mm left of a known motion"),
    }
    figures = []
    for title, (rows, unit, quality) in tables.items():
        first = next(iter(rows.values()))[0]
        lines = [[title, "CPU s", "times the first", quality]]
        for name, (cpu, value) in rows.items():
            lines.append([name, f"{cpu:.2f}", f"{cpu / first:.1f}", f"{value:.3f}"])
            figures.append(Figure(f"{title}, {name}", cpu, "s"))
            if name.startswith("this program"):
                figures.append(Figure(f"{title}, {name}, quality", value, unit))
            else:
                figures.append(Figure(f"{title}, {name} against this program", cpu / first, "x"))
        print(markdown(lines), end="\n\n")
        print(title, file=sys.stderr)
    print(machine())
    finish(figures, options.json)


if __name__ == "__main__":
    main()
