"""Room for the review: what is not needed while lesions are judged is folded away."""

import slicer


class ReviewMode:
    """Folds parts of the panel when a review begins, and opens them when it ends.

    Args:
        folded: collapsible parts that make room.
        opened: the part that holds the review.
    """

    def __init__(self, folded, opened) -> None:
        self._folded = folded
        self._opened = opened
        self._probe = None  # Slicer's data probe, while it is folded

    def setSession(self, session) -> None:
        """A review begins, or there is none any more."""
        for part in self._folded:
            part.collapsed = session is not None
        if session is not None:
            self._opened.collapsed = False
            self.enter(session)
        else:
            self.exit()

    def enter(self, session) -> None:
        """Fold Slicer's data probe, which takes a quarter of a small screen."""
        window = slicer.util.mainWindow()
        if session is None or window is None or self._probe is not None:
            return
        probe = next(iter(slicer.util.findChildren(window, "DataProbeCollapsibleWidget")), None)
        if probe is not None and not probe.collapsed:
            probe.collapsed = True
            self._probe = probe

    def exit(self) -> None:
        """Give the data probe back."""
        if self._probe is not None:
            self._probe.collapsed = False
            self._probe = None
