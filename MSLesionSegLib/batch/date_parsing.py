"""Dates as people write them, and what they can mean: never one reading where there are two."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

_DATE = re.compile(r"(?P<a>\d{1,4})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<c>\d{1,4})")
_TIME = re.compile(
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(:(?P<second>\d{2})([.,]\d+)?)?"
    r"\s*(?P<half>[ap]\.?m\.?)?\s*(z|utc|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d{6,8}|\d{12}|\d{14}")
_YEARS = range(1800, 2100)  # of a run of digits; what is shifted to protect patients lies before 1925


@dataclass(frozen=True)
class TimeSpan:
    """From the earliest to the latest time that something written can mean."""

    first: datetime
    last: datetime

    def joined(self, other: TimeSpan) -> TimeSpan:
        """Both together: what two statements about one thing can mean."""
        return TimeSpan(min(self.first, other.first), max(self.last, other.last))

    def before(self, other: TimeSpan) -> bool:
        """Whether it was earlier, whichever of its meanings is right."""
        return self.last < other.first


def span_of(text: str) -> TimeSpan | None:
    """What a date can mean, with or without a time of the day; None if it is none.

    ``2020-05-01``, ``2020/5/1``, ``1.5.2020``, ``20200501`` have one meaning; ``05/01/2020`` and ``05012020`` have
    two (May or January), and the span holds both. A time zone is left aside: what is compared lies days apart.

    >>> span_of("1.5.2020") == span_of("2020-05-01")
    True
    >>> both = span_of("05/01/2020")
    >>> print(both.first.date(), both.last.date())
    2020-01-05 2020-05-01
    >>> print(span_of("last spring"))
    None
    """
    date, _, hour = re.sub(r"(?<=\d)[Tt](?=\d)|[,\s]+", " ", text.strip()).partition(" ")
    days = list(_from_digits(date) if _DIGITS.fullmatch(date) else _with_separators(date))
    clock = _TIME.fullmatch(hour.strip()) if hour else None
    if not days or (hour and clock is None):
        return None
    if clock is not None:
        hours = _hours(clock)
        if hours is None or any(day.last - day.first >= timedelta(days=1) for day in days):
            return None
        days = [TimeSpan(day.first + hours, day.first + hours) for day in days]
    return TimeSpan(min(day.first for day in days), max(day.last for day in days))


def _hours(clock: re.Match[str]) -> timedelta | None:
    hour, minute, second = (int(clock[name] or 0) for name in ("hour", "minute", "second"))
    if clock["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if clock["half"].lower().startswith("p") else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _with_separators(text: str) -> Iterator[TimeSpan]:
    match = _DATE.fullmatch(text)
    if match is None:
        return
    a, b, c = match["a"], match["b"], match["c"]
    if len(a) > 2 or len(c) == 3:  # the year comes first, as in no country's day comes next
        if len(a) == 4 and len(c) <= 2:
            yield from _day(int(a), b, c)
        return
    short = len(c) <= 2
    year = _century(int(c)) if short else int(c)
    yield from _day(year, b, a)
    if match["sep"] != ".":
        yield from _day(year, a, b)
    if short:
        yield from _day(_century(int(a)), b, c)


def _from_digits(digits: str) -> Iterator[TimeSpan]:
    if len(digits) > 8:  # with a time: the year comes first
        clock = _TIME.fullmatch(":".join(re.findall("..", digits[8:])))
        hours = None if clock is None else _hours(clock)
        if hours is not None and int(digits[:4]) in _YEARS:
            for day in _day(int(digits[:4]), digits[4:6], digits[6:8]):
                yield TimeSpan(day.first + hours, day.first + hours)
        return
    for length in (4, 2):
        for year, rest, first in (
            (digits[:length], digits[length:], True),
            (digits[-length:], digits[:-length], False),
        ):
            number = int(year) if length == 4 else _century(int(year))
            if length == 4 and number not in _YEARS:
                continue
            if length == 4 and len(rest) == 2 and 1 <= int(rest) <= 12:  # a month
                start = datetime(number, int(rest), 1)
                end = start.replace(day=calendar.monthrange(number, int(rest))[1])
                yield TimeSpan(start, datetime.combine(end, time.max))
            for cut in range(1, len(rest)):
                left, right = rest[:cut], rest[cut:]
                if max(len(left), len(right)) > 2:
                    continue
                yield from _day(number, left, right)
                if not first:
                    yield from _day(number, right, left)


def _day(year: int, month: str, day: str) -> Iterator[TimeSpan]:
    try:
        start = datetime(year, int(month), int(day))
    except ValueError:
        return
    yield TimeSpan(start, datetime.combine(start, time.max))


def _century(year: int) -> int:
    return year + (1900 if year >= 70 else 2000)
