"""How gray the tissues of a brain are and how sharp they look, and whether scans of the training were like that."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from MSLesionSegLib.imaging.checks.scan_checks import InputWarning

_BLOCK_MM = 16  # edge of the cubes whose means tell how even the scan is
_LEAST_NOISE = 1e-3
_NARROWEST = 1e-6

# Ten FLAIRs of two hospitals that training did not see lie up to 2.7 half ranges from the middle; with much noise, a
# blur of 4 mm, a steep bias field, or as T1-weighted or inverted scans, they lie 4.5 to 8.3 away.
FARTHEST = 3.0

_CONTRAST, _BLURRED, _NOISY = "its contrast is another one", "it is blurred", "it is noisy"
# what a scan with less and with more of each is
_MEANING = {
    "median": (_CONTRAST, _CONTRAST),
    "upper_quartile": (_CONTRAST, _CONTRAST),
    "edges": (_BLURRED, _NOISY),
    "roughness": (_BLURRED, _NOISY),
    "unevenness": (_CONTRAST, "its brightness is uneven"),
}
STATISTICS = tuple(_MEANING)


def intensity_statistics(z: np.ndarray, brain: np.ndarray) -> dict[str, float]:
    """Statistics of a scan, z-scored in the brain (X, Y, Z), 1 mm.

    Returns:
        ``median`` and ``upper_quartile``; ``edges`` and ``roughness``: logarithms of the median first and second
        difference along the axis where they are largest, which blur lowers and noise raises; ``unevenness``: standard
        deviation of the means of cubes of 16 mm, which a bias field raises.
    """
    inside = brain > 0
    median, quartile = np.percentile(z[inside], (50, 75))
    edges, roughness = [], []
    for axis in range(3):
        before, here, after = (_shifted(z, axis, start) for start in range(3))
        kept = np.logical_and.reduce([_shifted(inside, axis, start) for start in range(3)])
        before, here, after = before[kept], here[kept], after[kept]
        edges.append(np.median(np.abs(after - before)) / 2)
        roughness.append(np.median(np.abs(before - 2 * here + after)))
    blocks = _block_sums(inside.astype(np.float32))
    filled = blocks > blocks.max() / 2
    means = _block_sums(np.where(inside, z, 0))[filled] / blocks[filled]
    return {
        "median": float(median),
        "upper_quartile": float(quartile),
        "edges": float(np.log(max(*edges, _LEAST_NOISE))),
        "roughness": float(np.log(max(*roughness, _LEAST_NOISE))),
        "unevenness": float(means.std()),
    }


def distances(statistics: Mapping[str, float], ranges: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """How far a scan lies from those of the training.

    Args:
        statistics: of :func:`intensity_statistics`.
        ranges: lowest and highest value of each over the training scans.

    Returns:
        The distance of each statistic from the middle of its range, in halves of the range: 1 and -1 are as far as
        the furthest training scans.

    >>> distances({"unevenness": 0.9}, {"unevenness": (0.3, 0.5)})
    {'unevenness': 5.0...}
    """
    return {
        name: (2 * statistics[name] - low - high) / max(high - low, _NARROWEST)
        for name, (low, high) in ranges.items()
    }


def judge_intensities(title: str, away: Mapping[str, float]) -> tuple[InputWarning, ...]:
    """A warning where a statistic lies further away than ``FARTHEST``; ``away``: of :func:`distances`."""
    unusual = {name: value for name, value in away.items() if abs(value) > FARTHEST}
    if not unusual:
        return ()
    reasons = dict.fromkeys(_MEANING[name][value > 0] for name, value in unusual.items())
    sentence = (
        f"Do not trust this result: the {title} is unlike the scans that the model learned from "
        f"({', '.join(reasons)}). Check the scan, and every lesion."
    )
    return (InputWarning("unlike-training", sentence),)


def _shifted(volume: np.ndarray, axis: int, start: int) -> np.ndarray:
    return volume[
        tuple(slice(start, volume.shape[axis] - 2 + start) if a == axis else slice(None) for a in range(3))
    ]


def _block_sums(volume: np.ndarray) -> np.ndarray:
    """Sums over whole cubes of 16 voxels, (x, y, z)."""
    x, y, z = (size // _BLOCK_MM for size in volume.shape)
    whole = volume[: x * _BLOCK_MM, : y * _BLOCK_MM, : z * _BLOCK_MM]
    return whole.reshape(x, _BLOCK_MM, y, _BLOCK_MM, z, _BLOCK_MM).sum(axis=(1, 3, 5))
