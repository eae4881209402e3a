"""What became of each lesion between two timepoints: new, enlarged, stable, shrunken or vanished."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from MSLesionSegLib.lesions.components import bounding_box, label_components, smallest_voxel_count
from MSLesionSegLib.tasks import get_task

STATES = NEW, ENLARGED, STABLE, SHRUNKEN, VANISHED = get_task("new").states

_REMNANT = 0.1

STATE_RULE = (
    "A lesion is new where change was found and no lesion was there at baseline (or less than a tenth of it), and "
    "vanished the other way round. "
    "It is enlarged (shrunken) where change was found that touches a lesion of both timepoints and is more than what "
    "went the other way. All other lesions are stable; they have one outline, drawn on the mean of both timepoints, "
    "or on the higher of both where one scan shows the lesion a little less, so that no difference between two "
    "segmentations is taken for change."
)


@dataclass(frozen=True, eq=False)
class TrackedLesions:
    """Lesions of two timepoints on one grid.

    Attributes:
        labels: id of each lesion over both timepoints, int32 (X, Y, Z), 0 outside.
        before, after: where there was lesion at baseline and at follow-up, bool (X, Y, Z).
        states: state of each id.
        highest_id: highest id that any lesion of this patient has had, here or in earlier comparisons.
    """

    labels: np.ndarray
    before: np.ndarray
    after: np.ndarray
    states: dict[int, str]
    highest_id: int

    def counts(self) -> dict[str, int]:
        """Number of lesions by state, in the order of :data:`STATES`."""
        return {state: sum(s == state for s in self.states.values()) for state in STATES}


def track_lesions(
    lesions: np.ndarray,
    appeared: np.ndarray,
    gone: np.ndarray,
    *,
    voxel_mm3: float = 1.0,
    minimum_mm3: float = 3.0,
    previous: np.ndarray | None = None,
    highest_id: int = 0,
) -> TrackedLesions:
    """Follow lesions from baseline to follow-up by :data:`STATE_RULE`.

    Args:
        lesions: mask of the lesions of both timepoints, whatever changed, (X, Y, Z).
        appeared: mask of what is lesion at follow-up only; gone: of what was lesion at baseline only.
        voxel_mm3: volume of a voxel.
        minimum_mm3: what is left of a lesion when changed parts are taken off must have this volume, and a tenth of
            the change, to count as a lesion of the other timepoint.
        previous: ids of the baseline's lesions from an earlier comparison, 0 outside. A lesion keeps the id that
            covers most of it; others get ids above all of these.
        highest_id: others get ids above this one too, so that the id of a lesion that vanished is not given again.

    Returns:
        The lesions, numbered by size where ``previous`` gives no number. 26-connected.

    >>> lesions, appeared = np.zeros((2, 9, 1, 1), bool)
    >>> lesions[:4] = lesions[7:] = appeared[7:] = True
    >>> track_lesions(lesions, appeared, np.zeros_like(lesions)).states
    {1: 'stable', 2: 'new'}
    """
    appeared, gone = appeared > 0, gone > 0
    lesions = lesions > 0
    labels, count = label_components(lesions | appeared | gone)
    fewest = smallest_voxel_count(voxel_mm3, minimum_mm3)
    before, after = np.zeros(labels.shape, bool), np.zeros(labels.shape, bool)
    states: dict[int, str] = {}
    for number, box in enumerate(ndimage.find_objects(labels, max_label=count), start=1):
        own = labels[box] == number
        came, went = own & appeared[box], own & gone[box]
        rest = own & ~came & ~went
        change = max(came.sum(), went.sum())
        if change and rest.sum() < max(fewest, _REMNANT * change):
            # a rim that the change leaves over belongs to the change
            came, went = (came | rest, went) if came.sum() >= went.sum() else (came, went | rest)
            rest = np.zeros_like(rest)
        before[box] |= rest | went
        after[box] |= rest | came
        states[number] = _state(int(rest.sum()), int(came.sum()), int(went.sum()))
    tracked = TrackedLesions(labels, before, after, states, max(count, highest_id))
    return tracked if previous is None else _renumbered(tracked, previous, highest_id)


def _state(rest: int, came: int, went: int) -> str:
    if not rest and not went:
        return NEW
    if not rest and not came:
        return VANISHED
    if came > went:
        return ENLARGED
    return SHRUNKEN if went > came else STABLE


def _renumbered(tracked: TrackedLesions, previous: np.ndarray, highest_id: int) -> TrackedLesions:
    following = max(int(previous.max()), highest_id) + 1
    new_ids, taken = {}, set()
    for number in tracked.states:
        box = bounding_box(tracked.labels == number)
        old = previous[box][tracked.labels[box] == number]
        ids, sizes = np.unique(old[old > 0], return_counts=True)
        free = [(size, -i, i) for i, size in zip(ids.tolist(), sizes.tolist(), strict=True) if i not in taken]
        if free:
            new_ids[number] = max(free)[2]
            taken.add(new_ids[number])
        else:
            new_ids[number], following = following, following + 1
    table = np.zeros(max(tracked.states, default=0) + 1, np.int32)
    for number, kept in new_ids.items():
        table[number] = kept
    states = {kept: tracked.states[number] for number, kept in new_ids.items()}
    return TrackedLesions(
        table[tracked.labels], tracked.before, tracked.after, dict(sorted(states.items())), following - 1
    )
