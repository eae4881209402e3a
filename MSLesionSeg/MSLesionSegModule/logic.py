"""The module's work without a panel: finding lesions, filing cases, fine-tuning, each as a job of the core."""

import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from .jobs.workFolder import WorkFolder
from .parameters import MSLesionSegParameterNode


class MSLesionSegLogic(ScriptedLoadableModuleLogic):
    """Works without a panel, from Slicer's Python console::

    logic = slicer.util.getModuleLogic("MSLesionSeg")
    session = logic.segment("flair", {"flair": slicer.util.getNode("FLAIR")})
    for lesion in session.review.lesions:
        print(lesion.id, lesion.volume_mm3, lesion.region)
    logic.addCase(session, "/data/cases", reviewer="R1")
    print(logic.fineTune("/data/cases", minutes=15, wait=True)["gate"]["sentence"])
    """

    def __init__(self):
        from .jobs.runningJobs import RunningJobs
        from .jobs.warmWorker import WarmWorker
        from .setup.packages import Packages

        ScriptedLoadableModuleLogic.__init__(self)
        self._work = WorkFolder(slicer.app.temporaryPath)
        self._parameters = None
        self._searches = []
        self._jobs = RunningJobs()
        self._worker = WarmWorker()
        resources = Path(__file__).parent.parent / "Resources"
        settings = Path(slicer.app.slicerUserSettingsFilePath).parent
        self.packages = Packages(resources / "requirements.txt", settings / "MSLesionSeg" / "ants")

    def getParameterNode(self):
        """The scene's parameters: one wrapper as long as the node is the same, since each observes it for good."""
        node = super().getParameterNode()
        if self._parameters is None or self._parameters.parameterNode is not node:
            self._parameters = MSLesionSegParameterNode(node)
        return self._parameters

    def coreVersion(self) -> str:
        """Version of the Python core that this module drives."""
        from MSLesionSegLib import __version__

        return __version__

    def sessionOf(self, segmentation):
        """The review that a segmentation node holds, to go on with; None for any other node."""
        from .scene.reviewSession import ReviewSession
        from .setup.packages import coreImportable

        return ReviewSession.ofNode(segmentation) if coreImportable() else None

    def segment(
        self,
        task: str,
        volumes: Mapping[str, Any],
        model: str | None = None,
        device: str = "auto",
        correctBias: bool = False,
        wait: bool = True,
        onEvent=lambda event: None,
        onFinished=lambda session, outcome: None,
    ):
        """Find lesions on volumes of the scene.

        Args:
            task: ``flair``, ``new`` or ``enhancing``.
            volumes: volume node by input name: flair; baseline and followup; pre, post and optionally flair.
            model: name of a stored model; None takes the one in use.
            device: ``auto``, ``cpu`` or ``cuda``.
            correctBias: correct the bias field first.
            wait: return the review session; otherwise return the job at once and call ``onFinished`` at the end.
            onEvent: called with every event of the job.

        Raises:
            RuntimeError: it could not be done (with ``wait``); the sentence says why.
        """
        from .jobs.segmenting import Segmenting

        run = Segmenting(
            task,
            volumes,
            self.workFolder(),
            model,
            device,
            correctBias,
            onEvent,
            onFinished,
            self.packages.antsFolder,
            self._worker,
        )
        self._searches = [job for job in self._searches if job.outcome is None] + [run.job]
        self._jobs.add(run.job)
        if not wait:
            return run.job
        self._jobs.result(run.job)
        return run.session

    def warmUp(self) -> None:
        """Load what a search needs, here and in a process that waits, to begin at once when one is asked for."""
        from .jobs import segmenting  # noqa: F401
        from .jobs.coreProcess import coreEnvironment

        with contextlib.suppress(OSError):  # the search itself would tell
            self._worker.start(self.workFolder(), coreEnvironment(self.packages.antsFolder))

    def openResult(self, path):
        """Bring a result that the command line stored into the scene; returns its review.

        One that is in the scene already is gone on with. Its scans must have been loaded, from the very files.

        Args:
            path: ``result.json`` of the result folder.

        Raises:
            MSLesionSegError: it cannot be shown; the sentence says why.
        """
        from .scene.storedResult import readResult

        result = readResult(Path(path))
        return result.goOn() or result.show(result.scansInScene(), self.workFolder())

    def addCase(self, session, folder, reviewer: str = "") -> dict[str, Any]:
        """File the corrected mask as a training case; returns what the core says about it.

        Raises:
            RuntimeError: it could not be done; the sentence says why.
        """
        return self._jobs.result(self.startAddCase(session, folder, reviewer, None))

    def startAddCase(
        self,
        session,
        folder,
        reviewer: str = "",
        minutes: float | None = None,
        onFinished=lambda outcome: None,
    ):
        """As :meth:`addCase`, but return the job at once."""
        from .jobs.caseCommands import addArguments

        session.takeEdits()
        work = Path(tempfile.mkdtemp(prefix="case-", dir=self.workFolder()))
        arguments = addArguments(session, Path(folder).absolute(), work, reviewer, minutes)
        return self._started(arguments, onFinished=onFinished)

    def fineTune(
        self,
        folder,
        task: str = "flair",
        start: str | None = None,
        tune: str = "all",
        minutes: float | None = 15,
        replay: bool = True,
        leaveOneOut: bool = False,
        device: str = "auto",
        settings: Sequence[str] = (),
        wait: bool = False,
        onEvent=lambda event: None,
        onFinished=lambda outcome: None,
    ):
        """Fine-tune a model on the cases of a folder.

        Args:
            folder: the training set.
            task: of the cases.
            start: model to start from; None takes the one in use.
            tune: ``all``, ``decoder`` or ``last``.
            minutes: time budget; None leaves it to ``settings``.
            replay: mix in cases of earlier sites.
            leaveOneOut: train once more without each patient, where too few cases are kept to check the model.
            settings: other values of the recipe, such as ``steps=400``.
            wait: return the core's result (model, folder, gate); otherwise return the job at once.

        Raises:
            RuntimeError: it could not be done (with ``wait``); the sentence says why.
        """
        from .jobs.caseCommands import trainArguments

        arguments = trainArguments(
            Path(folder).absolute(), task, start, tune, minutes, replay, leaveOneOut, device, settings
        )
        job = self._started(arguments, onEvent=onEvent, onFinished=onFinished)
        return self._jobs.result(job) if wait else job

    def importModel(self, path, name: str, onFinished=lambda outcome: None):
        """Take over a model from a file under a name that is free; returns the job at once."""
        arguments = ["models", "import", str(Path(path).absolute()), f"--name={name}"]
        return self._started(arguments, onFinished=onFinished, stoppable=False)

    def exportModel(self, name: str, path, onFinished=lambda outcome: None):
        """Save a stored model as one file; returns the job at once."""
        arguments = ["models", "export", name, "--output", str(Path(path).absolute())]
        return self._started(arguments, onFinished=onFinished, stoppable=False)

    def startCommand(self, arguments: Sequence[str], onFinished=lambda outcome: None):
        """Start a command of the core that asks for nothing; returns the job at once."""
        return self._started(arguments, onFinished=onFinished)

    def poll(self) -> None:
        """Hand on what the running jobs have reported."""
        self._jobs.poll()

    def cancelSegmenting(self) -> None:
        """End the running searches without a result, as their scene goes."""
        for job in self._searches:
            self._jobs.abandon(job)
        self._searches = []

    def cleanup(self) -> None:
        """End all jobs and remove the working folder."""
        self._worker.end()
        self._jobs.abandonAll()
        self._work.remove()

    def workFolder(self) -> Path:
        """Folder for results of this session; removed at its end."""
        return self._work.path()

    def _started(self, arguments, **callbacks):
        from .jobs.coreProcess import coreEnvironment
        from .jobs.job import Job

        environment = coreEnvironment(self.packages.antsFolder)
        job = Job(arguments, self.workFolder(), environment=environment, **callbacks)
        self._jobs.add(job)
        return job
