"""Whether two scans can be compared at all: a traffic light with one plain sentence for each check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

from MSLesionSegLib.imaging.checks.sequence_guess import contrast_features
from MSLesionSegLib.imaging.registration import Registration
from MSLesionSegLib.imaging.subtraction import Subtraction

Light = Literal["green", "amber", "red"]
LIGHTS: tuple[Light, ...] = ("green", "amber", "red")

THICK_MM = 5.0  # across thicker slices partial volume alone looks like change
# the first limit parts green from amber, the second amber from red
_THICKNESS_RATIO = (1.5, 4.0)
_COVERED = (0.97, 0.7)
_CORRELATION = (0.85, 0.6)
_CONTRAST = (0.06, 0.2)
_JACOBIAN = (2.0, 10.0)
_FINE_MM = 1.5


@dataclass(frozen=True)
class ComparabilityCheck:
    """One aspect of comparability. ``value``: what was measured; ``sentence``: what it means."""

    name: str
    light: Light
    value: float
    sentence: str


def check_pair(
    baseline: nib.Nifti1Image,
    followup: nib.Nifti1Image,
    registration: Registration,
    subtraction: Subtraction,
) -> tuple[ComparabilityCheck, ...]:
    """Judge slice thickness, coverage, contrast and registration of a pair.

    Args:
        baseline, followup: the scans as they were read.
        registration, subtraction: what was made of them.
    """
    return (
        check_thickness(baseline, followup),
        check_coverage(min(subtraction.covered, subtraction.covered_followup)),
        check_contrast(baseline, followup),
        check_correlation(subtraction.correlation),
        check_deformation(registration.largest_jacobian),
    )


def overall(checks: Sequence[ComparabilityCheck]) -> Light:
    """The worst light of all checks; green if there are none."""
    return max((check.light for check in checks), key=LIGHTS.index, default="green")


def check_thickness(baseline: nib.Nifti1Image, followup: nib.Nifti1Image) -> ComparabilityCheck:
    """Compare the coarsest voxel edges; below 1.5 mm they count as 1.5 mm. Above 5 mm the light is never green."""
    edges = [float(voxel_sizes(image.affine).max()) for image in (baseline, followup)]
    ratio = max(max(edges), _FINE_MM) / max(min(edges), _FINE_MM)
    light = _light(ratio, _THICKNESS_RATIO)
    both = f"The scans have slices of {edges[0]:.1f} mm at baseline and {edges[1]:.1f} mm at follow-up"
    amber = f"{both}: partial volume differs, so small lesions can look new or vanish."
    if light == "green" and max(edges) > THICK_MM:
        light = "amber"
        amber = (
            f"{both}: across slices of more than {THICK_MM:g} mm partial volume alone can make a small lesion look "
            "new or vanish."
        )
    red = f"{both}: too different to compare small lesions."
    return _check("slice thickness", ratio, light, green=f"{both}.", amber=amber, red=red)


def check_coverage(covered: float) -> ComparabilityCheck:
    """Judge which part of the brain both scans show, 0 to 1."""
    light = _light(-covered, tuple(-limit for limit in _COVERED))
    share = f"{100 * covered:.0f} % of the brain"
    return _check(
        "coverage",
        covered,
        light,
        green=f"Both scans show {share}.",
        amber=f"Only {share} is seen on both scans. Lesions elsewhere are not counted.",
        red=f"Only {share} is seen on both scans, too little for a count.",
    )


def check_contrast(baseline: nib.Nifti1Image, followup: nib.Nifti1Image) -> ComparabilityCheck:
    """Compare deep with superficial tissue on two scans: see :mod:`~MSLesionSegLib.imaging.checks.sequence_guess`."""
    before, after = contrast_features(baseline), contrast_features(followup)
    if before is None or after is None:
        return ComparabilityCheck(
            "contrast", "amber", float("nan"), "The contrast of the two scans could not be compared."
        )
    difference = abs(before[0] - after[0])
    return _check(
        "contrast",
        difference,
        _light(difference, _CONTRAST),
        green="Gray and white matter have about the same contrast on both scans.",
        amber="Gray and white matter differ in contrast between the two scans (another scanner or protocol).",
        red="The two scans have so different a contrast that they may not be the same sequence.",
    )


def check_correlation(correlation: float) -> ComparabilityCheck:
    """Judge how well the aligned scans agree within the brain, -1 to 1."""
    light: Light = "red" if np.isnan(correlation) else _light(-correlation, tuple(-v for v in _CORRELATION))
    value = f"correlation {correlation:.2f} within the brain"
    return _check(
        "registration",
        correlation,
        light,
        green=f"The scans are well aligned ({value}).",
        amber=f"The scans agree only in part ({value}): check the alignment in the pictures.",
        red=f"The scans are not aligned, or differ too much ({value}).",
    )


def check_deformation(largest_jacobian: float) -> ComparabilityCheck:
    """Judge how strongly the registration bent the follow-up; 1 is not at all."""
    value = f"largest change of volume by a factor of {largest_jacobian:.1f}"
    return _check(
        "deformation",
        largest_jacobian,
        _light(largest_jacobian, _JACOBIAN),
        green=f"The registration hardly deformed the scan ({value}).",
        amber=f"The registration deformed the scan ({value}): lesions may have been stretched or squeezed.",
        red=f"The registration deformed the scan implausibly ({value}).",
    )


def _check(name: str, value: float, light: Light, *, green: str, amber: str, red: str) -> ComparabilityCheck:
    return ComparabilityCheck(name, light, value, {"green": green, "amber": amber, "red": red}[light])


def _light(value: float, limits: tuple[float, ...]) -> Light:
    """Green up to the first limit, amber up to the second, else red."""
    return LIGHTS[sum(value > limit for limit in limits)]
