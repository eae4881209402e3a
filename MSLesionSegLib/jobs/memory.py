"""How memory is handed out and taken back: by the C library, and by Python's search for what nothing refers to."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # numbers of malloc.h
_OBJECTS_BETWEEN_SEARCHES = 100_000
_LARGEST, _LARGEST_BEFORE_2_35 = 2**30, 2**25  # the older glibc refuses more than 32 MiB


def keep_freed_memory() -> None:
    """Let this process keep freed memory for what it asks for next, where the library is glibc's.

    Volumes and maps of tens of megabytes come and go all the time. glibc gives each back to the system and gets it
    anew, page by page, emptied: a tenth of a job's time. All threads take theirs from the same place (those that
    follow one that ended before do not), since what glibc sets apart for each is too small to keep a volume. What
    lies free at the top of the heap beyond 1 GiB goes back all the same. Elsewhere nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # no library to ask, or one without mallopt
        library = ctypes.CDLL(None)
        if not library.mallopt(_MMAP_THRESHOLD, _LARGEST):
            library.mallopt(_MMAP_THRESHOLD, _LARGEST_BEFORE_2_35)
        library.mallopt(_TRIM_THRESHOLD, _LARGEST)
        library.mallopt(_ARENA_MAX, 1)


def search_seldom() -> None:
    """Let Python search this process seldom for objects that only refer to each other, and not at its end.

    torch and MONAI make a million objects that stay. While they load, Python would search all of them again and
    again, and once more before the process ends: a second of a job's time.
    """
    gc.set_threshold(_OBJECTS_BETWEEN_SEARCHES)
    atexit.register(gc.freeze)
