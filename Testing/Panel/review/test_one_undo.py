"""One undo for strokes and decisions: in whatever order they come, the mask is what the keys say."""

from __future__ import annotations

import numpy as np
import panel as harness
import pytest
import slicer
from MSLesionSegModule.scene import segments
from MSLesionSegModule.scene.reviewSession import reviewOf
from pressing import listening, open_result, press
from scipy.ndimage import label

ORDERS = (
    "stroke Z",
    "stroke A Z Z",
    "C Z",
    "C stroke Z Z A",
    "stroke C Z stroke Z C",
    "stroke stroke Z C A",
    "C A 0.3 Z stroke Z",
    "stroke 0.3 C Z Z 0.5",
    "M stroke Z C Z Z",
    "A C stroke M 0.6 Z U Z U stroke",
)


class Model:
    """What the keys say, in the simplest way: what the threshold finds, less and more what the person said."""

    def __init__(self, found):
        self.found = found
        self.rejected, self.added, self.before = [], [], []

    def mask(self) -> np.ndarray:
        record = {**self.found.record, "threshold": self.found.review.rule.threshold}
        mask = reviewOf(self.found.node, record).mask.copy()
        parts, _ = label(mask, np.ones((3, 3, 3)))
        for voxels in self.rejected:
            mask &= ~np.isin(parts, np.unique(parts[voxels & mask]))
        for voxels in self.added:
            mask |= voxels
        return mask

    def step(self, rejected=None, added=None) -> None:
        self.before.append((list(self.rejected), list(self.added)))
        self.rejected += [] if rejected is None else [rejected]
        self.added += [] if added is None else [added]

    def undo(self) -> None:
        if self.before:
            self.rejected, self.added = self.before.pop()


def play(panel, model: Model, what: str) -> None:
    """Do one thing at the panel and tell the model."""
    found = panel.review.session
    if what == "stroke":
        panel.review.takeEdits()  # strokes that a person makes do not fall into one moment
        free = tuple(int(v) for v in np.argwhere(~model.mask())[40_000 + 7 * len(model.before)])
        panel.ui.segmentEditor.paint(free)
        model.step(added=spot(found, free))
    elif what in "UZ":
        press(panel, what)
        model.undo()
    elif what == "M":
        before = drawn(found)
        slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCrosshairNode").SetCrosshairRAS(0.0, -45.0, 0.0)
        press(panel, "M")
        assert (drawn(found) & ~before).any()
        model.step(added=drawn(found) & ~before)
    elif what in "AC":
        panel.review.takeEdits()
        row = panel.review.place.row
        lesion = found.review.labels == row.lesion.id
        press(panel, what)
        model.step(rejected=lesion if what == "C" else None)
    else:
        panel.ui.thresholdSlider.value = float(what)
        harness.wait(lambda: found.review.rule.threshold == float(what))


def spot(found, voxel) -> np.ndarray:
    mask = np.zeros(found.review.mask.shape, bool)
    mask[voxel] = True
    return mask


def drawn(found) -> np.ndarray:
    """What the views show and what a case would hold."""
    return segments.getMasks(found.node, found.volume, ["lesion"])["lesion"]


@pytest.fixture
def found(panel, scan, result):
    open_result(panel, scan, result)
    return panel.review.session


def test_the_mask_is_what_the_keys_say_in_ten_orders(panel, found):
    whole = found.review.mask.copy()
    for order in ORDERS:
        model = Model(found)
        press(panel, "N")
        press(panel, "E")
        for what in order.split():
            play(panel, model, what)
        panel.review.takeEdits()
        assert np.array_equal(found.review.mask, model.mask()), order
        assert np.array_equal(drawn(found), found.review.mask), order
        while found.review.can_undo:
            press(panel, "U")
        play(panel, model, "0.5")
        assert np.array_equal(drawn(found), whole), order
        panel.review.place._current = None


def test_what_another_editor_takes_back_is_followed(panel, found):
    """Slicer's own Segment Editor, which has its own undo, may work on the same segments."""
    history = slicer.vtkSegmentationHistory()
    history.SetSegmentation(found.node.GetSegmentation())
    press(panel, "N")
    press(panel, "E")
    free = tuple(int(v) for v in np.argwhere(~found.review.mask)[40_000])
    assert history.SaveState()
    panel.ui.segmentEditor.paint(free)
    panel.review.takeEdits()
    assert found.review.mask[free]
    assert history.RestorePreviousState()
    press(panel, "A")
    assert not found.review.mask[free]
    assert not drawn(found)[free]


def test_the_editor_offers_no_undo_of_its_own(panel, found):
    editor = panel.ui.segmentEditor
    assert not editor.undoEnabled
    press(panel, "N")
    press(panel, "E")
    before = drawn(found)
    editor.paint(tuple(int(v) for v in np.argwhere(~before)[40_000]))
    editor.undo()
    assert np.count_nonzero(drawn(found) & ~before) == 1
    assert len(listening(panel)["Z"]) == 1
