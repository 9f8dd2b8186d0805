"""Sizes and ages as users write them: `"10GB"`, `"14d"`, a number of bytes or seconds, a `timedelta`; and as messages show them.

`kB`, `MB`, `GB` are powers of 1000; `KiB`, `MiB`, `GiB`, and a letter alone, are powers of 1024: the convention of GNU's tools.
Months and years are refused, because they are no fixed number of days.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta

from .errors import InvalidOption, InvalidOptionType

__all__ = ["show_age", "show_size", "to_age", "to_size"]

_SIZE_REMEDY = 'use a number of bytes, or text such as "10GB" or "512 MiB"; 0 means no limit'
_AGE_REMEDY = 'use a number of seconds, text such as "14d" or "12h", or a timedelta; 0 means no limit'
_HUGE = 10**19
_DIGITS = 30  # more are no size of anything, and would take long to read
_FIGURE = r"([0-9]+(?:\.[0-9]+)?)\s*"
_SIZE = re.compile(_FIGURE + r"([a-z]+)", re.IGNORECASE | re.ASCII)
_AGE = re.compile(_FIGURE + r"([a-z]+)\s*", re.IGNORECASE | re.ASCII)

_LETTERS = "kmgtp"
_SIZES: dict[str, int] = {
    **dict.fromkeys(("b", "byte", "bytes"), 1),
    **{f"{letter}b": 1000**power for power, letter in enumerate(_LETTERS, 1)},
    **{f"{letter}{end}": 1024**power for power, letter in enumerate(_LETTERS, 1) for end in ("", "ib")},
}
_AGES: dict[str, int] = {  # from the largest to the smallest
    **dict.fromkeys(("w", "week", "weeks"), 604800),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
}
_SHOWN_SIZES = ((1, "B"), (10**3, "kB"), (10**6, "MB"), (10**9, "GB"), (10**12, "TB"), (10**15, "PB"))
_SHOWN_AGES = ((1, "s"), (60, "min"), (3600, "h"), (86400, "d"))


def to_size(parameter: str, value: object) -> int:
    """A number of bytes; 0 (also for None) is no limit.

    Raises:
        InvalidOption: not a size, negative, not whole, or too large.
        InvalidOptionType: neither a number nor text.
    """
    if value is None:
        return 0
    number = _read_size(parameter, value) if isinstance(value, str) else _number(parameter, value, "a size", _SIZE_REMEDY)
    _check(parameter, value, number, _SIZE_REMEDY)
    if number != int(number):
        raise InvalidOption(parameter, value, "is not a whole number of bytes", _SIZE_REMEDY)
    return int(number)


def to_age(parameter: str, value: object) -> float:
    """A duration in seconds; 0 (also for None) is no limit.

    Raises:
        InvalidOption: not a duration, negative, or too long.
        InvalidOptionType: neither a number nor text nor a `timedelta`.
    """
    if value is None:
        return 0.0
    if isinstance(value, timedelta):
        number: float = value.total_seconds()
    else:
        number = _read_age(parameter, value) if isinstance(value, str) else _number(parameter, value, "an age", _AGE_REMEDY)
    _check(parameter, value, number, _AGE_REMEDY)
    return float(number)


def show_size(size: int) -> str:
    """For a reader: "1.2 GB"."""
    return _show(size, _SHOWN_SIZES)


def show_age(seconds: float) -> str:
    """For a reader: "15.2 d"."""
    return _show(seconds, _SHOWN_AGES)


def _read_size(parameter: str, text: str) -> int | float:
    plain = _plain(text)
    if plain is not None:
        return plain
    match = _SIZE.fullmatch(text.strip())
    unit = _SIZES.get(match[2].lower()) if match else None
    if match is None or unit is None or len(match[1]) > _DIGITS:
        raise InvalidOption(parameter, text, "is not a size", _SIZE_REMEDY)
    if "." not in match[1]:
        return int(match[1]) * unit
    exact = float(match[1]) * unit
    return round(exact) if unit > 1 else exact  # 0.1 MB is no whole number in binary fractions


def _read_age(parameter: str, text: str) -> int | float:
    """One figure with its unit after another, the larger unit first."""
    plain = _plain(text)
    if plain is not None:
        return plain
    stripped, position, total, last = text.strip(), 0, 0.0, math.inf
    while match := _AGE.match(stripped, position):
        unit = _AGES.get(match[2].lower(), math.inf)
        if unit >= last or len(match[1]) > _DIGITS:
            raise InvalidOption(parameter, text, "is not an age", _AGE_REMEDY)
        total, last, position = total + float(match[1]) * unit, unit, match.end()
    if not position or position < len(stripped):
        raise InvalidOption(parameter, text, "is not an age", _AGE_REMEDY)
    return total


def _plain(text: str) -> int | float | None:
    """A number alone, or None."""
    if not text.isascii():
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def _number(parameter: str, value: object, what: str, remedy: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidOptionType(parameter, value, f"is not {what}", remedy)
    return value


def _check(parameter: str, given: object, number: float, remedy: str) -> None:
    if isinstance(number, float) and not math.isfinite(number):
        raise InvalidOption(parameter, given, "is not a finite number", remedy)
    if number < 0:
        raise InvalidOption(parameter, given, "is negative", remedy)
    if number >= _HUGE:
        raise InvalidOption(parameter, given, "is too large", remedy)


def _show(number: float, units: tuple[tuple[int, str], ...]) -> str:
    """In the largest unit of which there is at least one, also after rounding."""
    size, name = units[0]
    for larger, its_name in units[1:]:
        if round(number / size, 1) * size < larger:
            break
        size, name = larger, its_name
    return f"{round(number / size, 1):g} {name}"
