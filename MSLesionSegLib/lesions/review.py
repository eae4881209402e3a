"""A person's review of found lesions: what was accepted, rejected, grown and painted, and the mask that follows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.lesions.components import (
    LesionRule,
    Voxel,
    bounding_box,
    find_lesions,
    label_components,
    peak_voxels,
)
from MSLesionSegLib.lesions.dividing import nearest_of, part_of_others
from MSLesionSegLib.lesions.growing import outline_missed
from MSLesionSegLib.lesions.regions import RegionMap
from MSLesionSegLib.lesions.remembered import RememberedTable
from MSLesionSegLib.lesions.table import Lesion

OPEN, ACCEPTED, REJECTED = "open", "accepted", "rejected"
LESION = "lesion"


@dataclass(frozen=True)
class ReviewedLesion:
    """A row of the review.

    ``lesion``: the row of the lesion table; ``lesion.id`` is its number in :attr:`Review.labels`, or for a rejected
    one continues after the last of these. ``state``: ``lesion``, or how it changed since the baseline. ``decision``:
    ``open``, ``accepted`` or ``rejected``. ``voxel``: its most probable voxel, by which it is known again after the
    mask has changed.
    """

    lesion: Lesion
    state: str
    decision: str
    voxel: Voxel


@dataclass(frozen=True)
class _Rejected:
    row: ReviewedLesion
    voxels: np.ndarray  # flat indices


@dataclass(frozen=True)
class _Snapshot:
    added: np.ndarray  # flat indices
    removed: np.ndarray
    accepted: frozenset[Voxel]
    rejected: tuple[_Rejected, ...]
    seen: dict[LesionRule, tuple[np.ndarray, np.ndarray]]


class Review:
    """The lesions of one probability map, changed by a person step by step.

    The mask is always: lesions of the map by the rule, without rejected ones and without voxels that were taken
    away, with the voxels that were added. So a new threshold never loses what the person did. Where it joins a
    rejected lesion with others that were there when something was decided, each voxel goes with the nearer of them.

    Args:
        probability: (X, Y, Z), 0 to 1, on the grid of the mask.
        rule: what counts as a lesion.
        regions: the patient's regions, on any grid in the same space.
        states: names of states by label, and their label image (X, Y, Z) on the grid of the mask; a lesion has the
            state of most of its labelled voxels, or ``default_state``.
        default_state: of lesions without a labelled voxel.
        found: a rule and the mask (X, Y, Z) that was found by it, where more than the map decided; other rules look
            at the map alone.
    """

    _MOST_UNDO = 50

    def __init__(
        self,
        probability: nib.Nifti1Image,
        rule: LesionRule,
        regions: RegionMap | None = None,
        states: tuple[Mapping[int, str], np.ndarray] | None = None,
        default_state: str = LESION,
        found: tuple[LesionRule, np.ndarray] | None = None,
    ) -> None:
        self.affine = probability.affine
        self.rule = rule
        self.regions = regions
        self._probability = np.asarray(probability.dataobj, dtype=np.float32)
        self._states = states
        self._default_state = default_state
        self._found = found
        self._voxel_mm3 = abs(float(np.linalg.det(self.affine[:3, :3])))
        self._added = np.zeros(self._probability.shape, bool)
        self._removed = np.zeros(self._probability.shape, bool)
        self._accepted: set[Voxel] = set()
        self._rejected: list[_Rejected] = []
        # what was found that was there, and was held back, at the last decision by a rule: flat indices
        self._seen: dict[LesionRule, tuple[np.ndarray, np.ndarray]] = {}
        self._undo: list[_Snapshot] = []
        self._rows: tuple[ReviewedLesion, ...] | None = None
        self._labels: np.ndarray | None = None
        self._table = RememberedTable(nib.Nifti1Image(self._probability, self.affine), regions)
        self._find()

    @property
    def mask(self) -> np.ndarray:
        """The mask as reviewed: bool (X, Y, Z)."""
        return self._mask

    @property
    def labels(self) -> np.ndarray:
        """Lesions of the mask numbered from the largest: int32 (X, Y, Z)."""
        if self._labels is None:
            self._labels, _ = label_components(self._mask, self.rule.connectivity)
        return self._labels

    @property
    def rows(self) -> tuple[ReviewedLesion, ...]:
        """All lesions, those in the mask first, then rejected ones."""
        if self._rows is None:
            self._rows = tuple(self._described())
        return self._rows

    def describe(self) -> Iterator[None]:
        """Prepare :attr:`rows` in steps of a lesion, for a window that is to stay alive meanwhile.

        Nothing depends on it: whoever reads the rows before the end has the rest made at once.
        """
        if self._rows is None:
            labels = self.labels
            yield
            yield from self._table.learn(labels)

    @property
    def lesions(self) -> list[Lesion]:
        """The lesions of the mask."""
        return [row.lesion for row in self.rows if row.decision != REJECTED]

    @property
    def progress(self) -> tuple[int, int]:
        """How many lesions were decided upon, and of how many."""
        return sum(row.decision != OPEN for row in self.rows), len(self.rows)

    @property
    def edited(self) -> bool:
        """Whether the mask differs from what the rule alone finds."""
        return bool(self._rejected or self._added.any() or self._removed.any())

    @property
    def can_undo(self) -> bool:
        return bool(self._undo)

    def set_rule(self, rule: LesionRule) -> None:
        """Take another threshold or minimum size. What the person changed stays changed."""
        self.rule = rule
        self._find()

    def set_mask(self, mask: np.ndarray) -> None:
        """Take over a mask that was edited by hand: non-zero inside, same shape."""
        mask = np.asarray(mask) != 0
        if mask.shape != self._mask.shape:
            raise ValueError(f"the mask has shape {mask.shape}, the review {self._mask.shape}")
        on, off = mask & ~self._mask, self._mask & ~mask
        if not on.any() and not off.any():
            return
        self._remember()
        self._add(on)
        self._removed |= off
        self._added &= ~off
        self._compose()
        # where a rejected lesion was painted over, what it had held back is decided by hand too
        self._removed |= self._mask & ~mask
        self._added |= mask & ~self._mask
        if not np.array_equal(self._mask, mask):
            self._compose()

    def accept(self, number: int) -> None:
        """Say that lesion ``number`` is right; a rejected one comes back."""
        row = self._row(number)
        self._remember()
        if row.decision == REJECTED:
            self._take_back(number)
        self._accepted.add(row.voxel)
        self._compose()
        self._see(self._mask)

    def reject(self, number: int) -> None:
        """Say that lesion ``number`` is none: it leaves the mask and stays in the list."""
        row = self._row(number)
        if row.decision == REJECTED:
            return
        self._remember()
        self._see(self._mask)
        voxels = np.flatnonzero(self.labels == number)
        self._accepted = {v for v in self._accepted if self.labels[v] != number}
        self._added.ravel()[voxels] = False
        self._rejected.append(_Rejected(replace(row, decision=REJECTED), voxels))
        self._compose()

    def grow(self, ras: Sequence[float]) -> int:
        """Add a missed lesion at a point (mm, RAS), outlined where the map is at least half as sure as at its peak.

        Where the map shows nothing a small ball is put, to be corrected by hand. Returns the number of the lesion.

        Raises:
            SettingsError: the point lies outside the scan, or in a lesion that is marked already.
        """
        seed = self.voxel_at(ras)
        if self._mask[seed]:
            raise SettingsError("This place is marked as lesion already. Point at the missed lesion itself.")
        missed, peak = outline_missed(
            self._probability, self._mask, self.affine, seed, self.rule.connectivity
        )
        self._remember()
        self._add(missed)
        self._compose()
        number = int(self.labels[peak])
        self._accepted.add(self._row(number).voxel)
        self._rows = None
        return number

    def undo(self) -> bool:
        """Take back the last step; False if there is none."""
        if not self._undo:
            return False
        last = self._undo.pop()
        for array, flat in ((self._added, last.added), (self._removed, last.removed)):
            array[...] = False
            array.ravel()[flat] = True
        self._accepted, self._rejected = set(last.accepted), list(last.rejected)
        self._seen = dict(last.seen)
        self._compose()
        return True

    def voxel_at(self, ras: Sequence[float]) -> Voxel:
        """The voxel at a point in mm RAS.

        Raises:
            SettingsError: it lies outside the scan.
        """
        voxel = np.rint(nib.affines.apply_affine(np.linalg.inv(self.affine), np.asarray(ras, float))).astype(
            int
        )
        if (voxel < 0).any() or (voxel >= self._probability.shape).any():
            raise SettingsError("The crosshair lies outside the scan. Click into the lesion first.")
        return tuple(int(v) for v in voxel)

    def number_at(self, voxel: Voxel) -> int | None:
        """Number of the row that ``voxel`` belongs to, or None."""
        number = int(self.labels[voxel])
        if number:
            return number
        return next((row.lesion.id for row in self.rows if row.voxel == voxel), None)

    def decisions(self) -> dict[str, list[list[int]]]:
        """The decisions as JSON types, to be kept with the mask; :meth:`restore` takes them back."""
        accepted = sorted(voxel for voxel in self._accepted if self._mask[voxel])
        rejected = [rejected.row.voxel for rejected in self._rejected]
        return {ACCEPTED: [list(v) for v in accepted], REJECTED: [list(v) for v in rejected]}

    def restore(self, mask: np.ndarray, decisions: Mapping[str, Iterable[Sequence[int]]]) -> None:
        """Go on with a review whose mask and decisions were kept; decisions whose lesion is gone are left out."""
        mask = np.asarray(mask) != 0
        if mask.shape == self._mask.shape:
            self._rejected = self._rejected_again(mask, decisions.get(REJECTED, ()))
            self._seen.clear()
            self._see(mask)
            self._compose()
        self.set_mask(mask)
        inside = (tuple(v) for v in decisions.get(ACCEPTED, ()) if self._inside(v))
        self._accepted = {voxel for voxel in inside if self._mask[voxel]}
        self._rows = None
        self._undo.clear()

    def summary(self) -> dict[str, Any]:
        """Numbers of the review for its record: decisions, and voxels that differ from what was found."""
        decided = [row.decision for row in self.rows]
        automatic = self._automatic > 0
        return {
            "lesions": len(self.lesions),
            "accepted": decided.count(ACCEPTED),
            "rejected": decided.count(REJECTED),
            "open": decided.count(OPEN),
            "voxels_added": int(np.count_nonzero(self._mask & ~automatic)),
            "voxels_removed": int(np.count_nonzero(automatic & ~self._mask)),
        }

    def _find(self) -> None:
        if self._found is not None and self._found[0] == self.rule:
            self._automatic, _ = label_components(self._found[1], self.rule.connectivity)
            self._compose()
            return
        # most of a scan is no lesion: work on the part that may be
        box = bounding_box(self._probability >= self.rule.threshold)
        self._automatic = np.zeros(self._probability.shape, np.int32)
        if box is not None:
            self._automatic[box], _ = find_lesions(self._probability[box], self.rule, self._voxel_mm3)
        self._compose()

    def _compose(self) -> None:
        """Make the mask from what was found and what was changed."""
        mask = (self._automatic > 0) & ~self._removed
        box = bounding_box(mask) if self._rejected else None
        if box is not None:
            self._take_rejected_out(mask, box)
        self._mask = mask | self._added
        self._rows = self._labels = None

    def _take_rejected_out(self, mask: np.ndarray, box: tuple[slice, ...]) -> None:
        """Take rejected lesions, as far as they reach now, out of ``mask``; all of it lies in ``box``.

        A lower threshold may join one with others: lesions that were there when something was decided, accepted or
        painted ones.
        """
        from scipy.ndimage import find_objects

        rejected = self._image(np.concatenate([r.voxels for r in self._rejected]))[box]
        inside = mask[box]  # a view
        # what was erased may have parted what was found as one
        pieces = self._automatic[box]
        if self._removed.any():
            pieces, _ = label_components(inside, self.rule.connectivity)
        accepted = [np.ravel_multi_index(voxel, mask.shape) for voxel in self._accepted]
        there = [lesions for lesions, _ in self._seen.values()]
        seen = [self._image(flat)[box] for flat in (*there, np.array(accepted, int))]
        held = self._image(np.concatenate([np.zeros(0, int), *(held for _, held in self._seen.values())]))[
            box
        ]
        seen.append(self._added[box])
        places = find_objects(pieces)
        for number in np.unique(pieces[rejected & inside]):
            place = places[number - 1]
            piece = pieces[place] == number
            others = part_of_others(
                piece,
                rejected[place],
                held[place],
                [image[place] for image in seen],
                self.affine[:3, :3],
                self.rule.connectivity,
            )
            inside[place] &= ~piece | others

    def _image(self, flat: np.ndarray) -> np.ndarray:
        """The mask of voxels that are given by their flat indices."""
        image = np.zeros(self._probability.shape, bool)
        image.ravel()[flat] = True
        return image

    def _described(self) -> list[ReviewedLesion]:
        table = self._table.describe(self.labels)
        box = bounding_box(self._mask) or tuple(slice(0, 1) for _ in range(3))
        peaks = peak_voxels(self.labels, self._probability, len(table), box)
        states = self._states_of(len(table), box)
        accepted = {int(self.labels[voxel]) for voxel in self._accepted}
        rows = [
            ReviewedLesion(lesion, state, ACCEPTED if lesion.id in accepted else OPEN, peak)
            for lesion, state, peak in zip(table, states, peaks, strict=True)
        ]
        for number, rejected in enumerate(self._rejected, start=len(rows) + 1):
            rows.append(replace(rejected.row, lesion=replace(rejected.row.lesion, id=number)))
        return rows

    def _states_of(self, count: int, box: tuple[slice, ...]) -> list[str]:
        """The state of every lesion; all lesions lie in ``box``."""
        if self._states is None:
            return [self._default_state] * count
        names, image = self._states
        labels, codes = self.labels[box], image[box]
        known = (labels > 0) & (codes > 0)
        votes = np.zeros((count + 1, int(codes.max()) + 1), int)
        np.add.at(votes, (labels[known], codes[known]), 1)
        return [names.get(int(code), self._default_state) for code in votes[1:].argmax(axis=1)]

    def _row(self, number: int) -> ReviewedLesion:
        for row in self.rows:
            if row.lesion.id == number:
                return row
        raise SettingsError(f"There is no lesion {number}.")

    def _take_back(self, number: int) -> None:
        rejected = self._rejected.pop(number - len(self.lesions) - 1)
        self._seen = {rule: (lesions, held[:0]) for rule, (lesions, held) in self._seen.items()}
        flat = rejected.voxels
        self._added.ravel()[flat] |= self._automatic.ravel()[flat] == 0

    def _rejected_again(self, mask: np.ndarray, kept: Iterable[Sequence[int]]) -> list[_Rejected]:
        """Rejected lesions by a voxel of each: what was found around it and is not in ``mask``."""
        from scipy.ndimage import find_objects

        away, _ = label_components((self._automatic > 0) & ~mask, self.rule.connectivity)
        places = find_objects(away)
        voxels = [v for v in dict.fromkeys(tuple(v) for v in kept) if self._inside(v) and away[v]]
        labels = np.zeros_like(away)
        for part in {int(away[v]) for v in voxels}:
            place = places[part - 1]
            inside = away[place] == part
            numbers = [n for n, v in enumerate(voxels, start=1) if away[v] == part]
            centres = np.array([voxels[n - 1] for n in numbers]) - [p.start for p in place]
            labels[place][inside] = np.array(numbers)[nearest_of(inside, centres, self.affine[:3, :3])]
        self._mask, self._labels = labels > 0, labels
        return [
            _Rejected(replace(row, decision=REJECTED, voxel=voxel), np.flatnonzero(labels == row.lesion.id))
            for row, voxel in zip(self._described(), voxels, strict=True)
        ]

    def _see(self, mask: np.ndarray) -> None:
        """Keep in mind what of the found lesions is in ``mask``, for when another threshold joins them."""
        found = (self._automatic > 0) & ~self._removed
        self._seen[self.rule] = np.flatnonzero(mask & found), np.flatnonzero(found & ~mask)

    def _add(self, voxels: np.ndarray) -> None:
        self._removed &= ~voxels
        self._added |= voxels
        flat = voxels.ravel()
        for rejected in [r for r in self._rejected if flat[r.voxels].any()]:
            # painted again in part: the rest of it stays away, now voxel by voxel
            self._rejected.remove(rejected)
            rest = rejected.voxels[~flat[rejected.voxels]]
            self._removed.ravel()[rest] = True

    def _inside(self, voxel: Sequence[int]) -> bool:
        return len(voxel) == 3 and all(0 <= v < n for v, n in zip(voxel, self._mask.shape, strict=True))

    def _remember(self) -> None:
        self._undo.append(
            _Snapshot(
                np.flatnonzero(self._added),
                np.flatnonzero(self._removed),
                frozenset(self._accepted),
                tuple(self._rejected),
                dict(self._seen),
            )
        )
        del self._undo[: -self._MOST_UNDO]
