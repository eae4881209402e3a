"""Finding lesions on volumes of the scene: a job of the core, and its result brought back to the same volumes."""

import contextlib
import tempfile
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.tasks import TASKS

from ..scene import volumes
from ..scene.resultFolder import loading
from ..scene.reviewSession import ReviewSession
from .coreProcess import coreEnvironment
from .job import DONE, Job, JobOutcome
from .warmWorker import WarmWorker


class Segmenting:
    """One run. Nodes are held by ID from the start, so that choosing others meanwhile does no harm.

    Args:
        task: ``flair``, ``new`` or ``enhancing``.
        nodes: volume node by input name.
        folder: working folder of this Slicer session.
        model: name, or None for the one in use.
        device: ``auto``, ``cpu`` or ``cuda``.
        correctBias: whether the bias field is corrected first.
        onEvent: called with every event of the job.
        onFinished: called with the review, or None, and with how the job ended.
        packagesFolder: where packages of the core lie that Slicer itself does not have.
        worker: process that waits for the job.

    Raises:
        ImageError: a volume holds no image, or lies under a transform that changes its size or shape.
    """

    def __init__(
        self,
        task: str,
        nodes: Mapping[str, Any],
        folder: Path,
        model: str | None = None,
        device: str = "auto",
        correctBias: bool = False,
        onEvent: Callable[[dict[str, Any]], None] = lambda event: None,
        onFinished: Callable[[ReviewSession | None, JobOutcome], None] = lambda session, outcome: None,
        packagesFolder: Path | None = None,
        worker: WarmWorker | None = None,
    ) -> None:
        work = Path(tempfile.mkdtemp(prefix="segment-", dir=folder))
        self._task = task
        self._ids = {name: node.GetID() for name, node in nodes.items()}
        self._inputs = {name: volumes.sourceFile(node, work, name).absolute() for name, node in nodes.items()}
        self._output = work / "result"
        self._onFinished = onFinished
        self.session: ReviewSession | None = None
        arguments = ["segment", task]
        for name, path in self._inputs.items():
            arguments += [f"--{name}", str(path)]
        arguments += ["--output", str(self._output), "--device", device]
        if model:
            arguments += ["--model", model]
        if correctBias:
            arguments += ["--n4"]
        environment = coreEnvironment(packagesFolder)
        self.job = Job(
            arguments, work, onEvent, self._finished, environment, completion=self._bring, worker=worker
        )

    def _finished(self, outcome: JobOutcome) -> None:
        self._onFinished(self.session if outcome.state == DONE else None, outcome)

    def _bring(self) -> Generator[None, None, None]:
        """Bring the result into the scene, in steps."""
        nodes = {name: slicer.mrmlScene.GetNodeByID(node) for name, node in self._ids.items()}
        present = {name: node for name, node in nodes.items() if node is not None}
        self._requireScan()
        with contextlib.closing(loading(self._output, present, self._inputs)) as steps:
            for self.session in steps:
                yield
                self._requireScan()

    def _requireScan(self) -> None:
        if slicer.mrmlScene.GetNodeByID(self._ids[TASKS[self._task].reviewed_on]) is None:
            raise MSLesionSegError(
                _("The scan was removed from the scene meanwhile, so its lesions cannot be shown.")
            )
