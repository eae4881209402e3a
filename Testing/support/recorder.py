"""A listener that keeps what it is told."""

from __future__ import annotations

from MSLesionSegLib.jobs.progress import Silent


class Recorder(Silent):
    def __init__(self) -> None:
        self.stages: list[str] = []
        self.warnings: list[str] = []
        self.sentences: list[str] = []

    def stage(self, name: str, fraction: float = 0.0) -> None:
        self.stages.append(name)

    def warning(self, code: str, sentence: str) -> None:
        self.warnings.append(code)
        self.sentences.append(sentence)
