"""The stock formatter's text, for less: within one second `asctime` differs only in its milliseconds.

Only for a formatter that is exactly `logging.Formatter`, with nothing overridden on the instance or the class, and for
records without exception or stack; everything else goes the formatter's own way. The output is the same byte for byte
(a property test compares it over styles, date formats and records).
"""

from __future__ import annotations

import logging
import time

__all__ = ["StockFormat"]

_FORMATTER = logging.Formatter
_STYLES = {logging.PercentStyle, logging.StrFormatStyle, logging.StringTemplateStyle}
_ATTRIBUTES = {"_style", "_fmt", "datefmt"}
_METHODS = {name: _FORMATTER.__dict__[name] for name in ("format", "formatTime", "formatMessage", "usesTime")}
_CONVERTERS = {time.localtime, time.gmtime}  # pure functions of the second


class StockFormat:
    """Formats records as one formatter does, with the text of the present second remembered.

    Whether the formatter is still the stock one is looked at once a second of records. No lock: what is remembered is one
    tuple, replaced as a whole; threads may at worst make the same text twice.
    """

    __slots__ = ("_format_style", "_known", "_style", "formatter")

    def __init__(self, formatter: logging.Formatter) -> None:
        self.formatter = formatter
        self._style = formatter._style
        self._format_style = formatter._style.format
        # second, date format, whether asctime is used, its text, its pattern for milliseconds
        self._known: tuple[int, str | None, bool, str, str] | None = None

    def __call__(self, record: logging.LogRecord) -> str:
        """The record's text, as `formatter.format(record)` gives it."""
        formatter = self.formatter
        known = self._known
        try:
            second = int(record.created)
        except (TypeError, ValueError, OverflowError):  # no time at all: the formatter may not need it
            return formatter.format(record)
        if known is None or known[0] != second or known[1] is not formatter.datefmt:
            known = self._known = self._renew(record, second)
        if (
            known is None
            or record.exc_info
            or record.exc_text
            or record.stack_info
            or formatter._style is not self._style
            or len(formatter.__dict__) != len(_ATTRIBUTES)
        ):
            return formatter.format(record)
        record.message = record.getMessage()
        _, _, uses_time, text, milliseconds = known
        if uses_time:
            record.asctime = milliseconds % (text, record.msecs) if milliseconds else text
        return self._format_style(record)

    def _renew(self, record: logging.LogRecord, second: int) -> tuple[int, str | None, bool, str, str] | None:
        """What is to be remembered for this record's second, or None where the formatter has to do it itself."""
        formatter = self.formatter
        if not _is_stock(formatter) or second < 0:
            return None
        if not formatter.usesTime():
            return second, formatter.datefmt, False, "", ""
        text = time.strftime(formatter.datefmt or formatter.default_time_format, formatter.converter(record.created))
        return second, formatter.datefmt, True, text, "" if formatter.datefmt else formatter.default_msec_format or ""


def _is_stock(formatter: logging.Formatter) -> bool:
    return (
        type(formatter) is _FORMATTER
        and formatter.__dict__.keys() == _ATTRIBUTES
        and type(formatter._style) in _STYLES
        and formatter._style.__dict__.keys() <= {"_fmt", "_defaults", "_tpl"}
        and formatter.converter in _CONVERTERS
        and all(_FORMATTER.__dict__.get(name) is method for name, method in _METHODS.items())
    )
