"""The panel's review: threshold, lesion table, decisions by button and key, and the embedded editor."""

import qt
import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError

from . import tables, texts
from .choices import DICTATED
from .segments import stateTitle
from .views import pointedRAS

_EFFECTS = ("Paint", "Draw", "Erase", "Threshold", "Islands", "Smoothing")
_EDITOR = "MSLesionSeg"  # singleton tag: the state of Slicer's own Segment Editor is left alone
_SETTLE_MS = 300  # painting sends many events; the table follows when they have ended
_DRAG_MS = 30
_UNDO_STATES = 10
_REGION = 2  # column of the lesion table


class ReviewSection:
    """Maps the current findings to widgets and widgets to decisions.

    Args:
        ui: widgets of the panel.
        views: slice views.
        say: shows a sentence to the person.
    """

    def __init__(self, ui, views, say) -> None:
        self.ui = ui
        self.findings = None
        self.parameters = None
        self._views = views
        self._say = say
        self._shown = []
        self._current = None  # voxel of the lesion that the person is at
        self._came = []  # where the person was before each step that can be undone
        self._filling = False
        self._segmentation = None
        self._observers = []
        self._settle = _delayed(_SETTLE_MS, self._takeEdits)
        self._drag = _delayed(_DRAG_MS, self._applyRule)
        self._shortcuts = []
        self._connect()
        self._prepareTable()
        self.update()

    def setFindings(self, findings) -> None:
        """Show other findings, or none."""
        self._observe(None)
        self.findings = findings
        self._current = None
        self._came = []
        self.ui.subtractionButton.checked = False
        if findings is not None and self.parameters is not None:
            rule = findings.review.rule
            self.parameters.threshold = rule.threshold
            self.parameters.minimumMm3 = rule.minimum_mm3
        self._observe(findings)
        self.resume()

    def resume(self) -> None:
        """Go on with the same findings, such as when the module is entered again."""
        self._prepareEditor()
        self.update()

    def parametersChanged(self) -> None:
        """React to threshold, minimum size and order."""
        if self.findings is not None:
            rule = self.findings.review.rule
            if (rule.threshold, rule.minimum_mm3) != (self.parameters.threshold, self.parameters.minimumMm3):
                self._drag.start()
        self.update()

    def enter(self, parent) -> None:
        """Listen to the review's keys and prepare the editor."""
        keys = {
            "N": self.next,
            "P": self.previous,
            "A": self.accept,
            "R": self.reject,
            "E": self.edit,
            "M": self.missed,
            "H": self.toggleVisible,
            "X": self.flicker,
            "U": self.undo,
        }
        for key, action in keys.items():
            shortcut = qt.QShortcut(qt.QKeySequence(key), parent)
            shortcut.activated.connect(action)
            self._shortcuts.append(shortcut)
        self.ui.segmentEditor.installKeyboardShortcuts(parent)
        self.ui.segmentEditor.setupViewObservations()
        self.ui.segmentEditor.updateWidgetFromMRML()

    def exit(self) -> None:
        """Leave the keys and the views to others; no effect stays active."""
        for shortcut in self._shortcuts:
            shortcut.enabled = False
            shortcut.deleteLater()
        self._shortcuts = []
        self.ui.segmentEditor.setActiveEffect(None)
        self.ui.segmentEditor.uninstallKeyboardShortcuts()
        self.ui.segmentEditor.removeViewObservations()

    def cleanup(self) -> None:
        self._settle.stop()
        self._drag.stop()
        self._observe(None)

    def next(self, *_args) -> None:
        self._step(1)

    def previous(self, *_args) -> None:
        self._step(-1)

    def accept(self, *_args) -> None:
        self._decide(lambda review, number: review.accept(number))

    def reject(self, *_args) -> None:
        row = self._row()
        if row is not None and row.decision == "rejected":
            self.next()
        else:
            self._decide(lambda review, number: review.reject(number))

    def edit(self, *_args) -> None:
        """Open the editor with a brush on the current lesion's segment."""
        row = self._row()
        if row is None:
            return
        self.ui.editorCollapsibleButton.collapsed = False
        self._jump(row)
        self.ui.segmentEditor.setCurrentSegmentID(row.state)
        self.ui.segmentEditor.setActiveEffectByName("Paint")

    def missed(self, *_args) -> None:
        """Mark the lesion where the mouse points, or else at the crosshair."""
        if self.findings is None:
            return
        ras = pointedRAS()
        if ras is None:
            self._say(_("There is no crosshair in this scene."), error=True)
            return
        try:
            number = self.findings.review.grow(self.findings.localPoint(ras))
        except MSLesionSegError as error:
            self._say(str(error), error=True)
            return
        self._came.append(self._current)
        self._current = next(row.voxel for row in self.findings.review.rows if row.lesion.id == number)
        self._show()

    def undo(self, *_args) -> None:
        if self.findings is not None and self.findings.review.undo():
            self._current = self._came.pop()
            self._show()

    def toggleVisible(self, *_args) -> None:
        """Hide or show the lesions in all views."""
        if self.findings is not None:
            display = self.findings.node.GetDisplayNode()
            display.SetVisibility(not display.GetVisibility())
            self.ui.visibleButton.text = _("Hide (H)") if display.GetVisibility() else _("Show (H)")

    def flicker(self, *_args) -> None:
        """Exchange baseline and follow-up in the views."""
        self._views.flicker()

    def showSubtraction(self, *_args) -> None:
        """Lay the subtraction over the follow-up, or take it away."""
        volume = self.findings.subtraction() if self.ui.subtractionButton.checked else None
        self._views.overlay(volume.GetID() if volume is not None else None)

    def copyText(self, *_args) -> None:
        """Copy the findings as sentences to dictate."""
        from MSLesionSegLib.lesions.table import dictation

        review = self.findings.review
        rule = review.rule
        text = dictation(
            review.lesions,
            connectivity=rule.connectivity,
            minimum_mm3=rule.minimum_mm3,
            kind=DICTATED[self.findings.record["task"]],
        )
        slicer.app.clipboard().setText(text)
        self._say(_("The findings were copied as text."))

    def saveTable(self, *_args) -> None:
        """Save the table as it stands on the screen."""
        from MSLesionSegLib.lesions.review import write_rows

        path = chosenFile(qt.QFileDialog.getSaveFileName(None, _("Save table"), "lesions.csv", "CSV (*.csv)"))
        if path:
            write_rows(self._shown, path)
            self._say(_("The table was saved."))

    def update(self) -> None:
        """Show the state of the review in table, labels and buttons."""
        ui, found = self.ui, self.findings
        for slider in (ui.thresholdSlider, ui.minimumSlider):
            slider.enabled = found is not None
        review = None if found is None else found.review
        self._shown = self._ordered()
        self._fill()
        for button in (ui.nextButton, ui.previousButton):
            button.enabled = bool(self._shown)
        atLesion = self._row() is not None
        for button in (ui.acceptButton, ui.rejectButton, ui.editButton):
            button.enabled = atLesion
        for button in (ui.missedButton, ui.visibleButton, ui.copyButton, ui.saveTableButton):
            button.enabled = review is not None
        ui.undoButton.enabled = review is not None and review.can_undo
        isPair = found is not None and found.record["task"] == "new"
        ui.flickerButton.visible = ui.subtractionButton.visible = isPair
        ui.subtractionButton.enabled = isPair and found.subtraction() is not None
        if review is None:
            ui.countLabel.text = ""
            ui.reviewedLabel.text = _("Find lesions to review them here.")
            ui.totalsLabel.text = ""
            return
        from MSLesionSegLib.lesions.review import totals_by_state
        from MSLesionSegLib.lesions.table import totals_by_region

        ui.countLabel.text = texts.countText(review)
        ui.reviewedLabel.text = texts.reviewedText(*review.progress)
        states = {
            stateTitle(state): f"{total['lesions']:.0f} ({total['volume_mm3'] / 1000:.2f} ml)"
            for state, total in totals_by_state(review.rows).items()
        }
        ui.totalsLabel.text = texts.totalsText(totals_by_region(review.lesions), states)

    def _ordered(self):
        if self.findings is None:
            return []
        from MSLesionSegLib.lesions.review import ORDERS, ordered

        order = self.parameters.order.value if self.parameters is not None else ORDERS[0]
        return ordered(self.findings.review.rows, order)

    def _connect(self) -> None:
        ui = self.ui
        for button, action in (
            (ui.nextButton, self.next),
            (ui.previousButton, self.previous),
            (ui.acceptButton, self.accept),
            (ui.rejectButton, self.reject),
            (ui.editButton, self.edit),
            (ui.missedButton, self.missed),
            (ui.undoButton, self.undo),
            (ui.visibleButton, self.toggleVisible),
            (ui.flickerButton, self.flicker),
            (ui.subtractionButton, self.showSubtraction),
            (ui.copyButton, self.copyText),
            (ui.saveTableButton, self.saveTable),
        ):
            button.clicked.connect(action)
        ui.lesionTable.itemSelectionChanged.connect(self._selected)

    def _prepareTable(self) -> None:
        table = self.ui.lesionTable
        columns = [_("No."), _("State"), _("Region"), _("mm3"), _("mm"), _("p"), _("Decision")]
        tips = [
            _("Number of the lesion"),
            _("How the lesion changed"),
            _("Where it lies"),
            _("Volume in mm3"),
            _("Longest axis in mm"),
            _("Mean probability"),
            _("Your decision"),
        ]
        tables.prepare(table, columns)
        for column, tip in enumerate(tips):
            table.horizontalHeaderItem(column).setToolTip(tip)
        for column, width in {0: 34, 1: 62, 3: 48, 4: 40, 5: 40, 6: 68}.items():
            table.setColumnWidth(column, width)
        tables.stretch(table, _REGION)

    def _fill(self) -> None:
        table = self.ui.lesionTable
        self._filling = True
        try:
            table.rowCount = len(self._shown)
            for index, row in enumerate(self._shown):
                lesion = row.lesion
                mean = "" if lesion.mean_probability is None else f"{lesion.mean_probability:.2f}"
                cells = (
                    str(lesion.id),
                    stateTitle(row.state),
                    texts.regionTitle(lesion.region),
                    f"{lesion.volume_mm3:.0f}",
                    f"{lesion.longest_axis_mm:.0f}",
                    mean,
                    texts.decisionTitle(row.decision),
                )
                for column, text in enumerate(cells):
                    item = qt.QTableWidgetItem(text)
                    if column == _REGION:
                        item.setToolTip(lesion.region_rule)
                    if row.decision == "rejected":
                        font = item.font()
                        font.setStrikeOut(True)
                        item.setFont(font)
                    table.setItem(index, column, item)
            table.setColumnHidden(1, self.findings is None or self.findings.record["task"] != "new")
            index = self._index()
            if index is None:
                table.clearSelection()
                table.setCurrentCell(-1, -1)
            else:
                table.selectRow(index)
        finally:
            self._filling = False

    def _index(self):
        """Row of the table that the person is at, or None."""
        if self._current is None or self.findings is None:
            return None
        number = self.findings.review.number_at(self._current)
        return next((i for i, row in enumerate(self._shown) if row.lesion.id == number), None)

    def _row(self):
        index = self._index()
        return None if index is None else self._shown[index]

    def _selected(self) -> None:
        if self._filling:
            return
        index = self.ui.lesionTable.currentRow()
        if 0 <= index < len(self._shown):
            self._goTo(index)

    def _goTo(self, index: int) -> None:
        self._current = self._shown[index].voxel
        self.update()
        self._jump(self._shown[index])

    def _jump(self, row) -> None:
        """Go there, without a brush in the hand."""
        self.ui.segmentEditor.setActiveEffect(None)
        self._views.jumpTo(self.findings.worldPoint(row.lesion.centre_ras))

    def _step(self, by: int) -> None:
        if not self._shown:
            return
        index = self._index()
        if index is None:
            self._goTo(0 if by > 0 else len(self._shown) - 1)
        else:
            self._goTo((index + by) % len(self._shown))

    def _decide(self, decide) -> None:
        row, index = self._row(), self._index()
        if row is None:
            return
        following = self._shown[(index + 1) % len(self._shown)].voxel
        decide(self.findings.review, row.lesion.id)
        self._came.append(row.voxel)
        self._current = following
        self._show()
        if self._row() is not None:
            self._jump(self._row())

    def _show(self) -> None:
        """Put the review into the scene without taking that for an edit."""
        self._observe(None)
        self.findings.show()
        self._observe(self.findings)
        self.update()

    def _applyRule(self) -> None:
        if self.findings is not None and self.parameters is not None:
            self._observe(None)
            self.findings.setRule(self.parameters.threshold, self.parameters.minimumMm3)
            self._observe(self.findings)
            self.update()

    def _takeEdits(self) -> None:
        if self.findings is not None and self.findings.takeEdits():
            self._came.append(self._current)
            self.update()

    def _edited(self, *_args) -> None:
        self._settle.start()

    def _observe(self, findings) -> None:
        for tag in self._observers:
            self._segmentation.RemoveObserver(tag)
        self._observers = []
        self._segmentation = None if findings is None else findings.node.GetSegmentation()
        if self._segmentation is not None:
            event = slicer.vtkSegmentation.SourceRepresentationModified
            self._observers = [self._segmentation.AddObserver(event, self._edited)]

    def _prepareEditor(self) -> None:
        editor = self.ui.segmentEditor
        if self.findings is None or self.parameters is None:
            editor.setActiveEffect(None)
            editor.setSegmentationNode(None)
            return
        node = slicer.mrmlScene.GetSingletonNode(_EDITOR, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.vtkMRMLSegmentEditorNode()
            node.SetSingletonTag(_EDITOR)
            node = slicer.mrmlScene.AddNode(node)
            # a voxel may be of one state only
            node.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteAllSegments)
        editor.autoShowSourceVolumeNode = False  # it would put the follow-up in the place of the baseline
        editor.setMRMLSegmentEditorNode(node)
        editor.segmentationNodeSelectorVisible = False
        editor.sourceVolumeNodeSelectorVisible = False
        editor.switchToSegmentationsButtonVisible = False
        # the segments and their voxels are fixed
        editor.addRemoveSegmentButtonsVisible = False
        editor.specifyGeometryButtonVisible = False
        editor.unorderedEffectsVisible = False
        editor.setEffectNameOrder(list(_EFFECTS))
        editor.maximumNumberOfUndoStates = _UNDO_STATES
        editor.setSegmentationNode(self.findings.node)
        editor.setSourceVolumeNode(self.findings.volume)


def chosenFile(answer) -> str:
    """The path of a file dialog, which some versions of Qt's bindings give along with the filter."""
    return answer[0] if isinstance(answer, tuple) else answer


def _delayed(ms: int, action):
    """A timer that calls ``action`` once when nothing has started it again for ``ms``."""
    timer = qt.QTimer()
    timer.interval = ms

    def fire() -> None:
        timer.stop()
        action()

    timer.timeout.connect(fire)
    return timer
