"""SHA-256 of files, read piece by piece."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_BLOCK = 1 << 20


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def files_sha256(paths: Iterable[Path]) -> str:
    """One SHA-256 of several files in their order, wherever they lie and whatever they are called."""
    return hashlib.sha256("".join(map(file_sha256, paths)).encode()).hexdigest()


def json_sha256(content: Any) -> str:
    """SHA-256 of something of JSON types, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
