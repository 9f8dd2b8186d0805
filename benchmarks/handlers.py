"""The handlers that are compared, each by a key that can be handed to another process.

All of them are given the same file name, the same schedule and the same stock `logging.Formatter`; everything else is
each one's default. Imports are lazy, so a peer that is not installed is skipped and named instead of failing.
"""

from __future__ import annotations

import importlib.metadata
import logging
import logging.handlers
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["BASELINE", "BUFFERED", "FORMAT", "INCUMBENT", "KEYS", "OURS", "Contender", "contender", "label", "make", "select"]

FORMAT = "%(asctime)s %(levelname)s %(message)s"


@dataclass(frozen=True)
class Contender:
    """One handler: what it is called in the tables, where it comes from, and how it is made."""

    key: str
    name: str
    distribution: str | None  # as pip knows it; None: the standard library
    build: Callable[[str, str], logging.Handler]  # path, when


def _file(path: str, when: str) -> logging.Handler:
    return logging.FileHandler(path, encoding="utf-8")


def _timed(path: str, when: str) -> logging.Handler:
    return logging.handlers.TimedRotatingFileHandler(path, when=when, encoding="utf-8")


def _concurrent(path: str, when: str) -> logging.Handler:
    from concurrent_log_handler import ConcurrentTimedRotatingFileHandler

    return ConcurrentTimedRotatingFileHandler(path, when=when, encoding="utf-8")


def _ours(path: str, when: str) -> logging.Handler:
    from mpfhandler import MultProcTimedRotatingFileHandler

    return MultProcTimedRotatingFileHandler(path, when=when, encoding="utf-8")


def _buffered(path: str, when: str) -> logging.Handler:
    from mpfhandler import MultProcTimedRotatingFileHandler

    return MultProcTimedRotatingFileHandler(path, when=when, encoding="utf-8", delivery="buffered")


_CONTENDERS = {
    found.key: found
    for found in (
        Contender("file", "logging.FileHandler", None, _file),
        Contender("timed", "TimedRotatingFileHandler", None, _timed),
        Contender("clh", "concurrent-log-handler (timed)", "concurrent-log-handler", _concurrent),
        Contender("ours", "mpfhandler", "mpfhandler", _ours),
        Contender("buffered", "mpfhandler, buffered", "mpfhandler", _buffered),
    )
}
KEYS = tuple(_CONTENDERS)
BASELINE, INCUMBENT, OURS, BUFFERED = "file", "clh", "ours", "buffered"


def contender(key: str) -> Contender:
    """The contender with this key."""
    return _CONTENDERS[key]


def make(key: str, path: str, when: str = "h") -> logging.Handler:
    """A handler of that kind on a file, with the stock formatter."""
    handler = contender(key).build(path, when)
    handler.setFormatter(logging.Formatter(FORMAT))
    return handler


def select(keys: Sequence[str]) -> list[str]:
    """Those of the keys that work here; the others are named, with the reason, on a line of their own."""
    usable = []
    for key in keys:
        problem = _try(key)
        if problem is None:
            usable.append(key)
        else:
            print(f"Skipped: {contender(key).name}: {problem}\n", flush=True)
    return usable


def label(key: str) -> str:
    """Name and version, for a table."""
    found = contender(key)
    if found.distribution is None:
        return found.name
    try:
        return f"{found.name} {importlib.metadata.version(found.distribution)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{found.name} (not installed, from its sources)"


def _try(key: str) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            make(key, os.path.join(folder, "app.log")).close()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return None
