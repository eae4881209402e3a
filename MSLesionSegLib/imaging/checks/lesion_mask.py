"""Masks of lesions: which label of a file is the lesion is asked and never guessed."""

from __future__ import annotations

import os

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import ImageError, SettingsError
from MSLesionSegLib.imaging.reading import clean_header, lesion_labels_of, read_labels

ALL_LABELS = "all"
# Eight times the largest of 42 masks of MS lesions in three public data sets (52 ml), and a fifth of a large brain.
MOST_LESION_ML = 400
_SHOWN_LABELS = 6


def read_lesion_mask(
    path: str | os.PathLike[str], reference: nib.Nifti1Image | None = None, label: str | None = None
) -> nib.Nifti1Image:
    """Read a mask of lesions: uint8 (X, Y, Z), 1 in the lesions, with the geometry of ``reference`` or its own.

    Args:
        path, reference: as for :func:`~MSLesionSegLib.imaging.reading.read_labels`.
        label: see :func:`parse_label`; None for a file with one label, or a DICOM Segmentation whose codes say which
            segments are lesions.

    Raises:
        ImageError: as by ``read_labels``; several labels of which none was named, or none that was named; a volume
            that no disease has.
        SettingsError: ``label`` is none.
    """
    wanted = parse_label(label)
    image = read_labels(path, reference)
    wanted = lesion_labels_of(image) or None if wanted is None else wanted
    values = np.asarray(image.dataobj)
    labels = np.unique(values[values > 0])
    name = os.path.basename(os.path.abspath(path))
    if wanted is None and len(labels) > 1:
        graded = (
            " A probability map has to be cut at a threshold first." if len(labels) > _SHOWN_LABELS else ""
        )
        raise ImageError(
            f"{name} holds {len(labels)} labels ({_listed(labels)}). Say which is the lesion, for example with "
            f"--lesion-label {labels[-1]}; if each number is a lesion of its own, with --lesion-label {ALL_LABELS}."
            f"{graded}"
        )
    if wanted and len(labels) and not np.isin(labels, wanted).any():
        raise ImageError(
            f"{name} has no label {_listed(wanted)}; what it holds is {_listed(labels)}. Give the label of the "
            "lesions with --lesion-label, or an empty mask if there are none."
        )
    mask = np.isin(values, wanted) if wanted else values > 0
    volume = np.count_nonzero(mask) * abs(np.linalg.det(image.affine[:3, :3])) / 1000
    if volume > MOST_LESION_ML:
        raise ImageError(
            f"{name} marks {volume:.0f} ml as lesion, more than any disease fills (at most {MOST_LESION_ML} ml are "
            "taken): it is probably a mask of the brain or of something else. Give the mask of the lesions."
        )
    header = clean_header(image.header, np.uint8)
    return nib.Nifti1Image(mask.astype(np.uint8), image.affine, header, extra=image.extra)


def parse_label(text: str | None) -> tuple[int, ...] | None:
    """Labels that are lesion: of ``2`` or ``2,3`` these numbers, of ``all`` none in particular, and None of None.

    Raises:
        SettingsError: anything else.
    """
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if words == [ALL_LABELS]:
        return ()
    if not all(word.isascii() and word.isdigit() and 0 < int(word) < 2**31 for word in words):
        raise SettingsError(
            f"The lesion label must be a number from 1 up, several with commas between, or '{ALL_LABELS}'."
        )
    return tuple(int(word) for word in words)


def _listed(labels: np.ndarray | tuple[int, ...]) -> str:
    shown = ", ".join(str(int(label)) for label in labels[:_SHOWN_LABELS])
    return f"{shown} ..." if len(labels) > _SHOWN_LABELS else shown
