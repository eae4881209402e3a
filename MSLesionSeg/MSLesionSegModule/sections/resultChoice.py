"""Opening a result that the command line stored: which one, and where its scans are."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from ..choices import inputTitle
from ..scene import volumes
from ..scene.reviewSession import ReviewSession
from ..scene.storedResult import readResult
from ..widgets.dialogs import fileToOpen


def chooseResult(work: Path) -> ReviewSession | None:
    """Ask for a result, and for those of its scans that are not in the scene; None if the person does not say.

    ``work``: folder for scans that lie in no file of a kind that the core files as a case.

    Raises:
        MSLesionSegError: the result, or a scan that was chosen for it, is not what it should be.
        OSError: a file may not be read. In all cases the scene is as it was.
    """
    path = fileToOpen(_("Open result"), _("Results") + " (result.json)")
    if not path:
        return None
    loaded: list = []
    session = None
    try:
        session = _opened(Path(path), work, loaded)
    finally:
        if session is None:
            for node in loaded:
                volumes.remove(node)
    return session


def _opened(path: Path, work: Path, loaded: list) -> ReviewSession | None:
    """``loaded`` receives the volumes that were loaded for it."""
    with slicer.util.WaitCursor():
        result = readResult(path)
        session = result.goOn()
        if session is not None:
            return session
        nodes = result.scansInScene()
    for name in result.scans:
        if name in nodes:
            continue
        with slicer.util.WaitCursor():
            nodes[name] = result.loadSeries(name, work)
        if nodes[name] is None:
            title = _("Where is the {scan} that this result was made on?").format(scan=inputTitle(name))
            file = fileToOpen(title, _("Scans") + " (*.nii *.nii.gz *.nrrd)")
            if not file:
                return None
            nodes[name] = result.loadScan(name, Path(file))
        loaded.append(nodes[name])
    with slicer.util.WaitCursor():
        return result.show(nodes, work)
