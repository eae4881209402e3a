"""A list of models to choose one from; the choice is kept in a parameter, as the models of a computer come and go."""

from ..parameters import BoundParameters
from ..widgets.form import anyWidth


class ModelChoice:
    """Keeps a QComboBox and a parameter together. The first entry, whose name is empty, is the model in use.

    Args:
        combo: the list.
        parameters: of the scene.
        name: of the parameter that keeps the model's name.
    """

    def __init__(self, combo, parameters: BoundParameters, name: str) -> None:
        anyWidth(combo)
        self._combo = combo
        self._parameters = parameters
        self._parameter = name
        self._filling = False
        combo.currentIndexChanged.connect(self._changed)
        parameters.bound.connect(self._bound)

    @property
    def name(self) -> str:
        """The chosen model; empty for the one in use."""
        return self._combo.itemData(self._combo.currentIndex) or ""

    def offer(self, first: str, names) -> None:
        """List models; ``first`` is the text of the model in use."""
        self._filling = True
        try:
            self._combo.clear()
            self._combo.addItem(first, "")
            for name in names:
                self._combo.addItem(name, name)
            self._show()
        finally:
            self._filling = False

    def _bound(self) -> None:
        self._filling = True  # a model that is not listed now stays the wish: it may be listed later
        try:
            self._show()
        finally:
            self._filling = False

    def _show(self) -> None:
        node = self._parameters.node
        wanted = "" if node is None else getattr(node, self._parameter)
        self._combo.currentIndex = max(self._combo.findData(wanted), 0)

    def _changed(self, *_args) -> None:
        if not self._filling and self._parameters.node is not None:
            setattr(self._parameters.node, self._parameter, self.name)
