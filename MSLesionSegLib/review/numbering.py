"""Numbers of lesions that stay the same for good, whatever happens to the mask."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from MSLesionSegLib.lesions.components import Voxel, bounding_box


class Numbering:
    """Knows lesions again by an anchor each, and gives new ones the next number.

    An anchor is the voxel that was the lesion's most probable one when it was first seen. A higher threshold takes it
    last, a lower one leaves it in what the lesion has become. Where lesions join, what they make has the lowest of
    their numbers; when they part, each has its own again.

    Args:
        anchors: voxel by number, of lesions that have a number already.

    >>> numbering = Numbering({1: (0, 0, 0)})
    >>> numbering.new((3, 0, 0)), numbering.new((5, 0, 0))
    (2, 3)
    >>> joined = np.ones((6, 1, 1), np.int32)
    >>> numbering.of(joined, {1: (3, 0, 0)}, taken=())
    {1: 1}
    """

    def __init__(self, anchors: Mapping[int, Voxel] | None = None) -> None:
        self.anchors: dict[int, Voxel] = dict(anchors or {})

    def of(
        self, components: np.ndarray, peaks: Mapping[int, Voxel], taken: Collection[int]
    ) -> dict[int, int]:
        """The number of every component, none of them twice.

        Args:
            components: (X, Y, Z), numbered from 1; 0 outside.
            peaks: the most probable voxel of each.
            taken: numbers of lesions that are not in ``components``.
        """
        numbers: dict[int, int] = {}
        for number in sorted(set(self.anchors).difference(taken)):
            component = int(components[self.anchors[number]])
            if component:
                numbers.setdefault(component, number)
        for component, peak in peaks.items():
            if component not in numbers:
                numbers[component] = self.new(peak)
        return numbers

    def labels(
        self, components: np.ndarray, peaks: Mapping[int, Voxel], taken: Collection[int]
    ) -> np.ndarray:
        """The components by their numbers, as :meth:`of` gives them: int32 (X, Y, Z)."""
        numbers = self.of(components, peaks, taken)
        box = bounding_box(components)
        if box is None or all(component == number for component, number in numbers.items()):
            return components
        named = np.zeros(len(peaks) + 1, np.int32)
        named[list(numbers)] = list(numbers.values())
        labels = np.zeros_like(components)
        labels[box] = named[components[box]]
        return labels

    def at(self, anchor: Voxel) -> int:
        """The number of the lesion with this anchor, a new one if there is none."""
        return next((number for number, each in self.anchors.items() if each == anchor), None) or self.new(
            anchor
        )

    def new(self, anchor: Voxel) -> int:
        """The next number, for a lesion that has none; no number is given twice."""
        number = max(self.anchors, default=0) + 1
        self.anchors[number] = anchor
        return number

    def follow(
        self, before: Mapping[int, np.ndarray], components: np.ndarray, peaks: Mapping[int, Voxel]
    ) -> None:
        """Let lesions keep their number after voxels were erased.

        One that lost its anchor, or was parted, is from now on the largest part that is left of it and has no number
        of its own.

        Args:
            before: flat indices of lesions' voxels, by number.
            components, peaks: of the mask now, as for :meth:`of`.
        """
        flat = components.ravel()
        holds = {int(components[anchor]) for anchor in self.anchors.values()}
        for number, voxels in before.items():
            counts = np.bincount(flat[voxels])
            counts[:1] = 0
            anchored = int(components[self.anchors[number]])
            if not counts.any() or (anchored and np.count_nonzero(counts) == 1):
                continue
            largest = int(counts.argmax())
            if not anchored or largest not in holds:
                self.anchors[number] = peaks[largest]
