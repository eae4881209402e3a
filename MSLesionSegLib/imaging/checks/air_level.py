"""The level of air in a scan, measured, so that the same picture on any scale of values is the same scan.

Magnitude images have air at 0. Scans that were z-scored, brought to -1..1, shifted by 1000 or padded have not, and
brain extraction, bias correction and subtraction would see another picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np

_SAMPLES = 200_000
_SHARED = 1e-3  # of all voxels

# All lengths below are parts of the range between the lowest and the brightest hundredth. On 49 scans of five public
# data sets, all with air at 0: the lowest hundredth of a head lies within 0.001 of 0, and a tenth of its values
# within 0.025 of the lowest hundredth; in brains that were cut out that tenth lies 0.09 to 0.5 above it, and the
# darkest voxels lie at most 0.21 above what surrounds them.
_ROUND_ZERO = 0.005
_OVERSHOOT = 0.02
_AIR = 0.05
_BESIDE = 0.05
_INSIDE = 0.1
_FAR = 0.3

_USUAL_RANGE = (1e-2, 1e7)
_WANTED_RANGE = 1000.0


@dataclass(frozen=True)
class Air:
    """Where the scale of a scan begins.

    Attributes:
        level: value of air.
        filling: values that stand for "nothing was measured here".
        unit: power of two that brings a range of extreme size to about 1000; 1 for usual scans.
    """

    level: float = 0.0
    filling: tuple[float, ...] = ()
    unit: float = 1.0

    def remove(self, data: np.ndarray) -> np.ndarray:
        """The scan (float32, X, Y, Z) with air and filling at 0; the same array where nothing has to be done."""
        if self == AT_ZERO:
            return data
        shifted = (data - np.float32(self.level)) * np.float32(self.unit)
        return np.where(self.is_filling(data), np.float32(0), shifted)

    def is_filling(self, data: np.ndarray) -> np.ndarray:
        """Where a scan holds a filling, bool (X, Y, Z)."""
        return np.isin(data, np.asarray(self.filling, data.dtype))


AT_ZERO = Air()


def above_air(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """A scan with air at 0; the same image where it is there already."""
    data = np.asarray(image.dataobj, dtype=np.float32)
    air = measure_air(data)
    return image if air == AT_ZERO else nib.Nifti1Image(air.remove(data), image.affine)


def measure_air(data: np.ndarray) -> Air:
    """Find the value of air, and values that fill what was not measured.

    Air is the lowest value, or the lowest hundredth where few voxels lie far below it (overshoot of interpolation
    beside bright fat). A brain that was cut out and stands on a filling has no air; it begins just above 0 then.

    Args:
        data: finite float32 values (X, Y, Z).

    Returns:
        ``AT_ZERO`` for a scan whose air is close to 0 already: it stays as it is, voxel for voxel.
    """
    values = data.ravel()[:: max(1, data.size // _SAMPLES)]
    corners = data[np.ix_((0, -1), (0, -1), (0, -1))]
    counts = {v: np.count_nonzero(values == v) for v in np.unique([*corners.ravel(), values.min()])}
    shared = {value: count for value, count in counts.items() if count > _SHARED * values.size}
    rest = values[~np.isin(values, list(shared))]
    filling = [float(v) for v, count in shared.items() if rest.size and _is_filling(v, int(count), rest)]
    values = values[~np.isin(values, filling)]
    low, span = _range(values)
    lowest = float(values.min())
    if filling and not _has_air(values):
        level = lowest - _OVERSHOOT * span
    else:
        level = lowest if lowest > low - _OVERSHOOT * span else low
    if abs(level) <= _ROUND_ZERO * span:
        level = 0.0
    usual = span == 0 or _USUAL_RANGE[0] < span < _USUAL_RANGE[1]
    return Air(level, tuple(filling), 1.0 if usual else float(2.0 ** np.round(np.log2(_WANTED_RANGE / span))))


def _is_filling(value: float, count: int, rest: np.ndarray) -> bool:
    """Whether a value is no intensity: far below all others, or a spike amid those of tissue or above them.

    Args:
        value: in a corner of the field of view, or the lowest one.
        count: how many voxels have it.
        rest: the values without this one and others of its kind.
    """
    low, span = _range(rest)
    gap = float(np.percentile(rest, 0.1)) - value
    if gap > 0:
        far = gap > _FAR * span or (gap > _BESIDE * span and _has_air(rest))
        return value != 0 and far  # 0 around a brain is how programs cut it out
    beside = np.count_nonzero(np.abs(rest - value) < _BESIDE * span)
    return bool(value > low + _INSIDE * span and count > beside)


def _has_air(values: np.ndarray) -> bool:
    """Whether a tenth of the values lies close to the lowest ones, as around a head and not in a brain."""
    low, tenth, high = np.percentile(values, (1, 10, 99))
    return bool(tenth - low < _AIR * (high - low))


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, (1, 99))
    return float(low), float(high - low)
