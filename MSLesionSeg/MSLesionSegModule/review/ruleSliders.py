"""The sliders for threshold and minimum size: the mask follows at once, the table after it."""

from ..parameters import BoundParameters, onSliders
from ..widgets.timers import Steps, delayed
from .editing import Editing
from .place import Place

_DRAG_MS = 30  # the mask follows a slider that is dragged this often, or as often as it can


class RuleSliders:
    """Applies the rule that the sliders show to the review at this place."""

    def __init__(self, parameters: BoundParameters, place: Place, editing: Editing, following: Steps) -> None:
        self._parameters = parameters
        self._place = place
        self._editing = editing
        self._following = following
        self._drag = delayed(_DRAG_MS, self.apply)
        parameters.changed.connect(self._parametersChanged)

    @property
    def moved(self) -> bool:
        """Whether the sliders say something else than the rule that the lesions were found by."""
        if self._place.session is None or self._parameters.node is None:
            return False
        rule = self._place.session.review.rule
        return onSliders(rule.threshold, rule.minimum_mm3) != self._wanted()

    def show(self) -> None:
        """Put the rule of the review on the sliders."""
        node = self._parameters.node
        if self._place.session is not None and node is not None:
            rule = self._place.session.review.rule
            node.threshold, node.minimumMm3 = onSliders(rule.threshold, rule.minimum_mm3)

    def apply(self) -> None:
        """Show the mask by the sliders now, and let the table follow."""
        self._drag.stop()
        if self.moved:
            self._following.stop()  # the table of the rule before need not come any more
            self._editing.take()
            self._place.session.setRule(*self._wanted())
            self._following.begin(self._follow())

    def finish(self) -> None:
        """Bring the table up to the mask now."""
        self._following.finish()

    def stop(self) -> None:
        """Apply nothing any more."""
        self._drag.stop()
        self._following.stop()

    def _wanted(self) -> tuple[float, float]:
        return onSliders(self._parameters.node.threshold, self._parameters.node.minimumMm3)

    def _parametersChanged(self) -> None:
        if self.moved and not self._drag.active:
            self._drag.start()

    def _follow(self):
        yield from self._place.session.review.describe()
        self._place.refresh()
        self._place.session.keep()  # lesions that came with the threshold have numbers now
        yield
