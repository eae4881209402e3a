"""The mask of a review: what was found, without what was rejected and erased, with what was painted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from MSLesionSegLib.lesions.components import (
    LesionRule,
    Voxel,
    bounding_box,
    check_probability,
    find_lesions,
    label_components,
)
from MSLesionSegLib.review.component_split import take_rejected_out

Seen = dict[LesionRule, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class MaskChanges:
    """What a person changed about a mask; all voxels are flat indices.

    ``rejected``: voxels by the lesion's number. ``seen``: what was found by a rule that was there, and what of it was
    held back, at the last decision.
    """

    added: np.ndarray
    removed: np.ndarray
    rejected: dict[int, np.ndarray]
    seen: Seen


class ReviewedMask:
    """Keeps a mask that follows both a rule and a person.

    Attributes:
        array: the mask, bool (X, Y, Z).
        automatic: lesions that the rule finds, numbered from 1; 0 outside.
        rule: what counts as a lesion.
        rejected: flat indices of the voxels of rejected lesions, by number.

    Args:
        probability: (X, Y, Z), 0 to 1.
        rule: what counts as a lesion.
        found: a rule and the mask that was found by it, where more than the map decided.

    Raises:
        ImageError: a probability is no number.
    """

    def __init__(
        self, probability: nib.Nifti1Image, rule: LesionRule, found: tuple[LesionRule, np.ndarray] | None
    ) -> None:
        self._probability = np.asarray(probability.dataobj, dtype=np.float32)
        check_probability(self._probability)
        self._steps = probability.affine[:3, :3]
        self._found = found
        self._added = np.zeros(self._probability.shape, bool)
        self._removed = np.zeros(self._probability.shape, bool)
        self._seen: Seen = {}
        self._seen_in: np.ndarray | None = None  # the mask that was looked at last
        self._kept: tuple[np.ndarray, np.ndarray] | None = None  # flat indices of what was added and removed
        self.rejected: dict[int, np.ndarray] = {}
        self.find(rule)
        self.compose(())

    @property
    def edited(self) -> bool:
        """Whether the mask differs from what the rule alone finds."""
        return bool(self.rejected or any(flat.size for flat in self._by_hand()))

    @property
    def changes(self) -> MaskChanges:
        """What the person changed, to come back to."""
        return MaskChanges(*self._by_hand(), dict(self.rejected), dict(self._seen))

    def change_back(self, changes: MaskChanges) -> None:
        """Take what the person changed as it was; :meth:`compose` makes the mask of it."""
        self._added, self._removed = self._image(changes.added), self._image(changes.removed)
        self.rejected, self._seen = dict(changes.rejected), dict(changes.seen)
        self._kept = None

    def like(self, mask: np.ndarray) -> np.ndarray:
        """A mask of others as this one is: bool, of the same shape.

        Raises:
            ValueError: it has another shape.
        """
        mask = np.asarray(mask) != 0
        if mask.shape != self.array.shape:
            raise ValueError(f"the mask has shape {mask.shape}, the review {self.array.shape}")
        return mask

    def find(self, rule: LesionRule) -> None:
        """Look for lesions by another rule; :meth:`compose` makes the mask of it."""
        self.rule = rule
        if self._found is not None and self._found[0] == rule:
            self.automatic, _ = label_components(self._found[1], rule.connectivity)
            return
        voxel_mm3 = abs(float(np.linalg.det(self._steps)))
        self.automatic, _ = find_lesions(self._probability, rule, voxel_mm3)

    def compose(self, accepted: Iterable[Voxel]) -> None:
        """Make the mask from what was found and what was changed.

        ``accepted``: a voxel of every accepted lesion, which stays although it has joined a rejected one.
        """
        mask = (self.automatic > 0) & ~self._removed
        box = bounding_box(mask) if self.rejected else None
        if box is not None:
            self._take_rejected_out(mask, box, accepted)
        self.array = mask | self._added

    def edit(self, mask: np.ndarray, accepted: Iterable[Voxel]) -> None:
        """Take over a mask that was changed by hand: bool (X, Y, Z); ``accepted`` as above."""
        accepted = list(accepted)
        on, off = mask & ~self.array, self.array & ~mask
        self.add(on)
        self._removed |= off
        self._added &= ~off
        self.compose(accepted)
        # where a rejected lesion was painted over, what it had held back is decided by hand too
        self._removed |= self.array & ~mask
        self._added |= mask & ~self.array
        self._kept = None
        if not np.array_equal(self.array, mask):
            self.compose(accepted)

    def add(self, voxels: np.ndarray) -> None:
        """Put voxels (bool, X, Y, Z) into the mask that :meth:`compose` makes."""
        self._kept = None
        self._removed &= ~voxels
        self._added |= voxels
        flat = voxels.ravel()
        for number in [n for n, rejected in self.rejected.items() if flat[rejected].any()]:
            # painted again in part: the rest of it stays away, now voxel by voxel
            rejected = self.rejected.pop(number)
            self._removed.ravel()[rejected[~flat[rejected]]] = True

    def add_voxels(self, voxels: np.ndarray) -> None:
        """As :meth:`add`, for flat indices."""
        self.add(self._image(voxels))

    def reject(self, number: int, voxels: np.ndarray) -> None:
        """Leave a lesion out of the mask that :meth:`compose` makes; ``voxels`` are flat indices."""
        self.see(self.array)
        self._kept = None
        self._added.ravel()[voxels] = False
        self.rejected[number] = voxels

    def take_back(self, number: int) -> None:
        """Let a rejected lesion into the mask that :meth:`compose` makes."""
        self._kept = None
        voxels = self.rejected.pop(number)
        self._seen = {rule: (lesions, held[:0]) for rule, (lesions, held) in self._seen.items()}
        self._added.ravel()[voxels] |= self.automatic.ravel()[voxels] == 0

    def see(self, mask: np.ndarray) -> None:
        """Keep in mind what of the found lesions is in ``mask``, for when another threshold joins them."""
        if mask is self._seen_in and self.rule in self._seen:
            return  # as the last time
        self._seen_in = mask
        found = (self.automatic > 0) & ~self._removed
        self._seen[self.rule] = np.flatnonzero(mask & found), np.flatnonzero(found & ~mask)

    def is_joined(self, voxel: Voxel) -> bool:
        """Whether what was found at ``voxel`` has joined a rejected lesion: acceptance decides what stays of it."""
        found = self.automatic[voxel]
        automatic = self.automatic.ravel()
        return bool(found) and any((automatic[flat] == found).any() for flat in self.rejected.values())

    def forget_seen(self) -> None:
        """Know nothing of decisions that were made before."""
        self._seen.clear()

    def _by_hand(self) -> tuple[np.ndarray, np.ndarray]:
        if self._kept is None:
            self._kept = np.flatnonzero(self._added), np.flatnonzero(self._removed)
        return self._kept

    def _take_rejected_out(self, mask: np.ndarray, box: tuple[slice, ...], accepted: Iterable[Voxel]) -> None:
        """Take rejected lesions, as far as they reach now, out of ``mask``; all of it lies in ``box``.

        Those that stay although they have joined one were there when something was decided, or are accepted or
        painted.
        """
        inside = mask[box]  # a view
        # what was erased may have parted what was found as one
        pieces = self.automatic[box]
        if self._removed.any():
            pieces, _ = label_components(inside, self.rule.connectivity)
        voxels = np.array([np.ravel_multi_index(voxel, mask.shape) for voxel in accepted], int)
        rejected = self._image(*self.rejected.values())[box]
        held = self._image(*(held for _, held in self._seen.values()))[box]
        seen = [self._image(flat)[box] for flat in (*(there for there, _ in self._seen.values()), voxels)]
        seen.append(self._added[box])
        take_rejected_out(inside, pieces, rejected, held, seen, self._steps, self.rule.connectivity)

    def _image(self, *flat: np.ndarray) -> np.ndarray:
        """The mask of voxels that are given by their flat indices."""
        image = np.zeros(self._probability.shape, bool)
        for part in flat:
            image.ravel()[part] = True
        return image
