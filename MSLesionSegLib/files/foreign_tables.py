"""Tables that people give (sessions, scans, participants, lists of masks), read as people write them."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_MOST_BYTES = 64 << 20
_SEPARATORS = ("\t", ";", ",", "|")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as that of UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ABSENT = {"n/a", "na", "nan", "none", "null", "-"}


class ForeignTableError(ValueError):
    """It cannot be understood; the message is the reason, without the name of the file."""


class MissingColumnError(ForeignTableError):
    """It has no ``column``."""

    def __init__(self, column: str, heads: Sequence[str]) -> None:
        there = ", ".join(head for head in heads if head)[:80]
        super().__init__(f"it has no column {column} (its columns: {there})")
        self.column = column


@dataclass(frozen=True)
class Row:
    """A row of a table: its cells by column, empty where nothing is said, and its line in the file."""

    line: int
    cells: dict[str, str]


def read_table(file: Path, columns: Sequence[str]) -> list[Row]:
    """Read those columns of a table that are asked for; rows without any content are left out.

    The table may be separated by tabs, semicolons, commas or bars (also named in a first line ``sep=;``), be quoted,
    padded with spaces or with empty cells at its end, have any line ends, capitals in its heads, and be in UTF-8,
    UTF-16, UTF-32 or Windows' Latin alphabet, with or without byte-order mark. ``n/a`` and its like are nothing.

    Args:
        file: the table; its first line holds the names of the columns.
        columns: names in lower case, with ``_`` between words.

    Raises:
        MissingColumnError: it has not all columns.
        ForeignTableError: it cannot be read, has one of the columns twice, or a row with more cells than there are
            columns.
    """
    lines = _text(file).splitlines()
    first = 0
    separators: Sequence[str] = _SEPARATORS
    if lines and (told := re.fullmatch(r"\s*\"?sep=(.)\"?\s*", lines[0], re.IGNORECASE)):
        first, separators = 1, (told[1],)
    while first < len(lines) and not lines[first].strip():
        first += 1
    if first == len(lines):
        raise ForeignTableError("it is empty")
    heads, separator = _heads(lines[first], separators, columns)
    reader = csv.reader(lines[first + 1 :], delimiter=separator, skipinitialspace=separator != "\t")
    rows = []
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            line = first + 1 + reader.line_num
            if any(cells[len(heads) :]):
                raise ForeignTableError(f"line {line} has more cells than there are columns")
            by_head = dict(zip(heads, cells, strict=False))
            rows.append(Row(line, {name: _said(by_head.get(name, "")) for name in columns}))
    except csv.Error as error:
        raise ForeignTableError(str(error)) from None
    return rows


def _heads(line: str, separators: Sequence[str], columns: Sequence[str]) -> tuple[list[str], str]:
    """The names of the columns, and what separates them: that with which most of the wanted ones are there."""

    def split(separator: str) -> list[str]:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=separator != "\t"))
        return [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in cells]

    found = {separator: split(separator) for separator in separators}
    best = max(found, key=lambda separator: len(set(columns) & set(found[separator])))
    heads = found[best]
    missing = [name for name in columns if name not in heads]
    if missing:
        raise MissingColumnError(missing[0], heads)
    double = [name for name in columns if heads.count(name) > 1]
    if double:
        raise ForeignTableError(f"it has two columns {double[0]}")
    return heads, best


def _said(cell: str) -> str:
    return "" if cell.lower() in _ABSENT else cell


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ForeignTableError(error.strerror or str(error)) from None
    if len(content) > _MOST_BYTES:
        raise ForeignTableError(f"it is larger than {_MOST_BYTES >> 20} MiB")
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    for encoding in (marked,) if marked else _likely(content):
        try:
            text = content.decode(encoding)
        except UnicodeError:
            continue
        if "\0" not in text:
            return io.StringIO(text, newline=None).read()  # any line ends
    raise ForeignTableError("it is not text")


def _likely(content: bytes) -> tuple[str, ...]:
    """Encodings to try where there is no byte-order mark: zeros beside letters are those of UTF-16."""
    if b"\0" in content:
        return ("utf-16-le", "utf-16-be") if content[1:2] == b"\0" else ("utf-16-be",)
    return ("utf-8", "cp1252")
