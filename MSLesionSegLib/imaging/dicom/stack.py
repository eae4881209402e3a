"""Putting the frames of a series on one straight, even grid, or saying why they do not lie on one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from MSLesionSegLib.errors import ImageError
from MSLesionSegLib.imaging.dicom.frames import Frame

_SAME_PLACE_MM = 0.01
_VOXEL_SHARE = 0.1  # a slice may lie off the common grid by less than this share of a voxel
_MOST_SLANT = 0.01  # sideways over forwards; the shear that any scan may have
_SAME_ECHO = 0.1
_ONE_VOLUME = "Export the images of one volume, for example with dcm2niix."
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def stack(name: str, frames: Sequence[Frame]) -> tuple[list[Frame], np.ndarray]:
    """Sort frames by their position along the slice normal.

    Args:
        name: of the folder, for the sentences.

    Returns:
        The frames, and the affine (4 x 4, RAS mm) of the volume (columns, rows, frames) in that order.

    Raises:
        ImageError: the frames are no evenly spaced straight stack of equal slices: the volume would be distorted
            unseen.
    """
    _check_complete(name, frames)
    _check_parallel(name, frames)
    first = frames[0]
    normal = np.cross(*first.axes)
    frames = sorted(frames, key=lambda frame: float(frame.position @ normal))
    affine = np.eye(4)
    affine[:3, :2] = (first.axes * first.spacing[:, None]).T
    affine[:3, 2] = _step(name, frames, normal)
    affine[:3, 3] = frames[0].position
    _check_one_acquisition(name, frames)
    return frames, _TO_RAS @ affine


def _check_complete(name: str, frames: Sequence[Frame]) -> None:
    if any(frame.position is None or frame.axes is None or frame.spacing is None for frame in frames):
        raise ImageError(
            f"The folder {name} holds DICOM images without a position in space or a pixel size (pictures or derived "
            "images). Give the original series."
        )
    if any(frame.scaling is None for frame in frames):
        raise ImageError(
            f"The folder {name} holds DICOM images with a rescale slope or intercept that is 0 or not a number. "
            "Export the series again."
        )
    sizes = sorted({frame.size for frame in frames})
    if len(sizes) > 1:
        shown = " and ".join(f"{columns} x {rows}" for columns, rows in sizes[:3])
        raise ImageError(
            f"The folder {name} holds a series whose images have different sizes ({shown} pixels). {_ONE_VOLUME}"
        )


def _check_parallel(name: str, frames: Sequence[Frame]) -> None:
    """Compare where each frame's own orientation and pixel size put its far corner."""
    first, size = frames[0], np.array(frames[0].size)
    spacings = np.array([frame.spacing for frame in frames])
    limit = _VOXEL_SHARE * first.spacing.max()
    if (np.ptp(spacings, axis=0) * size).max() > limit:
        low, high = spacings.min(axis=0), spacings.max(axis=0)
        raise ImageError(
            f"The folder {name} holds a series whose images have different pixel sizes ({low[0]:.4g} x {low[1]:.4g} "
            f"to {high[0]:.4g} x {high[1]:.4g} mm). {_ONE_VOLUME}"
        )
    turns = np.array([np.linalg.norm(frame.axes - first.axes, axis=1) for frame in frames])
    if (turns * first.spacing * size).max() > limit:
        angle = np.degrees(2 * np.arcsin(min(turns.max() / 2, 1)))
        raise ImageError(
            f"The folder {name} holds a series whose images are turned against each other (by up to {angle:.2g} "
            f"degrees). {_ONE_VOLUME}"
        )


def _step(name: str, frames: Sequence[Frame], normal: np.ndarray) -> np.ndarray:
    """From each slice to the next one, LPS mm."""
    if len(frames) == 1:
        return normal
    positions = np.array([frame.position for frame in frames])
    distances = np.diff(positions @ normal)
    places = 1 + np.count_nonzero(distances > _SAME_PLACE_MM)
    if places < len(frames):
        raise ImageError(
            f"The folder {name} holds several images of the same slice in one series ({len(frames)} images at "
            f"{places} places: several echoes, time points or copies). {_ONE_VOLUME}"
        )
    step = (positions[-1] - positions[0]) / (len(frames) - 1)
    usual = float(np.median(distances))
    off = positions - positions[0] - np.outer(np.arange(len(frames)), step)
    if np.abs(off @ normal).max() > _VOXEL_SHARE * usual:
        raise ImageError(
            f"The folder {name} holds a series with missing or unevenly spaced slices ({distances.min():.3g} to "
            f"{distances.max():.3g} mm apart, mostly {usual:.3g} mm). Export the whole series again."
        )
    slant = np.linalg.norm(step - (step @ normal) * normal)
    if slant > _MOST_SLANT * usual:
        raise ImageError(
            f"The folder {name} holds a series whose slices are stacked at a slant (gantry tilt of "
            f"{np.degrees(np.arctan2(slant, step @ normal)):.2g} degrees). Convert it to a straight grid, for "
            "example with dcm2niix, and give that file."
        )
    sideways = np.linalg.norm(off - np.outer(off @ normal, normal), axis=1).max()
    if sideways > _VOXEL_SHARE * frames[0].spacing.max():
        raise ImageError(
            f"The folder {name} holds a series whose slices are shifted sideways against each other (by up to "
            f"{sideways:.3g} mm). {_ONE_VOLUME}"
        )
    return step


def _check_one_acquisition(name: str, frames: Sequence[Frame]) -> None:
    for index, what in enumerate(("examinations", "frames of reference (the patient was positioned anew)")):
        count = len({frame.origin[index] for frame in frames})
        if count > 1:
            raise ImageError(f"The folder {name} mixes images of {count} {what} in one series. {_ONE_VOLUME}")
    echoes = [frame.echo_time for frame in frames if frame.echo_time is not None]
    if echoes and max(echoes) - min(echoes) > _SAME_ECHO * max(echoes):
        raise ImageError(
            f"The folder {name} mixes images of several echo times in one series ({min(echoes):.4g} to "
            f"{max(echoes):.4g} ms). {_ONE_VOLUME}"
        )
