"""Names of files: what is wrong with those to make is told before hours of work, and which ones say nothing."""

from __future__ import annotations

import os
from pathlib import Path

from MSLesionSegLib.errors import OutputError

MOST_BYTES = 255  # of a name, in the file systems of Linux, macOS and Windows
HIDDEN = 32  # bytes that the name of a folder or a file has more while it is written
_LEFT_BY_FILE_MANAGERS = {".DS_Store", "Thumbs.db", "desktop.ini"}


def check_name_length(path: Path) -> None:
    """Refuse a file or folder to make of which a name has more bytes than file systems take.

    Raises:
        OutputError: with the name and the bytes that it may have.

    >>> check_name_length(Path("patient_01"))
    >>> check_name_length(Path("p" * 300))
    Traceback (most recent call last):
    MSLesionSegLib.errors.OutputError: The name pppppppppppppppppppppppppppppp... is too long: it has 300 bytes, ...
    """
    for part in path.parts:
        most = MOST_BYTES - HIDDEN if part == path.name else MOST_BYTES
        size = len(os.fsencode(part))
        if size > most:
            raise OutputError(
                f"The name {part[:30]}... is too long: it has {size} bytes, and at most {most} can be used (a letter "
                "beyond a to z has two to four). Give a shorter name."
            )


def check_new(path: Path) -> None:
    """Refuse a file or folder to make that exists already, or whose name is too long.

    Raises:
        OutputError: it is so.
    """
    check_name_length(path)
    if os.path.exists(path):  # unlike Path.exists no error for a path that is too long
        raise OutputError(f"{path} exists already. Give another name.")


def absolute(path: Path) -> Path:
    """A path without links and ``~``.

    Raises:
        OutputError: the home folder of nobody.
    """
    try:
        return Path(os.path.realpath(Path(path).expanduser()))
    except RuntimeError as error:
        raise OutputError(f"{path}: {error}") from error


def is_hidden_file(name: str) -> bool:
    """Whether a file of this name says nothing: left by a file manager, or beside each file by a Mac (``._name``)."""
    return name in _LEFT_BY_FILE_MANAGERS or name.startswith("._")
