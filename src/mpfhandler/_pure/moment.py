"""The time that a line of a log begins with.

Known are `logging`'s own form (`2026-11-23 16:00:00,123`), ISO 8601 with and without a zone, seconds (milli-, micro-,
nanoseconds) since the epoch, each also in brackets, and lines that are JSON objects with the time under a usual key.
Anything else is no time: a segment's first and last one are a help for people and indexes, nothing depends on them.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta

from .zone import REACH, Zone, stretches

__all__ = ["Head", "Tail", "first_moment", "last_moment", "read_moment"]

_KEYS = ("time", "timestamp", "ts", "@timestamp", "created", "asctime")
_DATE = re.compile(
    r"[\[(<\"']?(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
    r"(?: ?(Z|UTC|[+-]\d\d(?::?\d\d)?)(?![\w:]))?(?![\d:])",
    re.ASCII,
)
_NUMBER = re.compile(r"[\[(<\"']?(\d{9,19}(?:\.\d{1,9})?)(?![\w.:/-])", re.ASCII)
_EPOCH = datetime(1970, 1, 1)
_UNITS = ((1e8, 1.0), (1e11, 1e3), (1e14, 1e6), (1e17, 1e9))  # from this number on, units in a second: 1973 to 2286 in each


def read_moment(line: str, zone: Zone) -> float | None:
    """The time at the start of a line as seconds since the epoch, or None. One without a zone is the wall clock's in `zone`; one
    that the wall clock shows twice counts the first time."""
    text = line.lstrip()
    return _of_object(text, zone) if text.startswith("{") else _of_text(text, zone)


class Head:
    """The start of a segment, from its chunks."""

    MOST = 1 << 13  # bytes that are kept

    def __init__(self) -> None:
        self.data = b""

    def add(self, chunk: bytes) -> None:
        """The next chunk."""
        if len(self.data) < self.MOST:
            self.data += chunk[: self.MOST - len(self.data)]


class Tail:
    """The end of a segment, from its chunks."""

    MOST = 1 << 16  # bytes that are kept

    def __init__(self) -> None:
        self.data = b""
        self.size = 0  # bytes of all chunks

    def add(self, chunk: bytes) -> None:
        """The next chunk."""
        self.size += len(chunk)
        self.data = chunk[-self.MOST :] if len(chunk) >= self.MOST else (self.data + chunk)[-self.MOST :]


def first_moment(head: bytes, zone: Zone) -> float | None:
    """The time of the first line that begins with one."""
    return next((found for line in _lines(head) if (found := read_moment(line, zone)) is not None), None)


def last_moment(tail: bytes, zone: Zone) -> float | None:
    """The time of the last line that begins with one: a traceback may follow it."""
    lines = _lines(tail)[1 if len(tail) >= Tail.MOST else 0 :]  # of the first one there may be only the end
    return next((found for line in reversed(lines) if (found := read_moment(line, zone)) is not None), None)


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "replace").removeprefix("\ufeff").split("\n")


def _of_text(text: str, zone: Zone) -> float | None:
    match = _DATE.match(text)
    if match is not None:
        return _of_date(match, zone)
    number = _NUMBER.match(text)
    return None if number is None else _of_number(float(number[1]))


def _of_number(number: float) -> float | None:
    """In seconds, or the smaller unit that makes a plausible year of it; 20261123160000 is no such number."""
    return next((number / unit for least, unit in _UNITS if least <= number < least * 100), None)


def _of_date(match: re.Match[str], zone: Zone) -> float | None:
    *fields, second, fraction, offset = match.groups()
    try:
        wall = datetime(*map(int, (*fields, second or 0)))  # type: ignore[arg-type]
    except ValueError:
        return None
    part = float(f"0.{fraction or 0}")
    if offset is None:
        found = _on_the_wall(wall, zone)
        return None if found is None else found + part
    return (wall - _EPOCH) // timedelta(seconds=1) - _seconds(offset) + part


def _seconds(offset: str) -> int:
    if offset in {"Z", "UTC"}:
        return 0
    digits = offset[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if offset[0] == "-" else seconds


def _on_the_wall(wall: datetime, zone: Zone) -> int | None:
    """The first instant at which the wall clock shows this; None where a zone is not to be had, or in a gap."""
    seconds = (wall - _EPOCH) // timedelta(seconds=1)
    try:
        parts = stretches(zone, seconds - REACH, seconds + REACH)
    except (OverflowError, ValueError, OSError):
        return None
    return next((at for part in parts if part.start <= (at := seconds - part.offset) < part.end), None)


def _of_object(text: str, zone: Zone) -> float | None:
    """A line that is a JSON object; one that is not whole is none."""
    import json

    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    for key in _KEYS:
        value = found.get(key)
        if isinstance(value, str):
            return _of_text(value.strip(), zone)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _of_number(float(value)) if math.isfinite(value) and value >= 0 else None
    return None
