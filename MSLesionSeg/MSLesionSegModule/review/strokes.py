"""What is painted by hand into the segments, noticed when it has ended or when something else is pressed."""

import slicer

from ..widgets.timers import delayed

_SETTLE_MS = 300  # painting sends many events


class Strokes:
    """Watches the segments of a review. ``onPainted()`` is called once after they were changed by anybody else."""

    def __init__(self, onPainted) -> None:
        self._painted = False
        self._session = self._segmentation = None
        self._tags = []
        self._settle = delayed(_SETTLE_MS, self.take)
        self._onPainted = onPainted

    def watch(self, session) -> None:
        """Watch another review, or none; what was painted and not taken is forgotten."""
        for tag in self._tags:
            self._segmentation.RemoveObserver(tag)
        self._settle.stop()
        self._painted, self._tags, self._session = False, [], session
        self._segmentation = None if session is None else session.node.GetSegmentation()
        if session is not None:
            kind = slicer.vtkSegmentation
            # the undo of an editor sends only the second
            events = (kind.SourceRepresentationModified, kind.SegmentModified)
            self._tags = [self._segmentation.AddObserver(event, self._changed) for event in events]

    def take(self) -> None:
        """Take over what was painted, at once."""
        if self._painted:
            self._painted = False
            self._settle.stop()
            self._onPainted()

    def _changed(self, *_args) -> None:
        if not self._session.showing:
            self._painted = True
            self._settle.start()
