"""Where the time of a record goes: the CPU of each stage by itself, in one process.

- LogRecord: `logger.info(…)` with a handler that does nothing: the caller is looked up and the record made. All handlers have it.
- filter, format, encode: of the handler, on records and texts that are there already.
- lock: taken and given back; ours reads the clock inside, to see whether the file in hand is still the right one.
- write: ours: write(2) on an append descriptor. FileHandler: what its text stream takes longer on a file than in memory.
- guard: ours: the lseek(2) that tells where the record began, and the look whether that is where a killed writer's would end.
- the rest: of a whole `logger.info(…)` what none of these explains: the calls from one to the other, and what they compare.

Stages and handlers alternate in short rounds; the empty loop around a stage is subtracted. The sum of parts that were taken
one by one is a little less than what they take together, since each finds the processor's caches as it left them; that
is in the rest too.
"""

from __future__ import annotations

import io
import logging
import os
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from .contender import Setup
from .cost import MESSAGE, records
from .handlers import BASELINE, OURS, contender
from .results import Stage

__all__ = ["REST", "STAGES", "dearer_than_write", "stages"]

REST = "the rest"
STAGES = ("LogRecord", "filter", "format", "encode", "lock", "write", "guard", REST, "all")
_MASK = 4095
_Timed = Callable[[int], int]  # so many records → nanoseconds


def stages(folder: str, rounds: int, count: int) -> list[Stage]:
    """Every stage of ours and of FileHandler, round by round."""
    with tempfile.TemporaryDirectory(dir=folder) as place, _opened(place) as timed:
        found: dict[tuple[str, str], list[float]] = {name: [] for name in timed}
        for measure in timed.values():
            measure(count)
        for _ in range(rounds):
            empty = _empty(count)
            for name, measure in timed.items():
                found[name].append(max(measure(count) - empty, 0) / count / 1000)
    for key in (OURS, BASELINE):
        parts = [found[key, stage] for stage in STAGES if (key, stage) in found and stage != "all"]
        found[key, REST] = [whole - sum(part) for whole, *part in zip(found[key, "all"], *parts, strict=True)]
    return [Stage(key, stage, found[key, stage]) for key in (OURS, BASELINE) for stage in STAGES if (key, stage) in found]


def dearer_than_write(middles: dict[str, float]) -> list[str]:
    """The stages that cost more than the write itself, the dearest first."""
    write = middles["write"]
    dearer = [stage for stage in STAGES[:-1] if stage != "write" and middles.get(stage, 0) > write]
    return sorted(dearer, key=lambda stage: -middles[stage])


@contextmanager
def _opened(place: str) -> Generator[dict[tuple[str, str], _Timed], None, None]:
    """All stages, ready to be timed."""
    handlers: dict[str, Any] = {}
    fd = os.open(os.path.join(place, "bare.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        for key in (OURS, BASELINE):
            build = contender(key).handler
            assert build is not None
            handlers[key] = build(Setup(os.path.join(place, f"{key}.log")))
        stream = io.open(os.path.join(place, "stream.log"), "a", encoding="utf-8")  # noqa: SIM115, UP020  closed below
        try:
            yield {**_of_ours(handlers[OURS], fd), **_of_file_handler(handlers[BASELINE], stream)}
        finally:
            stream.close()
    finally:
        os.close(fd)
        for handler in handlers.values():
            handler.close()


def _of_ours(handler: Any, fd: int) -> dict[tuple[str, str], _Timed]:
    first = records(1)[0]
    handler.handle(first)  # with it the handler chooses how it formats
    text = handler.format(first) + "\n"
    data = text.encode()
    encoding, seek, write, mask = "utf-8", os.lseek, os.write, _MASK

    def guard() -> bool:
        start = seek(fd, 0, 1) - len(data)
        return not start & mask and start > 0

    lock, now = handler.lock, time.time

    def locked() -> None:
        with lock:
            now()

    as_formatted = getattr(handler, "_format", handler.format)
    return {
        **_shared(OURS, handler, as_formatted),
        (OURS, "encode"): lambda count: _plain(count, lambda: text.encode(encoding)),
        (OURS, "lock"): lambda count: _plain(count, locked),
        (OURS, "write"): lambda count: _plain(count, lambda: write(fd, data)),
        (OURS, "guard"): lambda count: _plain(count, guard),
    }


def _of_file_handler(handler: Any, stream: io.TextIOWrapper) -> dict[tuple[str, str], _Timed]:
    text = handler.format(records(1)[0]) + "\n"

    def encode(count: int) -> int:
        return _into(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), count, text)

    def locked() -> None:
        handler.acquire()
        handler.release()

    return {
        **_shared(BASELINE, handler, handler.format),
        (BASELINE, "encode"): encode,
        (BASELINE, "lock"): lambda count: _plain(count, locked),
        (BASELINE, "write"): lambda count: _into(stream, count, text) - encode(count),
    }


def _shared(key: str, handler: Any, as_formatted: Callable[[logging.LogRecord], str]) -> dict[tuple[str, str], _Timed]:
    """What both have: the logger's part, the filter, the format, and all together."""
    nothing = logging.Logger("benchmark")
    nothing.addHandler(_Nothing())
    whole = logging.Logger("benchmark")
    whole.addHandler(handler)
    return {
        (key, "LogRecord"): lambda count: _logged(count, nothing),
        (key, "filter"): lambda count: _on_records(count, handler.filter),
        (key, "format"): lambda count: _on_records(count, lambda record: as_formatted(record) + "\n"),
        (key, "all"): lambda count: _logged(count, whole),
    }


class _Nothing(logging.Handler):
    """Takes a record and does nothing with it."""

    def handle(self, record: logging.LogRecord) -> bool:  # noqa: ARG002
        return True


def _empty(count: int) -> int:
    return _plain(count, lambda: None)


def _plain(count: int, one: Callable[[], object]) -> int:
    clock = time.process_time_ns
    begun = clock()
    for _ in range(count):
        one()
    return clock() - begun


def _on_records(count: int, one: Callable[[logging.LogRecord], object]) -> int:
    batch = records(count)
    clock = time.process_time_ns
    begun = clock()
    for record in batch:
        one(record)
    return clock() - begun


def _logged(count: int, logger: logging.Logger) -> int:
    info, clock = logger.info, time.process_time_ns
    begun = clock()
    for number in range(count):
        info(MESSAGE, "/articles/2026", number)
    return clock() - begun


def _into(stream: io.TextIOWrapper, count: int, text: str) -> int:
    """The two calls of a StreamHandler."""
    write, flush = stream.write, stream.flush

    def both() -> None:
        write(text)
        flush()

    return _plain(count, both)
