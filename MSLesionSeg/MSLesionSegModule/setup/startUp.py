"""What the module does once when Slicer has started. No step depends on another: one that fails is only logged."""

import logging


def startUp() -> None:
    """Offer sample data, know the layout of a pair, tidy up, and go on where a restart left off."""
    for step in (_offerSampleData, _describeLayout, _removeLeftovers, _reopenModule):
        try:
            step()
        except Exception:
            logging.exception("MSLesionSeg: a step of the start failed")


def _offerSampleData() -> None:
    from .sampleData import register

    register()


def _describeLayout() -> None:
    import slicer

    from ..views import layouts

    layouts.describe()
    # also of a scene that was loaded, and is closed again, without the panel
    slicer.mrmlScene.AddObserver(slicer.mrmlScene.StartCloseEvent, lambda *_: layouts.leave())


def _removeLeftovers() -> None:
    import slicer

    from ..jobs.workFolder import removeLeftovers

    removeLeftovers(slicer.app.temporaryPath)


def _reopenModule() -> None:
    from .torchExtension import reopenModule

    reopenModule()
