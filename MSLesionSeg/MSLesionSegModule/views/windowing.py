"""Windows of brightness for a brain, and for lesions in it."""

import numpy as np
import slicer

_PERCENTILES = (
    (1.0, 99.8),
    (40.0, 99.9),
)  # of the voxels that are not background: the brain, and what is bright
_MOST_VOXELS = 200_000  # that are looked at
_STEP = "MSLesionSeg.Window"  # attribute of display nodes


def nextWindow(volumes) -> None:
    """Show volumes in the next window: all of the brain, what is bright, and Slicer's own again."""
    for volume in volumes:
        display = volume.GetDisplayNode()
        if display is None:
            continue
        step = int(display.GetAttribute(_STEP) or 0) % (len(_PERCENTILES) + 1)
        display.SetAttribute(_STEP, str(step + 1))
        if step == len(_PERCENTILES):
            display.SetAutoWindowLevel(True)
            continue
        low, high = _range(volume, _PERCENTILES[step])
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(low, high)


def _range(volume, percentiles) -> tuple[float, float]:
    voxels = slicer.util.arrayFromVolume(volume).ravel()
    voxels = voxels[:: max(1, voxels.size // _MOST_VOXELS)]
    inside = voxels[voxels > voxels.min()]
    return tuple(np.percentile(inside if inside.size else voxels, percentiles))
