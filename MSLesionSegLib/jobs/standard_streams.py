"""Standard input, output and error where nobody holds their other end: that is no failure of the work."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO


def open_closed_streams() -> None:
    """Open streams that are closed (by a scheduler, ``pythonw``, ``>&-``) on nothing.

    The next file that is opened would take their place, and what libraries print would be written into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 open to the end


@contextlib.contextmanager
def reader_may_go(stream: TextIO) -> Iterator[None]:
    """Print to a stream; a reader that has gone, such as ``head``, ends what is printed and nothing else."""
    try:
        yield
        stream.flush()
    except BrokenPipeError:
        abandon(stream)


def reader_has_gone(end: SystemExit) -> bool:
    """Whether a program ends for this alone: libraries that print help end it with 1 where nobody reads on."""
    reason = end.__context__
    return isinstance(reason, BrokenPipeError) and reason.__context__ is None


def abandon(stream: TextIO) -> None:
    """Send what ``stream`` still holds nowhere: Python would fail on it at exit and spoil the exit code."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
