"""When the sessions of a participant were acquired, as the tables of a dataset tell it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from MSLesionSegLib.batch.date_parsing import TimeSpan, span_of
from MSLesionSegLib.files.foreign_tables import ForeignTableError, MissingColumnError, Row, read_table

TIME = "acq_time"
SESSION, SCAN = "session_id", "filename"
_ENDING = (
    r"s?(\W.*)?\.(tsv|csv|txt|xlsx?|ods)"  # also "sessions (1).tsv" and, where endings are hidden, ".tsv.txt"
)
_SESSIONS = re.compile(r"([a-z0-9].*_)?session" + _ENDING, re.IGNORECASE)
_SCANS = re.compile(r"([a-z0-9].*_)?scan" + _ENDING, re.IGNORECASE)


def session_times(subject: Path, scans: Mapping[Path, Path]) -> tuple[dict[Path, TimeSpan] | None, str]:
    """Times of a participant's sessions from ``*_sessions.tsv`` and ``*_scans.tsv`` (BIDS).

    Args:
        subject: the participant's folder.
        scans: the scan of each session's folder.

    Returns:
        The times of all sessions, or None where there is no such table; and a sentence where there are tables but
        they do not tell the time of every session, or cannot be understood.
    """
    tables: list[Path] = []
    written: dict[Path, list[str]] = {folder: [] for folder in scans}
    try:
        for table in _tables(subject, _SESSIONS):
            tables.append(table)
            for row in _rows(table, SESSION):
                for folder in _folders_of(row.cells[SESSION], scans):
                    written[folder].append(row.cells[TIME])
        for folder, scan in scans.items():
            for table in _tables(folder, _SCANS):
                tables.append(table)
                rows = _rows(table, SCAN)
                own = [row for row in rows if re.split(r"[/\\]", row.cells[SCAN])[-1] == scan.name]
                written[folder] += [row.cells[TIME] for row in own or rows]
    except ForeignTableError as error:
        return None, (
            f"{tables[-1].name} cannot be understood ({error}), so it is not known which session came first. Save it "
            f"as text with tabs between the columns, or take it away."
        )
    if not tables:
        return None, ""
    times = {folder: _joined(texts) for folder, texts in written.items()}
    for folder, span in times.items():
        if span is None:
            odd = next((f" ('{text}')" for text in written[folder] if text), "")
            names = ", ".join(sorted({table.name for table in tables}))
            return None, (
                f"The time of {folder.name} is not told{odd} in {names}, so it is not known which session came "
                f"first. Write it as 2020-05-01T10:30 under {TIME}."
            )
    return {folder: span for folder, span in times.items() if span is not None}, ""


def _tables(folder: Path, name: re.Pattern[str]) -> Iterator[Path]:
    yield from (file for file in sorted(folder.iterdir()) if name.fullmatch(file.name) and file.is_file())


def _rows(table: Path, key: str) -> list[Row]:
    """Rows of a table; none where it has no times, as BIDS allows."""
    try:
        return read_table(table, (key, TIME))
    except MissingColumnError as error:
        if error.column == TIME:
            return []
        raise


def _joined(texts: Iterable[str]) -> TimeSpan | None:
    """What several statements about one session can mean together; None where one of them is no time."""
    joined = None
    for text in filter(None, texts):
        span = span_of(text)
        if span is None:
            return None
        joined = joined.joined(span) if joined else span
    return joined


def _folders_of(session: str, folders: Iterable[Path]) -> list[Path]:
    """The session that a row speaks of; spreadsheets drop the zeros that a name begins with."""
    label = _label(session)
    exact = [folder for folder in folders if _label(folder.name) == label]
    alike = [folder for folder in folders if _label(folder.name).lstrip("0") == label.lstrip("0")]
    return exact or (alike if len(alike) == 1 else [])


def _label(name: str) -> str:
    return name.lower().removeprefix("ses-")
