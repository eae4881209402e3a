"""The matrix that a stored transform stands for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_SAME_MM = 1e-2


def linear_matrix(path: Path) -> np.ndarray | None:
    """The matrix (4 x 4, RAS mm) by which an ITK transform file maps points; None if it is not linear.

    Of a comparison's ``from-followup_to-baseline_xfm.h5`` it maps points of the baseline to those of the follow-up.
    """
    import SimpleITK as sitk

    transform = sitk.ReadTransform(str(path))
    lps = np.diag([-1.0, -1.0, 1.0])

    def mapped(points: np.ndarray) -> np.ndarray:
        return np.array([transform.TransformPoint(point.tolist()) for point in points @ lps]) @ lps

    origin = mapped(np.zeros((1, 3)))[0]
    matrix = np.eye(4)
    matrix[:3, :3] = (mapped(100.0 * np.eye(3)) - origin).T / 100.0
    matrix[:3, 3] = origin
    probes = np.array([[60.0, -45.0, 30.0], [-50.0, 70.0, -40.0], [35.0, 20.0, 65.0]])
    linear = np.allclose(probes @ matrix[:3, :3].T + origin, mapped(probes), atol=_SAME_MM)
    return matrix if linear else None
