"""A button that starts a job of the core or cancels it, with its progress below."""

from collections.abc import Callable

from slicer.i18n import tr as _

from .. import texts
from ..jobs.job import CANCELLING, Job


class JobRow:
    """Shows one kind of job.

    Args:
        button: starts the job by ``start()``, or cancels it.
        bar, label: its progress.
        log: receives its stages, its warnings and what it wrote.
        start: asked to start one; it calls :meth:`begin`, or does not.

    Attributes:
        job: the one that runs, or None.
    """

    def __init__(self, button, bar, label, log, start: Callable[[], None]) -> None:
        self.job: Job | None = None
        self._button, self._bar, self._label, self._log = button, bar, label, log
        self._title = button.text
        self._start = start
        self._stage = ""
        button.clicked.connect(self.toggle)
        self._show()

    def toggle(self, *_args) -> None:
        """Start, or cancel what is running."""
        if self.job is None:
            self._start()
        else:
            self.job.cancel()
            self._label.text = _("Cancelling...")
            self._button.enabled = False

    def begin(self, job: Job, stopTip: str) -> None:
        """Show a job that was started; ``stopTip``: what cancelling does."""
        self.job = job
        self._stage = ""
        self._show()
        self._button.enabled = True
        self._button.toolTip = stopTip

    def event(self, event) -> None:
        """Show what the job reports."""
        if event["event"] == "progress" and self.job is not None and self.job.state != CANCELLING:
            self._bar.value = round(100 * event["fraction"])
            self._label.text = texts.progressText(event)
            if event["stage"] != self._stage:
                self._stage = event["stage"]
                self._log.appendPlainText(texts.stageText(event))
        elif event["event"] == "warning":
            self._log.appendPlainText(event["sentence"])

    def end(self) -> str:
        """The job has ended, or has gone with its scene; returns what it wrote, for questions."""
        lines = [] if self.job is None else list(self.job.log)
        for line in lines:
            self._log.appendPlainText(line)
        self.job = None
        self._show()
        return "\n".join(lines)

    def offer(self, problem: str, tip: str) -> None:
        """Let the job be started unless there is a problem; ``tip``: what it does."""
        if self.job is None:
            self._button.enabled = not problem
            self._button.toolTip = problem or tip

    def _show(self) -> None:
        running = self.job is not None
        self._bar.visible = running
        self._bar.value = 0
        self._label.text = _("Starting...") if running else ""
        self._label.visible = running
        self._button.text = _("Cancel") if running else self._title
