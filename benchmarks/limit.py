"""How cheap a handler written in Python can be: one function that does the work of a record step by step, and keeps no promise.

Each step is timed as `cost.py` times a handler, in rounds that alternate with `logging.FileHandler` and with ours:

- a constant line is written with write(2): what is left if everything else were free;
- with it lseek(2), which tells the torn-tail guard where the record began;
- with it the text: `msg % args`, a time of which the second's text is remembered, one f-string, encoded;
- with it one lock for the threads, and the clock, which tells whether the file in hand is still the right one;
- with it every comparison that ours makes for a record (is the formatter still the stock one, was the process forked, is the
  record of this period, was the log looked at within the second, is the descriptor's position where a killed writer's line would
  end), its counters, and its attributes, which a program may set at any time;
- without a write for each record: the text, the lock, and 64 KiB written at a time, the least that buffered delivery does.

All of it stands in one function, with nothing but local names and no call but those into the interpreter. What ours costs beyond
the last step of its kind are the calls from one module to the next.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handlers import BASELINE, BUFFERED, OURS, label, make
from report import header, middle, quartiles, table

from mpfhandler._faces.bench.cost import Timed, cost_of_round

_LINE = b"2026-01-01 00:00:00,000 INFO request /articles/2026 served in 7 ms\n"
_TAILS = tuple(f",{number:03d}" for number in range(1000))
_BUFFER = 1 << 16  # bytes, as `buffer_bytes` has it by default


class Limit:
    """A handler that is one function."""

    def __init__(self, handle: Callable[[logging.LogRecord], object], flush: Callable[[], object] = lambda: None) -> None:
        self.handle = handle
        self.flush = flush


def write_alone(fd: int, _ours: Any) -> Limit:
    """A constant line."""
    write, line = os.write, _LINE
    return Limit(lambda _record: write(fd, line))


def write_and_seek(fd: int, _ours: Any) -> Limit:
    """A constant line, and where it ended."""
    write, seek, line = os.write, os.lseek, _LINE

    def handle(_record: logging.LogRecord) -> None:
        write(fd, line)
        seek(fd, 0, 1)

    return Limit(handle)


def with_text(fd: int, _ours: Any, lock: Any = None) -> Limit:
    """The record's own line; with a lock one at a time, by the clock."""
    write, seek, text_of_second, tails, now = os.write, os.lseek, _text_of_second, _TAILS, time.time
    start = end = 0.0
    second = ""

    def handle(record: logging.LogRecord) -> None:
        nonlocal start, end, second
        if not start <= record.created < end:
            start, end, second = text_of_second(record.created)
        record.message = message = record.msg % record.args
        record.asctime = asctime = second + tails[int(record.msecs)]
        data = f"{asctime} {record.levelname} {message}\n".encode()
        if lock is None:
            write(fd, data)
            seek(fd, 0, 1)
            return
        try:
            lock.acquire()
            now()
            write(fd, data)
            seek(fd, 0, 1)
        finally:
            lock.release()

    return Limit(handle)


def with_lock(fd: int, ours: Any) -> Limit:
    """The same, with a lock."""
    return with_text(fd, ours, threading.RLock())


def with_comparisons(fd: int, handler: Any) -> Limit:
    """The same as long as everything is as it was: what ours asks for each record, of one that has been made."""
    write, seek, text_of_second, tails, lock, now = os.write, os.lseek, _text_of_second, _TAILS, threading.RLock(), time.time
    kind, encoding, ours = type(handler), "utf-8", type(handler).emit
    formatter = handler.formatter
    style, fmt, datefmt, attributes = formatter._style, formatter._fmt, formatter.datefmt, formatter.__dict__
    of_style, its_format, stock, record_class = style.__dict__, type(style).format, logging.Formatter, logging.LogRecord
    format_time, converter = stock.formatTime, stock.converter
    time_format, msec_format, attributes_of_style = stock.default_time_format, stock.default_msec_format, len(of_style)
    its_filter, of_class, its_terminator, process, mask = kind.filter, kind.format, handler.terminator, os.getpid(), 4095
    lo = start = end = 0.0
    due = look = limit = float("inf")
    second, owed, count, size, boundaries = "", b"", 0, 0, 0

    def handle(record: logging.LogRecord) -> None:
        nonlocal start, end, second, count, size, boundaries
        own, created = handler.__dict__, record.created
        if handler.filters or handler.__class__.filter is not its_filter or "filter" in own or handler.formatter is not formatter:
            raise AssertionError
        if kind.emit is not ours or kind.format is not of_class or "format" in own or "emit" in own or handler._buffered:
            raise AssertionError
        if (
            not start <= created < end
            or formatter._style is not style
            or style._fmt is not fmt
            or formatter.datefmt is not datefmt
            or style.__class__.format is not its_format
            or len(of_style) != attributes_of_style
            or len(attributes) != 3
            or stock.formatTime is not format_time
            or stock.converter is not converter
            or stock.default_time_format is not time_format
            or stock.default_msec_format is not msec_format
        ):
            start, end, second = text_of_second(created)
        if record.exc_info or record.exc_text or record.stack_info or type(record) is not record_class:
            raise AssertionError
        record.message = message = record.getMessage()
        msecs, terminator = record.msecs, handler.terminator
        if not 0.0 <= msecs < 1000.0 or terminator is not its_terminator or record.process != process:
            raise AssertionError
        record.asctime = asctime = second + tails[int(msecs)]
        data = f"{asctime} {record.levelname} {message}{terminator}".encode(encoding)
        try:
            lock.acquire()
            if lo <= created < due and now() < look and not owed:
                written = write(fd, data)
                position = seek(fd, 0, 1)
                begun = position - written
                if written != len(data) or position >= limit:
                    raise AssertionError
                if not begun & mask and begun > 0:
                    boundaries += 1
                count += 1
                size += written
        finally:
            lock.release()

    return Limit(handle)


def buffered(fd: int, _ours: Any) -> Limit:
    """The record's own line, many at a time."""
    text_of_second, tails, lock, waiting = _text_of_second, _TAILS, threading.RLock(), list[str]()
    start = end = 0.0
    second, size = "", 0

    def flush() -> None:
        nonlocal size
        os.write(fd, "".join(waiting).encode())
        os.lseek(fd, 0, 1)
        waiting.clear()
        size = 0

    def handle(record: logging.LogRecord) -> None:
        nonlocal start, end, second, size
        if not start <= record.created < end:
            start, end, second = text_of_second(record.created)
        record.message = message = record.msg % record.args
        record.asctime = asctime = second + tails[int(record.msecs)]
        text = f"{asctime} {record.levelname} {message}\n"
        with lock:
            size += len(text)
            if size > _BUFFER:
                flush()
                size = len(text)
            waiting.append(text)

    return Limit(handle, flush)


STEPS = {
    "write(2) of a constant line": write_alone,
    "… and lseek(2)": write_and_seek,
    "… and the record's text": with_text,
    "… and a lock, and the clock": with_lock,
    "… and every comparison": with_comparisons,
    "text, lock, a write for 64 KiB": buffered,
}


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description="the least CPU per record that a handler in Python can have")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--records", type=int, default=2000, help="per round")
    parser.add_argument("--dir", default=None, help="where the logs are written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        header("The least that a record costs", folder)
        with opened(Path(folder)) as timed:
            costs = alternating(timed, options.rounds, options.records)
    rows = []
    for name, found in costs.items():
        low, high = quartiles(found)
        share = middle([mine / base for mine, base in zip(found, costs[label(BASELINE)], strict=True)])
        rows.append((name, f"{middle(found):.2f}", f"{low:.2f}–{high:.2f}", f"{share:.2f}"))
    table(("what is done", "CPU µs per record", "middle half", "of FileHandler"), rows)


@contextmanager
def opened(folder: Path) -> Generator[dict[str, Timed], None, None]:
    """The steps, FileHandler, and ours; each on a file of its own."""
    handlers = {key: make(key, str(folder / f"{key}.log")) for key in (BASELINE, OURS, BUFFERED)}
    fds = {name: os.open(folder / f"{number}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT) for number, name in enumerate(STEPS)}
    try:
        yield {
            **{label(key): handler for key, handler in handlers.items()},
            **{name: step(fds[name], handlers[OURS]) for name, step in STEPS.items()},
        }
    finally:
        for fd in fds.values():
            os.close(fd)
        for handler in handlers.values():
            handler.close()


def alternating(timed: dict[str, Timed], rounds: int, count: int) -> dict[str, list[float]]:
    """Microseconds per record, round by round, in an order that rotates; a first round of each is not counted."""
    names = list(timed)
    costs: dict[str, list[float]] = {name: [] for name in names}
    gc.disable()
    for number in range(rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            cost = cost_of_round(timed[name], count)
            if number:
                costs[name].append(cost)
            gc.collect()
    gc.enable()
    return costs


def _text_of_second(created: float) -> tuple[float, float, str]:
    second = float(int(created))
    return second, second + 1, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))


if __name__ == "__main__":
    main()
