"""Who is compared: ours, the standard library's, and those of `peers`. All have the same text format, else their own defaults."""

from __future__ import annotations

import gzip
import importlib
import logging
import logging.handlers
import os
import shutil
from collections.abc import Callable
from typing import Any

from .contender import FORMAT, PERCENT, Contender, Service, Setup, Target
from .peers import PEERS

__all__ = ["BASELINE", "BUFFERED", "CONTENDERS", "INCUMBENT", "OURS", "contender"]

OURS, BUFFERED, BASELINE, INCUMBENT = "ours", "buffered", "file", "clh"


def contender(key: str) -> Contender:
    """The contender with this key.

    Raises:
        KeyError: there is none.
    """
    return CONTENDERS[key]


def _by_handler(key: str, name: str, build: Callable[[Setup], logging.Handler], **more: Any) -> Contender:
    """A contender that is a handler of `logging` and writes in the calling thread."""

    def handler(setup: Setup) -> logging.Handler:
        made = build(setup)
        made.setFormatter(logging.Formatter(FORMAT))
        return made

    def open_it(setup: Setup, _shared: Any) -> Target:
        return _logging(handler(setup))

    return Contender(key, name, more.pop("distribution", None), open_it, handler=handler, **more)


def _logging(handler: logging.Handler) -> Target:
    logger = logging.Logger("benchmark")
    logger.addHandler(handler)
    return Target(logger.info, PERCENT, handler.close, settle=handler.flush)


def _ours(setup: Setup, **more: Any) -> logging.Handler:
    from ..handler import MultProcTimedRotatingFileHandler as Handler

    if setup.compress:
        more |= {"late_grace": 1, "compress": "gz", "compress_delay": 0}
    return Handler(setup.path, when=setup.when, interval=setup.interval, encoding="utf-8", **more)


def _timed(setup: Setup) -> logging.Handler:
    handler = logging.handlers.TimedRotatingFileHandler(setup.path, when=setup.when, interval=setup.interval, encoding="utf-8")
    if setup.compress:  # as the standard library's cookbook has it
        handler.namer, handler.rotator = _compressed, _compress
    return handler


def _compressed(name: str) -> str:
    return name + ".gz"


def _compress(source: str, target: str) -> None:
    with open(source, "rb") as plain, gzip.open(target, "wb") as packed:
        shutil.copyfileobj(plain, packed)
    os.remove(source)


def _clh(setup: Setup) -> logging.Handler:
    module: Any = importlib.import_module("concurrent_log_handler")
    handler: logging.Handler = module.ConcurrentTimedRotatingFileHandler(
        setup.path, when=setup.when, interval=setup.interval, encoding="utf-8", use_gzip=setup.compress
    )
    return handler


def _queue(_setup: Setup, shared: Any) -> Target:
    logger = logging.Logger("benchmark")
    logger.addHandler(logging.handlers.QueueHandler(shared))

    def close() -> None:
        shared.close()
        shared.join_thread()

    return Target(logger.info, PERCENT, close)


def _listener(setup: Setup) -> Service:
    import multiprocessing

    shared: Any = multiprocessing.get_context("spawn").Queue()
    handler = logging.FileHandler(setup.path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(FORMAT))
    listener = logging.handlers.QueueListener(shared, handler)
    listener.start()

    def stop() -> None:
        listener.stop()
        handler.close()
        shared.close()
        shared.join_thread()

    return Service(shared, stop)


_OWN = (
    _by_handler(OURS, "mpfhandler", _ours, distribution="mpfhandler", rotates=True, compresses=lambda: True),
    _by_handler(
        BUFFERED,
        "mpfhandler (buffered)",
        lambda setup: _ours(setup, delivery="buffered"),
        distribution="mpfhandler",
        rotates=True,
        compresses=lambda: True,
    ),
    _by_handler(BASELINE, "logging.FileHandler", lambda setup: logging.FileHandler(setup.path, encoding="utf-8")),
    _by_handler("timed", "TimedRotatingFileHandler", _timed, rotates=True, compresses=lambda: True),
    _by_handler("watched", "WatchedFileHandler", lambda setup: logging.handlers.WatchedFileHandler(setup.path, encoding="utf-8")),
    Contender("queue", "QueueHandler + QueueListener", None, _queue, serve=_listener),
    _by_handler(
        INCUMBENT,
        "concurrent-log-handler (timed)",
        _clh,
        distribution="concurrent-log-handler",
        module="concurrent_log_handler",
        rotates=True,
        compresses=lambda: True,
    ),
)
CONTENDERS = {found.key: found for found in (*_OWN, *PEERS)}
