"""What the panel saves with the scene."""

from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from .choices import DeviceChoice, OrderChoice, TaskChoice, TuneChoice

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
