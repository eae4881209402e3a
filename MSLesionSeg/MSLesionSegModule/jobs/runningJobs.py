"""The jobs that run now: a timer or a waiting script hands on what they report."""

from typing import Any

import slicer
from slicer.i18n import tr as _

from .job import DONE


class RunningJobs:
    """Keeps jobs until they have ended."""

    def __init__(self) -> None:
        self._jobs = []

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job) -> None:
        self._jobs.append(job)

    def poll(self) -> None:
        """Hand on what the jobs have reported; returns at once."""
        for job in list(self._jobs):
            if not job.poll():
                self._forget(job)

    def result(self, job) -> dict[str, Any]:
        """Wait for a job, while Slicer goes on, and return its result.

        Raises:
            RuntimeError: it failed or was cancelled; the sentence says why.
        """
        outcome = job.wait(slicer.app.processEvents)
        self._forget(job)
        if outcome.state != DONE:
            raise RuntimeError(outcome.sentence or _("The work was cancelled."))
        return outcome.result

    def abandon(self, job) -> None:
        """End a job without a result, if it still runs."""
        if job in self._jobs:
            job.abandon()
            self._forget(job)

    def abandonAll(self) -> None:
        """End all of them."""
        for job in list(self._jobs):
            self.abandon(job)

    def _forget(self, job) -> None:
        if job in self._jobs:
            self._jobs.remove(job)
