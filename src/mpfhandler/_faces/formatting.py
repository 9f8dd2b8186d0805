"""The stock formatter's text, for less: within one second `asctime` differs only in its milliseconds.

Only for a formatter that is exactly `logging.Formatter`, with nothing overridden on the instance or the class, and for
records without exception or stack; everything else goes the formatter's own way. The output is the same byte for byte
(a property test compares it over styles, date formats and records).

A method is the stock one if its code is logging's own, whoever was imported first. Another style, format or `datefmt`, a method
that is put on the formatter or its style, and how the class writes times count from the next record on. Another method of a
class, a class that is assigned, the style's defaults or template, a `time.tzset` or another locale count from the next second on.
"""

from __future__ import annotations

import logging
import os.path
import time
from collections.abc import Callable, Sized
from functools import cache
from math import floor

from .._resources.importing import importing
from .compiled import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .compiled import Text

    # What was found for the records of one second: its start and end; what was there then: the class's four attributes that make
    # a time; the style, its class and how that formats, its attributes, how many, and its format; the formatter's attributes and
    # its date format; what fills in a record, None if that is the formatter's own business; then asctime's text, None without an
    # asctime; the pattern that adds milliseconds; and what it adds for each of them, if that is known.
    _Known = tuple[
        float, float, object, object, object, object, Any, Any, object, Sized, int, object, Sized, object,
        Text | None, str | None, str, tuple[str, ...],
    ]  # fmt: skip

__all__ = ["StockFormat", "escaping", "is_stock", "is_untouched"]

_FORMATTER, _RECORD = logging.Formatter, logging.LogRecord
_STYLES = {logging.PercentStyle, logging.StrFormatStyle, logging.StringTemplateStyle}
_ATTRIBUTES = {"_style", "_fmt", "datefmt"}
_METHODS = ("format", "formatTime", "formatMessage", "usesTime")
_STOCK_PATTERN = "%s,%03d"
_CONVERTERS = {time.localtime, time.gmtime}  # pure functions of the second


# The interpreter keeps what objects of a class have in an array, without a dictionary for each, as long as the first few dozen of
# them had the same names. A program whose first records are not formatted at once would have records of the slow kind for ever.
_FIRST = _RECORD("", 0, "", 0, "", None, None)
_FIRST.message = _FIRST.asctime = ""


def is_stock(method: object) -> bool:
    """Whether this is a function of the `logging` module itself, and nobody's replacement or wrapper."""
    code = getattr(method, "__code__", None)
    return code is not None and os.path.normcase(code.co_filename) == logging._srcfile


_NOTHING: _Known = (0.0, 0.0, None, None, None, None, None, logging.PercentStyle, None, (), 0, None, (), None, None, None, "", ())


def is_untouched(formatter: logging.Formatter) -> bool:
    """Whether nothing was put on this formatter itself."""
    return formatter.__dict__.keys() == _ATTRIBUTES


def escaping(format_record: Callable[[logging.LogRecord], str], encoding: str, errors: str) -> Callable[[logging.LogRecord], str]:
    """The same text with its control characters spelled out, as it will be encoded."""
    with importing():
        from .._pure.escaping import escaped  # only a log that asks for it pays for it

    if errors == "surrogateescape":  # several lone surrogates may become one character
        return lambda record: escaped(format_record(record).encode(encoding, errors).decode(encoding, errors))
    return lambda record: escaped(format_record(record))


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
        try:
            (
                start, end, format_time, converter, time_format, msec_format, style, kind, its_format, of_style, size, fmt,
                attributes, datefmt, text, asctime, pattern, tails,
            ) = self._known  # fmt: skip
            if (
                not start <= record.created < end
                or formatter._style is not style
                or style._fmt is not fmt
                or formatter.datefmt is not datefmt
                or kind.format is not its_format
                or len(of_style) != size
                or len(attributes) != 3
                or _FORMATTER.formatTime is not format_time
                or _FORMATTER.converter is not converter
                or _FORMATTER.default_time_format is not time_format
                or _FORMATTER.default_msec_format is not msec_format
            ):
                self._known = known = self._look(record)
                text, asctime, pattern, tails = known[14:]
            if text is None or record.exc_info or record.exc_text or record.stack_info or type(record) is not _RECORD:
                return formatter.format(record)
            record.message = message = record.getMessage()
            if asctime is None:
                return text(record, message, "")
            msecs = record.msecs
            if tails and 0.0 <= msecs < 1000.0:
                asctime += tails[int(msecs)]
            elif pattern:
                asctime = pattern % (asctime, msecs)
            record.asctime = asctime
            return text(record, message, asctime)
        except Exception:  # no time, no such field, a style of another kind: the formatter does or says what it does or says
            return formatter.format(record)

    def _look(self, record: logging.LogRecord) -> _Known:
        """What is to be remembered for this record's second."""
        formatter = self.formatter
        style, datefmt = formatter._style, formatter.datefmt
        second = floor(record.created)
        of_class = _FORMATTER.formatTime, _FORMATTER.converter, _FORMATTER.default_time_format, _FORMATTER.default_msec_format
        of_style: Sized = getattr(style, "__dict__", ())
        kind: Any = type(style)
        its = style, kind, getattr(kind, "format", None), of_style, len(of_style), getattr(style, "_fmt", None)
        seen = float(second), float(second + 1), *of_class, *its, formatter.__dict__, datefmt
        if not _plain(formatter):
            return *seen, None, None, "", ()
        text = text_of(style)
        if not formatter.usesTime():
            return *seen, text, None, "", ()
        asctime = time.strftime(datefmt or formatter.default_time_format, formatter.converter(record.created))
        pattern = "" if datefmt else formatter.default_msec_format or ""
        return *seen, text, asctime, pattern, _all_tails() if pattern == _STOCK_PATTERN else ()


@cache
def _all_tails() -> tuple[str, ...]:
    """What the stock pattern makes of each millisecond: looking it up costs a third of formatting it."""
    return tuple(f",{number:03d}" for number in range(1000))


def _plain(formatter: logging.Formatter) -> bool:
    style = formatter._style
    return (
        type(formatter) is _FORMATTER
        and is_untouched(formatter)
        and type(style) in _STYLES
        and style.__dict__.keys() <= {"_fmt", "_defaults", "_tpl"}
        and all(is_stock(getattr(type(style), name)) for name in ("usesTime", "format", "_format"))
        and formatter.converter in _CONVERTERS
        and all(is_stock(getattr(_FORMATTER, name)) for name in _METHODS)
    )
