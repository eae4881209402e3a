"""Files that file managers leave where somebody only looked."""

from __future__ import annotations

_NAMES = {".DS_Store", "Thumbs.db", "desktop.ini"}


def is_hidden_file(name: str) -> bool:
    """Whether a file of this name says nothing: left by a file manager, or beside each file by a Mac (``._name``)."""
    return name in _NAMES or name.startswith("._")
