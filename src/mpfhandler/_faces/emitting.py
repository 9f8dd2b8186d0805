"""A handler's way of a record, from the logger to the engine: `handle` and `emit` of the class in `handler`, whose private parts
are known here.

What a program may put in the way (filters, a formatter, another `filter`, `emit` or `format` on the object or on the class) is
looked at for each record, since it may be put there at any time. While there is nothing of the kind, a record goes the short way:
the stock formatter keeps no state, so it runs without the lock. Everything else has it, as in the standard library.
"""

from __future__ import annotations

import logging
import sys

from .formatting import is_stock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._engine.buffer import Buffer

__all__ = ["emit", "handle", "is_ascii"]

is_ascii = str.isascii  # of what is no text: a TypeError

_FILTER = logging.Filterer.filter if is_stock(logging.Filterer.filter) else None  # without filters it lets everything through
_FILTERS_REPLACE = sys.version_info >= (3, 12)  # a filter may give another record


def handle(self: Any, record: logging.LogRecord) -> Any:  # noqa: C901, PLR0912  its docstring says why
    """Filter and emit; what the standard library's `handle` returns.

    In one function, with the halves of `emit`, `Writer.write` and `Buffer.write_text` that are left of them on the short way: of
    what a record costs, a call is a thirtieth.
    """
    kind, own = self.__class__, self.__dict__
    if self.filters or kind.filter is not _FILTER or "filter" in own:
        passed: Any = self.filter(record)
        if not passed:
            return passed
        if passed is not record and passed is not True and _FILTERS_REPLACE and isinstance(passed, logging.LogRecord):
            record = passed  # Python 3.12 and newer
    else:
        passed = record if _FILTERS_REPLACE else True
    own_methods = kind.emit is not emit or kind.format is not self._of_class or "format" in own or "emit" in own
    if own_methods or self.formatter is not self._lockless:
        _emit_locked(self, record)
        return passed
    try:
        text = self._format(record)
        terminator, created, quick = self.terminator, record.created, self._quick
        if terminator is not self._terminator or record.process != self._writer.process:
            self._emit_text(record, text)
        elif quick is not None:
            more, short, waiting = len(text) + quick._more, is_ascii(text), quick._waiting
            if waiting.since <= created < waiting.until and short and (record.levelno or 0) < self.flush_level:
                size = quick._size = quick._size + more  # no call from here to the append, and in one line: see `Buffer`
                if size <= quick._limit:
                    waiting.append(text)
                    if quick._waiting is not waiting:
                        quick._rescue(waiting)
                    if quick._flusher.thread is None:
                        quick._ensure_flusher()
                    return passed
                quick._size -= more
            self._emit_text(record, text)
        elif self._buffered:
            self._emit_text(record, text)
        else:
            try:
                data = (text + terminator).encode(self._encoding)
            except UnicodeError:  # naming `errors` doubles the time
                data = (text + terminator).encode(self._encoding, self._errors)
            self._append(data, created)
    except RecursionError:
        raise  # as in `emit`
    except Exception:
        self.handleError(record)
    return passed


def emit(self: Any, record: logging.LogRecord) -> None:
    """Format and write one record. What cannot be formatted goes to `handleError`, as in the standard library."""
    try:
        self._emit_text(record, self._formatting()(record))
    except RecursionError:
        raise  # the program is at its limit already; whatever is called here would raise again (python/cpython#80453)
    except Exception:
        self.handleError(record)


def _emit_locked(self: Any, record: logging.LogRecord) -> None:
    """`emit`, whoever's it is, under the handler's lock. With a buffer ours leaves the lock before anything is written."""
    if not self._buffered:
        with self._sink.lock:
            self.emit(record)
        return
    buffer: Buffer = self._sink
    if self.__class__.emit is not emit or "emit" in self.__dict__:
        buffer.formatted(self.emit, record)
        return
    try:
        self._emit_text(record, buffer.formatted(self._formatting(), record))
    except RecursionError:
        raise  # as in `emit`
    except Exception:
        self.handleError(record)
