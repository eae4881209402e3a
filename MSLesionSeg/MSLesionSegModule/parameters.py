"""What the panel saves with the scene."""

from typing import Annotated

import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from .choices import DeviceChoice, OrderChoice, TaskChoice, TuneChoice
from .widgets.signals import Signal

_THRESHOLD, _MINIMUM_MM3 = (0.02, 0.98), (0.0, 100.0)  # of the sliders, which show 2 decimals and none


@parameterNodeWrapper
class MSLesionSegParameterNode:
    """Typed parameters of the module.

    task: what to look for.
    flairVolume, baselineVolume, followupVolume, preVolume, postVolume: the scans of the tasks.
    segmentation: the lesions found last.
    model, device, correctBias: how they are looked for; an empty model is the one in use.
    threshold, minimumMm3: what counts as a lesion.
    order: of the lesion table.
    startModel, tune, minutes, replay, leaveOneOut: how a model is fine-tuned; an empty one is the one in use.
    """

    task: TaskChoice = TaskChoice.flair
    flairVolume: vtkMRMLScalarVolumeNode
    baselineVolume: vtkMRMLScalarVolumeNode
    followupVolume: vtkMRMLScalarVolumeNode
    preVolume: vtkMRMLScalarVolumeNode
    postVolume: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    model: str = ""
    device: DeviceChoice = DeviceChoice.auto
    correctBias: bool = False
    threshold: Annotated[float, WithinRange(*_THRESHOLD)] = 0.5
    minimumMm3: Annotated[float, WithinRange(*_MINIMUM_MM3)] = 3.0
    order: OrderChoice = OrderChoice.uncertain
    startModel: str = ""
    tune: TuneChoice = TuneChoice.all
    minutes: Annotated[int, WithinRange(1, 1440)] = 15
    replay: bool = True
    leaveOneOut: bool = False


def onSliders(threshold: float, minimumMm3: float) -> tuple[float, float]:
    """Threshold and minimum size as the sliders can show them; a model's own may be finer, or beyond their ends."""
    return (
        round(min(max(threshold, _THRESHOLD[0]), _THRESHOLD[1]), 2),
        float(round(min(max(minimumMm3, _MINIMUM_MM3[0]), _MINIMUM_MM3[1]))),
    )


class BoundParameters:
    """The parameters of the scene as far as the panel is bound to them.

    Attributes:
        node: the typed parameters, or None while the panel is bound to none.
        bound: signal: to others, or to none.
        changed: signal: a value may be another one.
    """

    def __init__(self) -> None:
        self.node = self._guiTag = self._tag = None
        self.bound, self.changed = Signal(), Signal()

    @property
    def task(self) -> str:
        """What to look for."""
        return "flair" if self.node is None else self.node.task.value

    def bind(self, node, gui=None) -> None:
        """Bind the widgets of ``gui`` to parameters, or to none."""
        if self.node is not None:
            self.node.disconnectGui(self._guiTag)
            self.node.RemoveObserver(self._tag)
        self.node = node
        self.bound.emit()
        if node is not None:
            self._guiTag = node.connectGui(gui)
            self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._changed)
            self.changed.emit()

    def _changed(self, *_args) -> None:
        self.changed.emit()
