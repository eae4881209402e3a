"""Text of others on a terminal: characters that would move its cursor, colour it or turn its lines are spelt out."""

from __future__ import annotations

import unicodedata

_KEPT = "\n\t"
_KINDS = ("Cc", "Cs", "Zl", "Zp")
# right-to-left marks and overrides, which let a text look like another one
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    r"""The text with control characters (but line feed and tabulator) written as numbers, such as ``\u001b``.

    >>> print(printable("lesion\x1b[2J"))
    lesion\u001b[2J
    """
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    harmless = character not in _TURNING and unicodedata.category(character) not in _KINDS
    return character if harmless or character in _KEPT else f"\\u{ord(character):04x}"
