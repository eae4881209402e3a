"""Stand-ins for CTK's widgets: the members that the panel uses, named as in their headers."""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal


class ctkCollapsibleButton(QtWidgets.QWidget):
    """A titled part that folds. The layout that the .ui file sets keeps below a strip for the title."""

    contentsCollapsed = Signal(bool)
    _TITLE = 24

    def __init__(self, parent=None):
        super().__init__(parent)
        self._text, self._collapsed = "", False
        self.setContentsMargins(4, self._TITLE, 0, 0)

    def _fold(self, collapsed):
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self._apply()
        self.contentsCollapsed.emit(collapsed)

    def _apply(self):
        self.setMaximumHeight(self._TITLE if self._collapsed else 16777215)
        self.update()

    text = Property(str, lambda self: self._text, lambda self, value: setattr(self, "_text", value))
    collapsed = Property(bool, lambda self: self._collapsed, _fold)

    def mousePressEvent(self, event):
        if event.position().y() < self._TITLE:
            self._fold(not self._collapsed)

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        strip = QtCore.QRect(0, 0, self.width(), self._TITLE - 3)
        painter.fillRect(strip, self.palette().midlight())
        painter.drawText(strip.adjusted(22, 0, 0, 0), QtCore.Qt.AlignVCenter, self._text)
        option = QtWidgets.QStyleOption()
        option.rect = QtCore.QRect(4, 3, 14, 14)
        arrow = (
            QtWidgets.QStyle.PE_IndicatorArrowRight
            if self._collapsed
            else QtWidgets.QStyle.PE_IndicatorArrowDown
        )
        self.style().drawPrimitive(arrow, option, painter, self)


class ctkSliderWidget(QtWidgets.QWidget):
    valueChanged = Signal(float)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal)
        self._box = QtWidgets.QDoubleSpinBox()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._box)
        self._slider.setRange(0, 1000)
        self._slider.valueChanged.connect(self._slid)
        self._box.valueChanged.connect(self._typed)
        self._moving = False

    def _slid(self, position):
        if not self._moving:
            low, high = self._box.minimum(), self._box.maximum()
            self._box.setValue(low + (high - low) * position / 1000)

    def _typed(self, value):
        self._moving = True
        low, high = self._box.minimum(), self._box.maximum()
        self._slider.setValue(round(1000 * (value - low) / ((high - low) or 1)))
        self._moving = False
        self.valueChanged.emit(value)

    value = Property(float, lambda self: self._box.value(), lambda self, v: self._box.setValue(v))
    minimum = Property(float, lambda self: self._box.minimum(), lambda self, v: self._box.setMinimum(v))
    maximum = Property(float, lambda self: self._box.maximum(), lambda self, v: self._box.setMaximum(v))
    singleStep = Property(
        float, lambda self: self._box.singleStep(), lambda self, v: self._box.setSingleStep(v)
    )
    decimals = Property(int, lambda self: self._box.decimals(), lambda self, v: self._box.setDecimals(v))
    suffix = Property(str, lambda self: self._box.suffix(), lambda self, v: self._box.setSuffix(v))


class ctkDirectoryButton(QtWidgets.QPushButton):
    directoryChanged = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._directory = ""

    def _set(self, directory):
        if directory != self._directory:
            self._directory = directory
            self.setText(directory)
            self.directoryChanged.emit(directory)

    directory = Property(str, lambda self: self._directory, _set)
