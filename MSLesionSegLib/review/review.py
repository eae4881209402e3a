"""A person's review of found lesions: what was accepted, rejected, grown and painted, and the mask that follows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import nibabel as nib
import numpy as np

from MSLesionSegLib.errors import SettingsError
from MSLesionSegLib.lesions.components import (
    LesionRule,
    Voxel,
    label_components,
    peak_voxels,
    voxels_by_label,
    voxels_near,
)
from MSLesionSegLib.lesions.lesion_confidence import LesionConfidence
from MSLesionSegLib.lesions.regions import RegionMap
from MSLesionSegLib.lesions.table import Lesion
from MSLesionSegLib.review.decision_record import (
    DecisionRecord,
    JsonDecisions,
    KeptRejection,
    rejected_labels,
)
from MSLesionSegLib.review.decisions import (
    ACCEPTED,
    IN_MASK,
    LESION,
    OPEN,
    POSSIBLE,
    REJECTED,
    ReviewedLesion,
)
from MSLesionSegLib.review.listing import Listing
from MSLesionSegLib.review.numbering import Numbering
from MSLesionSegLib.review.region_growing import outline_missed, seed_at
from MSLesionSegLib.review.reviewed_mask import ReviewedMask
from MSLesionSegLib.review.undo_step import MOST_STEPS, UndoStep


class Review:
    """The lesions of one probability map, changed by a person step by step.

    The mask is always: lesions of the map by the rule, without rejected ones and without voxels that were taken
    away, with the voxels that were added. So a new threshold never loses what the person did. Where it joins a
    rejected lesion with others that were there when something was decided, each voxel goes with the nearer of them.
    A lesion keeps its number for good; at first they are numbered from the largest.

    Args:
        probability: (X, Y, Z), 0 to 1, on the grid of the mask.
        rule: what counts as a lesion.
        regions: the patient's regions, on any grid in the same space.
        states: names of states by label, and their label image (X, Y, Z) on the grid of the mask; a lesion has the
            state of most of its labelled voxels, or ``default_state``.
        default_state: of lesions without a labelled voxel.
        found: a rule and the mask (X, Y, Z) that was found by it, where more than the map decided; other rules look
            at the map alone.
        possible, confidence: what may be a lesion besides (X, Y, Z), by rank; how often such lesions were true.
    """

    def __init__(
        self,
        probability: nib.Nifti1Image,
        rule: LesionRule,
        regions: RegionMap | None = None,
        states: tuple[Mapping[int, str], np.ndarray] | None = None,
        default_state: str = LESION,
        found: tuple[LesionRule, np.ndarray] | None = None,
        possible: np.ndarray | None = None,
        confidence: LesionConfidence | None = None,
    ) -> None:
        self.affine = probability.affine
        self.regions = regions
        self._probability = np.asarray(probability.dataobj, dtype=np.float32)
        self._mask = ReviewedMask(probability, rule, found)
        self._numbering = Numbering()
        self._accepted: set[int] = set()
        self._rejected: dict[int, ReviewedLesion] = {}
        self._undo: list[UndoStep] = []
        kept = nib.Nifti1Image(self._probability, self.affine)
        self._listing = Listing(kept, regions, states, default_state, possible, confidence)
        self._rows: tuple[ReviewedLesion, ...] | None = None
        self._labels: np.ndarray | None = None
        self._parts: tuple[np.ndarray, dict[int, Voxel]] | None = None

    @property
    def rule(self) -> LesionRule:
        """What counts as a lesion."""
        return self._mask.rule

    @property
    def mask(self) -> np.ndarray:
        """The mask as reviewed: bool (X, Y, Z)."""
        return self._mask.array

    @property
    def labels(self) -> np.ndarray:
        """Lesions of the mask by their numbers: int32 (X, Y, Z)."""
        if self._labels is None:
            self._labels = self._numbering.labels(*self._components(), self._mask.rejected)
        return self._labels

    @property
    def rows(self) -> tuple[ReviewedLesion, ...]:
        """All lesions by number, those in the mask first, then possible ones by rank, then rejected ones."""
        if self._rows is None:
            listing, peaks, rejected = self._listing, self._components()[1].values(), self._mask.rejected
            self._rows = (
                *listing.in_mask(self.labels, peaks, self._accepted_voxels()),
                *listing.possible(self.mask, self._numbering, rejected),
                *(self._rejected[number] for number in sorted(rejected)),
            )
        return self._rows

    def describe(self) -> Iterator[None]:
        """Prepare :attr:`rows` in steps of a lesion, for a window that is to stay alive meanwhile.

        Nothing depends on it: whoever reads the rows before the end has the rest made at once.
        """
        if self._rows is None:
            labels = self.labels
            yield
            yield from self._listing.learn(labels)

    @property
    def lesions(self) -> list[Lesion]:
        """The lesions of the mask."""
        return [row.lesion for row in self.rows if row.decision in IN_MASK]

    @property
    def progress(self) -> tuple[int, int]:
        """How many lesions were decided upon, and of how many; possible ones ask for no decision."""
        asked = [row.decision for row in self.rows if row.decision != POSSIBLE]
        return sum(decision != OPEN for decision in asked), len(asked)

    @property
    def edited(self) -> bool:
        """Whether the mask differs from what the rule alone finds."""
        return self._mask.edited

    @property
    def possible_places(self) -> np.ndarray:
        """Where (mm, RAS) the possible lesions that are in the mask are most probable: (N, 3)."""
        voxels = [each.voxel for each in self._listing.candidates.taken(self.mask)]
        return nib.affines.apply_affine(self.affine, np.reshape(voxels, (-1, 3)))

    @property
    def can_undo(self) -> bool:
        return bool(self._undo)

    def number_by(self, labels: np.ndarray) -> None:
        """Take over the numbers of a label image (X, Y, Z) of these lesions, such as those of a result's table."""
        inside = np.where(self.mask, labels, 0)
        self._numbering = Numbering(
            peak_voxels(labels, self._probability) | peak_voxels(inside, self._probability)
        )
        self._forget_rows()

    def set_rule(self, rule: LesionRule) -> None:
        """Take another threshold or minimum size. What the person changed stays changed."""
        self._mask.find(rule)
        self._compose()

    def set_mask(self, mask: np.ndarray) -> None:
        """Take over a mask that was edited by hand: non-zero inside, same shape.

        What lies apart from all that was there is accepted by the person who painted it.
        """
        mask = self._mask.like(mask)
        if np.array_equal(mask, self.mask):
            return
        before = voxels_by_label(self.labels) | self._mask.rejected
        self._remember()
        self._mask.edit(mask, self._accepted_voxels())
        self._forget_rows()
        self._follow(before)

    def accept(self, number: int) -> None:
        """Say that lesion ``number`` is right; a rejected one comes back, a possible one comes into the mask."""
        row = self._row(number)
        self._remember()
        if row.decision == REJECTED:
            self._mask.take_back(number)
            del self._rejected[number]
        elif row.decision == POSSIBLE:
            self._mask.add_voxels(self._listing.candidates.voxels[number])
        self._accepted.add(number)
        if row.decision not in IN_MASK or self._mask.is_joined(self._numbering.anchors[number]):
            self._compose()
        else:  # the mask stays, and the other rows with it
            accepted = replace(row, decision=ACCEPTED)
            self._rows = tuple(accepted if each is row else each for each in self.rows)
        self._mask.see(self.mask)

    def reject(self, number: int) -> None:
        """Say that lesion ``number`` is none: it leaves the mask and stays in the list."""
        row = self._row(number)
        if row.decision == REJECTED:
            return
        self._remember()
        labels, anchors = self.labels, self._numbering.anchors
        self._accepted = {n for n in self._accepted if labels[anchors[n]] != number}
        self._rejected[number] = replace(row, decision=REJECTED)
        possible = self._listing.candidates.voxels
        known = possible[number] if row.decision == POSSIBLE else np.flatnonzero(labels == number)
        self._mask.reject(number, known)
        self._compose()

    def grow(self, ras: Sequence[float]) -> int:
        """Add a missed lesion at a point (mm, RAS), outlined where the map is at least half as sure as at its peak.

        Where the map shows nothing a small ball is put, to be corrected by hand. Returns the number of the lesion.

        Raises:
            SettingsError: the point lies outside the scan, or in a lesion that is marked already.
        """
        seed = seed_at(ras, self.affine, self.mask.shape)
        if self.mask[seed]:
            raise SettingsError("This place is marked as lesion already. Point at the missed lesion itself.")
        missed, peak = outline_missed(self._probability, self.mask, self.affine, seed, self.rule.connectivity)
        before = voxels_by_label(self.labels) | self._mask.rejected
        self._remember()
        self._mask.add(missed)
        self._compose()
        self._follow(before)
        number = int(self.labels[peak])
        self._accepted.add(number)
        return number

    def undo(self) -> bool:
        """Take back the last step; False if there is none."""
        if not self._undo:
            return False
        last = self._undo.pop()
        self._mask.change_back(last.changes)
        self._accepted, self._rejected = set(last.accepted), dict(last.rejected)
        self._numbering.anchors |= last.anchors  # what was seen since keeps its number too
        self._compose()
        return True

    def number_at(self, voxel: Voxel) -> int | None:
        """Number of the lesion that ``voxel`` belongs to, in the mask, possible or rejected, or None."""
        number = int(self.labels[voxel])
        if number:
            return number
        flat = np.ravel_multi_index(voxel, self.mask.shape)
        return next((n for n, voxels in self._outside().items() if flat in voxels), None)

    def voxels_of(self, number: int) -> np.ndarray:
        """Voxels of a lesion, in the mask, possible or rejected: (N, 3)."""
        flat = self._outside().get(number)
        if flat is not None:
            return np.stack(np.unravel_index(flat, self.mask.shape), axis=1)
        row = self._row(number)
        reach = row.lesion.longest_axis_mm * np.linalg.norm(np.linalg.inv(self.affine[:3, :3]), axis=1)
        return voxels_near(self.labels, number, row.voxel, np.ceil(reach).astype(int))

    def listed_as(self, number: int) -> int | None:
        """The number that a lesion is listed by now: its own, or that of what it has joined; None if it is gone."""
        if any(row.lesion.id == number for row in self.rows):
            return number
        anchor = self._numbering.anchors.get(number)
        return None if anchor is None else self.number_at(anchor)

    def decisions(self) -> JsonDecisions:
        """Decisions and numbers, to be kept with the mask; :meth:`restore` takes them back."""
        kept = [
            KeptRejection(self._rejected[n].voxel, n, voxels) for n, voxels in self._mask.rejected.items()
        ]
        return DecisionRecord(self._numbering.anchors, self._accepted_voxels(), kept).written()

    def restore(self, mask: np.ndarray, decisions: Mapping[str, Iterable[Sequence[int]]]) -> None:
        """Go on with a review whose mask and decisions were kept; decisions whose lesion is gone are left out.

        Records of earlier versions hold no numbers: then lesions are numbered anew, rejected ones last.
        """
        mask = self._mask.like(mask)
        kept = DecisionRecord.read(decisions, mask.shape)
        self._numbering = Numbering(kept.anchors)
        if not kept.anchors:
            components, _ = label_components(mask, self.rule.connectivity)
            self._numbering.of(components, peak_voxels(components, self._probability), ())
        self._restore_rejected(mask, kept.rejected)
        self._mask.forget_seen()
        self._mask.see(mask)
        self._mask.compose(())
        self._mask.edit(mask, ())
        self._forget_rows()
        numbers = {anchor: number for number, anchor in self._numbering.anchors.items()}
        self._accepted = {numbers.get(voxel, int(self.labels[voxel])) for voxel in kept.accepted} - {0}
        self._undo.clear()

    def _compose(self) -> None:
        self._mask.compose(self._accepted_voxels())
        self._forget_rows()

    def _forget_rows(self) -> None:
        self._rows = self._labels = self._parts = None

    def _components(self) -> tuple[np.ndarray, dict[int, Voxel]]:
        """Components of the mask, numbered from the largest, and the most probable voxel of each."""
        if self._parts is None:
            components, _ = label_components(self.mask, self.rule.connectivity)
            self._parts = components, peak_voxels(components, self._probability)
        return self._parts

    def _accepted_voxels(self) -> list[Voxel]:
        return [self._numbering.anchors[number] for number in self._accepted]

    def _outside(self) -> dict[int, np.ndarray]:
        """Flat indices of the voxels of what is listed and not in the mask, by number."""
        listed = {row.lesion.id for row in self.rows if row.decision == POSSIBLE}
        return self._mask.rejected | {number: self._listing.candidates.voxels[number] for number in listed}

    def _row(self, number: int) -> ReviewedLesion:
        for row in self.rows:
            if row.lesion.id == number:
                return row
        raise SettingsError(f"There is no lesion {number}.")

    def _follow(self, before: Mapping[int, np.ndarray]) -> None:
        """Let lesions keep their numbers after a change by hand, and accept what is all new.

        ``before``: flat indices of the voxels of every lesion, by number, rejected ones as well.
        """
        components, peaks = self._components()
        followed = {n: voxels for n, voxels in before.items() if n not in self._mask.rejected}
        self._numbering.follow(followed, components, peaks)
        flat = components.ravel()
        touched = [np.unique(flat[voxels]) for n, voxels in followed.items() if n not in self._rejected]
        self._accepted |= {int(self.labels[peaks[part]]) for part in {*peaks}.difference(*touched)}
        self._rejected = {number: self._rejected[number] for number in self._mask.rejected}

    def _restore_rejected(self, mask: np.ndarray, kept: Sequence[KeptRejection]) -> None:
        found = self._mask.automatic > 0
        labels = rejected_labels(kept, found, mask, self.affine[:3, :3], self.rule.connectivity)
        places = {each.voxel: number for number, each in enumerate(kept, start=1)}
        self._rejected, self._mask.rejected = {}, {}
        for row in self._listing.rejected(labels, kept, self._numbering):
            self._rejected[row.lesion.id] = row
            self._mask.rejected[row.lesion.id] = np.flatnonzero(labels == places[row.voxel])

    def _remember(self) -> None:
        accepted, rejected = frozenset(self._accepted), dict(self._rejected)
        self._undo.append(UndoStep(self._mask.changes, accepted, rejected, dict(self._numbering.anchors)))
        del self._undo[:-MOST_STEPS]
