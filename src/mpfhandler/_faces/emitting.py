"""How a handler's records get into its buffer: formatted under the handler's lock, or by the shorter way of the stock formatter.

The handler is the one of `handler`, whose private parts these functions know; `ours` is its `emit`, by which it is told whether a
program has replaced that.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from typing import Any

    from .._engine.buffer import Buffer

__all__ = ["emit_directly", "emit_formatted", "emit_quickly", "is_ascii"]

is_ascii = str.isascii  # of what is no text: a TypeError


def emit_formatted(handler: Any, record: logging.LogRecord, ours: object) -> None:
    """Format under the lock, and leave it before anything is written; an `emit` of somebody else's has it all the time."""
    kind: Any = handler.__class__
    buffer: Buffer = handler._sink
    if kind.emit is not ours or "emit" in handler.__dict__:
        buffer.formatted(handler.emit, record)
        return
    try:
        handler._emit_text(record, buffer.formatted(handler._formatting(), record))
    except RecursionError:
        raise  # as in `emit`
    except Exception:
        handler.handleError(record)


def emit_directly(handler: Any, record: logging.LogRecord, ours: object) -> None:
    """`emit` to the engine, as long as `emit` and `format` are the ones that were looked at; else those are called. The same in
    one function: of what a record costs, a call is a thirtieth."""
    kind: Any = handler.__class__
    own = handler.__dict__
    if kind.emit is not ours or kind.format is not handler._of_class or "format" in own or "emit" in own or handler._buffered:
        if handler._buffered:
            emit_formatted(handler, record, ours)
        else:
            with handler._sink.lock:
                handler.emit(record)
        return
    try:
        text = handler._format(record)
        terminator = handler.terminator
        if terminator is not handler._terminator or record.process != handler._writer.process:
            handler._emit_text(record, text)
            return
        try:
            data = (text + terminator).encode(handler._encoding)
        except UnicodeError:  # naming `errors` doubles the time
            data = (text + terminator).encode(handler._encoding, handler._errors)
        handler._append(data, record.created)
    except RecursionError:
        raise  # as in `emit`
    except Exception:
        handler.handleError(record)


def emit_quickly(handler: Any, record: logging.LogRecord, ours: object) -> None:
    """`emit` into a buffer, as long as `emit` and `format` are the ones that were looked at; else those are called. The second
    half is `Buffer.write_text`: of what a record costs, a call is a thirtieth."""
    kind: Any = handler.__class__
    own, quick = handler.__dict__, handler._quick
    if quick is None or kind.emit is not ours or kind.format is not handler._of_class or "format" in own or "emit" in own:
        emit_formatted(handler, record, ours)
        return
    try:
        text = handler._format(record)
        level, created = record.levelno or 0, record.created  # None: of `makeLogRecord`
        if (
            handler.terminator is not handler._terminator
            or record.process != handler._writer.process
            or level >= handler.flush_level
        ):
            handler._emit_text(record, text)
            return
        more, short, waiting = len(text) + quick._more, is_ascii(text), quick._waiting
        if waiting.since <= created < waiting.until and short:
            size = quick._size = quick._size + more  # no call from here to the append, and in one line: see `Buffer`
            if size <= quick._limit:
                waiting.append(text)
                if quick._waiting is not waiting:
                    quick._rescue(waiting)
                if quick._flusher.thread is None:
                    quick._ensure_flusher()
                return
            quick._size -= more
        handler._emit_text(record, text)
    except RecursionError:
        raise  # as in `emit`
    except Exception:
        handler.handleError(record)
