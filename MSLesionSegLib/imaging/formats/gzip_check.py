"""Whether a gzip stream is whole: readers of images stop at the last voxel, before the checksum."""

from __future__ import annotations

import gzip
import zlib
from typing import BinaryIO

from MSLesionSegLib.errors import ImageError

_CHUNK = 2**20


def check_gzip(name: str, file: BinaryIO) -> int:
    """Unpack a stream from where ``file`` stands to its end, and compare length and checksum (RFC 1952).

    Returns:
        Number of unpacked bytes.

    Raises:
        ImageError: a bit has changed, the end is missing, or something else follows it.
    """
    length = 0
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            while chunk := stream.read(_CHUNK):
                length += len(chunk)
    except EOFError:
        raise ImageError(
            f"{name} is damaged or cut off: its compressed data end too early. {_AGAIN}"
        ) from None
    except (OSError, zlib.error):
        raise ImageError(
            f"{name} is damaged: its compressed data do not fit their checksum, or something else follows them, so "
            f"voxels may have changed. {_AGAIN}"
        ) from None
    return length


_AGAIN = "Copy or download it again."
