"""Windows of brightness for a brain, and for lesions in it."""

import numpy as np
import slicer
import vtk

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
        _setWindow(display, *_range(volume, _PERCENTILES[step]))


class MatchedWindows:
    """Shows scans at the same brightness: where a person changes the window of one, the others follow."""

    def __init__(self) -> None:
        self._ranges: dict[str, tuple[float, float]] = {}  # of a brain, by ID of what displays the scan
        self._observed: list = []
        self._following = False

    def match(self, volumes) -> None:
        """Show these volumes alike from now on, and others no more."""
        for display, tag in self._observed:
            display.RemoveObserver(tag)
        shown = [volume for volume in volumes if volume.GetDisplayNode() is not None]
        self._ranges = {v.GetDisplayNode().GetID(): _range(v, _PERCENTILES[0]) for v in shown}
        self._observed = []
        for volume in shown:
            display = volume.GetDisplayNode()
            _setWindow(display, *self._ranges[display.GetID()])
            self._observed.append((display, display.AddObserver(vtk.vtkCommand.ModifiedEvent, self._follow)))

    def _follow(self, changed, _event) -> None:
        if self._following:
            return
        self._following = True
        try:
            low, high = self._ranges[changed.GetID()]
            ends = (changed.GetWindowLevelMin() - low, changed.GetWindowLevelMax() - low)
            for display, _tag in self._observed:
                if display is not changed:
                    other, top = self._ranges[display.GetID()]
                    _setWindow(display, *(other + end * (top - other) / (high - low) for end in ends))
        finally:
            self._following = False


def _setWindow(display, low: float, high: float) -> None:
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(low, high)


def _range(volume, percentiles) -> tuple[float, float]:
    voxels = slicer.util.arrayFromVolume(volume).ravel()
    voxels = voxels[:: max(1, voxels.size // _MOST_VOXELS)]
    inside = voxels[voxels > voxels.min()]
    low, high = np.percentile(inside if inside.size else voxels, percentiles)
    return low, max(high, low + 1e-6)
