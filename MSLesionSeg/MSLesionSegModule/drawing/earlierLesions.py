"""The outline of the lesions that the baseline shows, drawn over the scan that came later."""

import numpy as np
import slicer

from ..scene import volumes
from ..scene.reviewSession import EARLIER
from ..scene.segments import labelmap
from .overlay import addOverlay, draw

_COLOUR = (1.0, 1.0, 1.0)
_WIDTH = 1  # pixels: less than the lesions of now
_SEGMENT = "earlier"


class EarlierLesions:
    """One outline for all lesions of the baseline."""

    def __init__(self) -> None:
        self._node = self._volume = None

    def show(self, session) -> None:
        """Draw those of a review, or of none; hidden where its lesions are."""
        volume = None if session is None else session.node.GetNodeReference(EARLIER)
        if volume is not self._volume or not self._inScene():
            self.clear()
            self._volume = volume
        if volume is None:
            return
        if self._node is None:
            self._node = addOverlay(_WIDTH)
            mask = np.array(volumes.voxelsOf(volume)) > 0
            draw(self._node, _SEGMENT, labelmap(mask, volume))
            self._node.GetSegmentation().GetSegment(_SEGMENT).SetColor(*_COLOUR)
        self._node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        self._node.GetDisplayNode().SetVisibility(session.visible)

    def clear(self) -> None:
        """Take the outline away."""
        if self._inScene():
            volumes.remove(self._node)
        self._node = self._volume = None

    def _inScene(self) -> bool:
        return self._node is not None and slicer.mrmlScene.IsNodePresent(self._node)
