"""The tools beside the lesion table, in the place of its order while a lesion is corrected."""

from .editor import Editor


class ToolStrip:
    """Shows the tool that is taken, and the size of its brush."""

    def __init__(self, ui, editor: Editor) -> None:
        self._ui = ui
        self._editor = editor
        self._buttons = {"Paint": ui.paintButton, "Draw": ui.drawButton, "Erase": ui.eraseButton}
        for effect, button in self._buttons.items():
            button.clicked.connect(lambda *_args, effect=effect: editor.take(effect))
        ui.doneButton.clicked.connect(lambda *_args: editor.putAway())
        ui.brushSpinBox.valueChanged.connect(lambda *_args: editor.setBrush(ui.brushSpinBox.value))
        editor.effectChanged.connect(self._show)

    def _show(self, effect: str) -> None:
        correcting = effect in self._buttons
        self._ui.toolRow.visible = correcting
        self._ui.orderRow.visible = not correcting
        for name, button in self._buttons.items():
            button.checked = name == effect
        if effect and not correcting:  # its settings are in Slicer's own editor
            self._ui.editorCollapsibleButton.collapsed = False
        if correcting:
            self._ui.brushSpinBox.value = self._editor.brushMm
