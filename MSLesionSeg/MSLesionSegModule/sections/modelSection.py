"""What the parts of the panel share that work with a model: the scene's parameters, the task and the chosen model."""

from .modelChoice import ModelChoice


class ModelSection:
    """A part of the panel with a list of models.

    Args:
        combo: the list.
        parameter: name of the parameter that keeps the chosen model.
    """

    def __init__(self, combo, parameter: str) -> None:
        self._model = ModelChoice(combo, parameter)
        self._parameters = None

    @property
    def parameters(self):
        """The scene's parameters, or None while the panel is not bound to any."""
        return self._parameters

    @parameters.setter
    def parameters(self, parameters) -> None:
        self._parameters = parameters
        self._model.bind(parameters)

    @property
    def task(self) -> str:
        return "flair" if self.parameters is None else self.parameters.task.value
