"""JSON that others wrote, read within limits: what is odd about it becomes one sentence, and costs no memory."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

MOST_BYTES = 16 << 20
DEEPEST = 32
_MOST_DIGITS = 18  # what 64 bits hold


class ForeignJsonError(ValueError):
    """It cannot be used; the message is what is wrong with it, without the name of the file."""


def read_json(file: Path, most: int = MOST_BYTES) -> Any:
    """Read a JSON file in UTF-8, UTF-16 or UTF-32, with or without byte-order mark.

    Raises:
        ForeignJsonError: as :func:`parse_json`; OSError: the file cannot be read.
    """
    with file.open("rb") as stream:
        return parse_json(stream.read(most + 1), most)


def parse_json(content: bytes | str, most: int = MOST_BYTES) -> Any:
    """Parse JSON; every number in the result is finite, every key is there once, every text can be written.

    Args:
        content: the whole of it.
        most: bytes (characters of a str) that it may have.

    Raises:
        ForeignJsonError: it is no JSON (RFC 8259), too large, nested deeper than ``DEEPEST``, or holds a key twice in
            one object, a number that is not finite or has more than 18 digits before the point, or half a character.
    """
    if len(content) > most:
        raise ForeignJsonError(f"it is larger than {most >> 10} KiB")
    try:
        parsed = json.loads(
            content,
            object_pairs_hook=_object,
            parse_int=_whole_number,
            parse_float=_number,
            parse_constant=_not_a_number,
        )
    except ForeignJsonError:
        raise
    except RecursionError:
        raise ForeignJsonError(_TOO_DEEP) from None
    except ValueError as error:
        raise ForeignJsonError(f"it is not JSON: {error}") from None
    _check_depth_and_texts(parsed)
    return parsed


_TOO_DEEP = f"it is nested more than {DEEPEST} deep"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ForeignJsonError(f"it holds '{key[:40]}' twice")
        content[key] = value
    return content


def _whole_number(text: str) -> int:
    if len(text.lstrip("-")) > _MOST_DIGITS:
        raise ForeignJsonError(f"it holds a number of {len(text)} digits")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ForeignJsonError(f"it holds a number that is too large ({text[:20]})")
    return value


def _not_a_number(text: str) -> NoReturn:
    raise ForeignJsonError(f"it holds {text}, which is not a number")


def _check_depth_and_texts(parsed: Any) -> None:
    level: list[Any] = [parsed]
    for _ in range(DEEPEST + 1):
        level = [inner for value in level for inner in _parts(value)]
        if not level:
            return
    raise ForeignJsonError(_TOO_DEEP)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, str) and not _is_whole(value):
        raise ForeignJsonError("it holds half a character")
    return value if isinstance(value, list) else ()


def _is_whole(text: str) -> bool:
    """Whether a text can be written: JSON can name one half of a surrogate pair, which no encoding takes."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
