"""Patients from anatomical label maps of whole heads: many different brains in any contrast.

After SynthSeg (Billot et al. 2023, Med Image Anal 86:102789), with intensities like those of a FLAIR by default.
"""

from __future__ import annotations

from typing import Literal

import nibabel as nib
import numpy as np
from scipy import ndimage

from MSLesionSegLib.synthesis.anatomy import Anatomy
from MSLesionSegLib.synthesis.deformation import other_head, smooth_field
from MSLesionSegLib.synthesis.lesions import Shape, insert_lesions, overlap
from MSLesionSegLib.synthesis.patient import (
    BRAIN_UNIT,
    SyntheticPatient,
    acquired_patient,
    lesion_places,
)

Look = Literal["flair", "random"]

# FreeSurfer's numbers; 25 and 57 are white-matter lesions, which become white matter
_WHITE = (2, 41, 25, 57)
_CORTEX = (3, 42)
_FLUID = (4, 5, 14, 15, 24, 43, 44, 72)
_VENTRICLES = (4, 43, 14)
_LEFT, _RIGHT = 4, 43
_SURROUNDING = 24  # cerebrospinal fluid in sulci and around the brain
_OUTSIDE = 500  # from here on everything is outside the brain
# brightness on FLAIR, cerebral white matter being 1; structures of a row share one draw
_FLAIR: dict[tuple[int, ...], tuple[float, float]] = {
    _WHITE: (1.0, 1.0),
    _FLUID: (0.12, 0.45),
    _CORTEX: (1.08, 1.4),
    (7, 46): (0.9, 1.05),  # white matter and
    (8, 47): (1.0, 1.3),  # cortex of the cerebellum
    (10, 49): (0.95, 1.2),  # thalamus
    (11, 50, 136, 137, 163, 164): (1.1, 1.45),  # caudate and what lines the ventricles beside it
    (12, 51): (1.0, 1.3),  # putamen
    (13, 52): (0.75, 1.05),  # pallidum
    (16, 28, 60, 85): (0.9, 1.15),  # brainstem, ventral diencephalon, optic chiasm
    (17, 18, 53, 54): (1.15, 1.5),  # hippocampus and amygdala
    (26, 58): (1.15, 1.45),  # accumbens
    (30, 62): (0.3, 1.6),  # vessels
}
_MARGIN_MM = 14
_HEAD = (0.03, 2.4)  # brightness of each tissue outside the brain
_ANY = (0.05, 2.0)  # brightness of anything in a random contrast


def label_map_patient(
    labels: nib.Nifti1Image,
    seed: int,
    *,
    lesions: int = 0,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    skull: bool = True,
    look: Look = "flair",
    pathology: str = "ms",
    shapes: Shape | None = None,
) -> SyntheticPatient:
    """Make a patient of a head's label map. The same arguments give the same patient, bit for bit.

    Bright normal structures are there on purpose, since a network must learn that they are no lesions: caps and rims
    of the ventricles, choroid plexus, septum, caudate and hippocampus, uneven cortex.

    Args:
        labels: whole head, FreeSurfer's numbers inside the brain and 500 and more outside, (X, Y, Z), 1 mm RAS.
        seed: source of chance.
        lesions: how many lesions are put in; some may touch and become one.
        spacing, skull, pathology, shapes: see :func:`~MSLesionSegLib.synthesis.patient.synthetic_patient`.
        look: brightness of the structures like on a FLAIR, or at random.
    """
    rng = np.random.default_rng(seed)
    if not skull:
        labels = _brain_only(labels)
    numbers = np.asarray(labels.dataobj).astype(np.int16)
    if rng.random() < 0.5:
        numbers = numbers[::-1]
    source = other_head(np.isin(numbers, _VENTRICLES).astype(np.float32), rng)
    numbers = ndimage.map_coordinates(numbers, source, order=0, mode="constant")
    anatomy = _anatomy(numbers, labels.affine)
    means = _brightness(numbers, look, rng)
    signal = means[numbers]
    if look == "flair":
        signal = _normal_bright(signal, numbers, anatomy, rng)
    texture = 1 + rng.uniform(0.01, 0.05) * smooth_field(signal.shape, 6, rng)
    texture += rng.uniform(0.02, 0.08) * smooth_field(signal.shape, 30, rng)
    signal = ndimage.gaussian_filter(signal * texture, rng.uniform(0.4, 0.8)).astype(np.float32)
    soft = np.zeros_like(signal)
    if lesions:
        places = lesion_places(anatomy, pathology)
        signal, soft = insert_lesions(signal, soft, places, lesions, rng, pathology, shapes, BRAIN_UNIT)
    return acquired_patient(signal, soft, anatomy.brain, anatomy.affine, rng, spacing=spacing, skull=skull)


def _brain_only(labels: nib.Nifti1Image) -> nib.Nifti1Image:
    places = np.argwhere(np.isin(np.asarray(labels.dataobj), _WHITE + _CORTEX + (8, 16, 47)))
    start = np.maximum(places.min(0) - _MARGIN_MM, 0)
    return labels.slicer[tuple(slice(a, b + _MARGIN_MM) for a, b in zip(start, places.max(0), strict=True))]


def _anatomy(numbers: np.ndarray, affine: np.ndarray) -> Anatomy:
    white = np.isin(numbers, _WHITE)
    fluid = np.isin(numbers, _FLUID)
    inside = (numbers > 0) & (numbers < _OUTSIDE) & (numbers != _SURROUNDING)
    # sulci belong to the brain, the wide fluid around it does not
    brain = ndimage.binary_fill_holes(ndimage.binary_closing(inside, iterations=5))
    return Anatomy(
        white=white.astype(np.float32),
        grey=(inside & ~white & ~fluid).astype(np.float32),
        fluid=(fluid & brain).astype(np.float32),
        brain=brain.astype(np.float32),
        ventricles=np.isin(numbers, _VENTRICLES).astype(np.float32),
        affine=affine,
    )


def _brightness(numbers: np.ndarray, look: Look, rng: np.random.Generator) -> np.ndarray:
    """Mean signal by number, 0 for air."""
    means = np.zeros(int(numbers.max()) + 1, np.float32)
    rest = [int(n) for n in np.unique(numbers) if n > 0 and not any(n in row for row in _FLAIR)]
    for row, limits in [*_FLAIR.items(), *(((n,), _HEAD) for n in rest)]:
        level = rng.uniform(*(limits if look == "flair" else _ANY))
        means[[n for n in row if n < len(means)]] = level
    return means


def _normal_bright(
    signal: np.ndarray, numbers: np.ndarray, anatomy: Anatomy, rng: np.random.Generator
) -> np.ndarray:
    shape = signal.shape
    signal = signal * (1 + rng.uniform(0, 0.15) * smooth_field(shape, 25, rng) * (anatomy.grey > 0))
    distance = ndimage.distance_transform_edt(anatomy.ventricles < 0.5)
    patchy = np.clip(0.5 + smooth_field(shape, 20, rng), 0, 1)
    rim = rng.uniform(0, 0.5) * np.exp(-distance / rng.uniform(1.0, 2.5)) * patchy
    signal = signal + rim * anatomy.white
    left, right = (ndimage.binary_dilation(numbers == side, iterations=2) for side in (_LEFT, _RIGHT))
    signal = np.where(left & right, rng.uniform(0.8, 1.3), signal)  # septum
    for side in (_LEFT, _RIGHT):
        places = np.argwhere(numbers == side)
        if not len(places):
            continue
        rear = places[places[:, 1] <= np.quantile(places[:, 1], 0.35)]
        for centre in rear[rng.integers(len(rear), size=rng.integers(1, 4))]:  # choroid plexus
            ball = ((np.indices((11, 11, 11)) - 5) ** 2).sum(0) < rng.uniform(1.5, 4.5) ** 2
            box, part = overlap(shape, ball.shape, centre)
            signal[box][ball[part] & np.isin(numbers[box], _VENTRICLES)] = rng.uniform(0.7, 1.5)
    return signal
