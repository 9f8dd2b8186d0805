"""The stock formatter's text, for less: within one second `asctime` differs only in its milliseconds.

Only for a formatter that is exactly `logging.Formatter`, with nothing overridden on the instance or the class, and for
records without exception or stack; everything else goes the formatter's own way. The output is the same byte for byte
(a property test compares it over styles, date formats and records).

A method is the stock one if its code is logging's own, whoever was imported first. What a program changes on the formatter,
or of how the class writes times, counts from the next record on; another method of the class, and a `time.tzset`, from the
next second on.
"""

from __future__ import annotations

import logging
import os.path
import time
from functools import cache
from math import floor
from operator import itemgetter

__all__ = ["StockFormat", "is_stock"]

_FORMATTER = logging.Formatter
_STYLES = {logging.PercentStyle, logging.StrFormatStyle, logging.StringTemplateStyle}
_ATTRIBUTES = {"_style", "_fmt", "datefmt"}
_METHODS = ("format", "formatTime", "formatMessage", "usesTime")
_STOCK_PATTERN = "%s,%03d"
_CONVERTERS = {time.localtime, time.gmtime}  # pure functions of the second
_CLASS = _FORMATTER.__dict__  # a live view
# How the class writes times, as programs change it, in one call: it is compared for every record. Each name costs 0.02 µs.
_of_class = itemgetter("formatTime", "converter", "default_time_format", "default_msec_format")


def is_stock(method: object) -> bool:
    """Whether this is a function of the `logging` module itself, and nobody's replacement or wrapper."""
    code = getattr(method, "__code__", None)
    return code is not None and os.path.normcase(code.co_filename) == logging._srcfile


# What was found for the records of one second: its start and end; what the class, the formatter and its style were like then
# (class attributes, style, its format, date format); whether the formatter is a plain one; then asctime's text, None without an
# asctime; the pattern that adds milliseconds; and what it adds for each of them, if that is known.
_Known = tuple[float, float, tuple[object, ...], object, object, object, bool, str | None, str, tuple[str, ...]]
_NOTHING: _Known = (0.0, 0.0, (), None, None, None, False, None, "", ())


class StockFormat:
    """Formats records as one formatter does, with the text of the present second remembered.

    Whether the formatter is still the stock one is compared for each record, by identity. No lock: what is remembered is one
    tuple, replaced as a whole; threads may at worst make the same text twice.
    """

    __slots__ = ("_known", "formatter")

    def __init__(self, formatter: logging.Formatter) -> None:
        self.formatter = formatter
        self._known = _NOTHING

    def format(self, record: logging.LogRecord) -> str:
        """The record's text, as `formatter.format(record)` gives it."""
        formatter = self.formatter
        style = formatter._style
        start, end, of_class, its_style, fmt, datefmt, plain, asctime, pattern, tails = self._known
        try:
            if (
                not start <= record.created < end
                or style is not its_style
                or style._fmt is not fmt
                or formatter.datefmt is not datefmt
                or _of_class(_CLASS) != of_class
                or len(formatter.__dict__) != 3
            ):
                self._known = known = self._look(record)
                plain, asctime, pattern, tails = known[6:]
        except (AttributeError, TypeError, ValueError, OverflowError):  # no time, or a style of another kind
            return formatter.format(record)
        if not plain or record.exc_info or record.exc_text or record.stack_info:
            return formatter.format(record)
        record.message = record.getMessage()
        if asctime is not None:
            msecs = record.msecs
            if tails and 0 <= msecs < 1000:
                record.asctime = asctime + tails[int(msecs)]
            else:
                record.asctime = pattern % (asctime, msecs) if pattern else asctime
        return style.format(record)

    def _look(self, record: logging.LogRecord) -> _Known:
        """What is to be remembered for this record's second."""
        formatter = self.formatter
        style, datefmt = formatter._style, formatter.datefmt
        second = floor(record.created)
        seen = float(second), float(second + 1), _of_class(_CLASS), style, getattr(style, "_fmt", None), datefmt
        if not _plain(formatter):
            return *seen, False, None, "", ()
        if not formatter.usesTime():
            return *seen, True, None, "", ()
        asctime = time.strftime(datefmt or formatter.default_time_format, formatter.converter(record.created))
        pattern = "" if datefmt else formatter.default_msec_format or ""
        return *seen, True, asctime, pattern, _all_tails() if pattern == _STOCK_PATTERN else ()


@cache
def _all_tails() -> tuple[str, ...]:
    """What the stock pattern makes of each millisecond: looking it up costs a third of formatting it."""
    return tuple(f",{number:03d}" for number in range(1000))


def _plain(formatter: logging.Formatter) -> bool:
    style = formatter._style
    return (
        type(formatter) is _FORMATTER
        and formatter.__dict__.keys() == _ATTRIBUTES
        and type(style) in _STYLES
        and style.__dict__.keys() <= {"_fmt", "_defaults", "_tpl"}
        and is_stock(type(style).usesTime)
        and formatter.converter in _CONVERTERS
        and all(is_stock(getattr(_FORMATTER, name)) for name in _METHODS)
    )
