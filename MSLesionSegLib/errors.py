"""Errors that a user can cause, each with a plain sentence; anything else that is raised is a bug."""

from __future__ import annotations


class MSLesionSegError(Exception):
    """A problem that the user can solve. The message says what is wrong with which file and what to do."""

    code = "error"


class ImageError(MSLesionSegError):
    """An input image or mask cannot be used."""

    code = "image"


class ModelError(MSLesionSegError):
    """A model folder is missing, broken, foreign or does not fit the task."""

    code = "model"


class OutputError(MSLesionSegError):
    """A result cannot be written where it was asked for."""

    code = "output"


class SettingsError(MSLesionSegError):
    """A setting or an argument is out of its range or contradicts another one."""

    code = "settings"


class BatchError(MSLesionSegError):
    """Some of many examinations failed; the others are done."""

    code = "batch"


class Cancelled(MSLesionSegError):
    """The person stopped the job."""

    code = "cancelled"

    def __init__(self, sentence: str = "Cancelled.") -> None:
        super().__init__(sentence)


class MissingPackageError(MSLesionSegError):
    """A package that this job needs is not installed."""

    code = "package"


class PacsError(MSLesionSegError):
    """An archive of images cannot be reached, refuses, or answers wrongly."""

    code = "pacs"
