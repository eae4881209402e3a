"""One examination of a batch: what a worker does, here or on a cluster."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

from MSLesionSegLib.batch.requests import carry_out
from MSLesionSegLib.errors import Cancelled, MSLesionSegError
from MSLesionSegLib.jobs.job import MEMORY_SENTENCE, out_of_memory
from MSLesionSegLib.jobs.progress import Silent, StopFile
from MSLesionSegLib.segmentation.request import SegmentRequest

STOP = ".stop"  # its presence in the derivatives tells all workers to leave off


@dataclass(frozen=True)
class ExaminationEnd:
    """How the work on one examination ended.

    Attributes:
        problem: a sentence, or empty when the result stands.
        cancelled: it was left off and nothing of it was written.
    """

    problem: str = ""
    cancelled: bool = False


def work_on(request: SegmentRequest, stop: Path, threads: int, dicom: bool) -> ExaminationEnd:
    """Do what is asked, with ``threads`` threads, with ``dicom`` as DICOM too.

    What goes wrong is told, never raised: the others shall go on.
    """
    import torch

    torch.set_num_threads(threads)
    try:
        carry_out(request, StopProgress(stop), dicom)
    except Cancelled:
        return ExaminationEnd(cancelled=True)
    except MSLesionSegError as error:
        return ExaminationEnd(str(error))
    except Exception as error:
        if out_of_memory(error):
            return ExaminationEnd(MEMORY_SENTENCE)
        traceback.print_exc(file=sys.stderr)
        return ExaminationEnd(f"Internal error ({type(error).__name__}: {error}). Please report it.")
    finally:
        torch.cuda.empty_cache()  # other workers share the card
    return ExaminationEnd()


class StopProgress(Silent):
    """A :class:`~MSLesionSegLib.jobs.progress.Progress` that keeps quiet and leaves off when a file appears."""

    def __init__(self, stop: Path) -> None:
        self._stop = StopFile(stop, every_s=0.5)

    def stage(self, name: str, fraction: float = 0.0) -> None:
        self._stop.check()
