"""CPU per record, user and system, in one process: of `Handler.handle(record)`, and of the whole `logger.info(...)`.

`handle` is what a handler is answerable for: its filter, lock, format, encode and write. Making the LogRecord and finding
the handler is the logger's work and the same for all, so the records of a round are made just before it, not in the
timed part: each is new (no text is cached in it from an earlier round) and has a fresh `created`. The whole call is what a
program pays: there the LogRecord is made, and is gone before the next one.

Rounds of all handlers alternate, in an order that rotates. A round fills a buffer of the default size more than once; it is short
enough for most of its records to share a second, as they do in any program for which the cost matters. The collector of garbage
runs between rounds. The loop around the calls is not subtracted. Each round ends with the handler's `flush`, so that a buffer's
write is paid for by who has the buffer.
"""

from __future__ import annotations

import gc
import logging
import os
import tempfile
import time
from typing import Any, Protocol

from .contender import Setup
from .crew import Broken
from .handlers import contender
from .results import Cost

__all__ = ["MESSAGE", "Timed", "cost", "cost_of_round", "records"]

MESSAGE = "request %s served in %d ms"
_LOGGER = logging.Logger("benchmark")


class Timed(Protocol):
    """As much of a `logging.Handler` as a round needs."""

    def handle(self, record: logging.LogRecord) -> object:
        """Write one record."""

    def flush(self) -> object:
        """Write what a buffer holds."""


def cost(keys: list[str], folder: str, rounds: int, count: int) -> list[Cost]:
    """What a record costs with each handler, round by round.

    Raises:
        Broken: a handler did not write every record.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        paths = {key: os.path.join(place, f"{key}.log") for key in keys}
        handlers = {key: _made(key, path) for key, path in paths.items()}
        try:
            costs = _alternating(handlers, rounds, count)
        finally:
            for handler in handlers.values():
                handler.close()
        for key, path in paths.items():
            _check(key, path, 2 * (rounds + 1) * count)
    return [costs[key] for key in keys]


def records(count: int) -> list[logging.LogRecord]:
    """New records, as a logger would make them for `log.info(MESSAGE, …)`."""
    build = _LOGGER.makeRecord
    return [
        build("benchmark", logging.INFO, __file__, 42, MESSAGE, ("/articles/2026", number), None, "serve")
        for number in range(count)
    ]


def _made(key: str, path: str) -> Any:
    handler = contender(key).handler
    assert handler is not None, key
    return handler(Setup(path))


def _alternating(handlers: dict[str, logging.Handler], rounds: int, count: int) -> dict[str, Cost]:
    keys = list(handlers)
    costs = {key: Cost(key, [], []) for key in keys}
    for handler in handlers.values():
        cost_of_round(handler, count)
        _whole(handler, count)
    gc.disable()
    try:
        for number in range(rounds):
            turn = number % len(keys)
            for key in keys[turn:] + keys[:turn]:
                costs[key].cpu_us.append(cost_of_round(handlers[key], count))
                costs[key].whole_us.append(_whole(handlers[key], count))
                gc.collect()
    finally:
        gc.enable()
    return costs


def cost_of_round(handler: Timed, count: int) -> float:
    """Microseconds per record in the handler, a buffer's write included."""
    batch, handle = records(count), handler.handle
    clock = time.process_time_ns
    begun = clock()
    for record in batch:
        handle(record)
    handler.flush()
    return (clock() - begun) / count / 1000


def _whole(handler: logging.Handler, count: int) -> float:
    """Microseconds per logging call, from `logger.info`."""
    logger = logging.Logger("benchmark")
    logger.addHandler(handler)
    info, clock = logger.info, time.process_time_ns
    begun = clock()
    for number in range(count):
        info(MESSAGE, "/articles/2026", number)
    handler.flush()
    return (clock() - begun) / count / 1000


def _check(key: str, path: str, expected: int) -> None:
    """A handler that did not write every record is worth nothing."""
    with open(path, "rb") as log:
        written = sum(line.endswith(b" ms\n") for line in log)
    if written != expected:
        raise Broken(f"{written} of {expected} records written by {key}")
