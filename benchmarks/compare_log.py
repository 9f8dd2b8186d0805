"""What a peer of `compare.py` is told, and what it gives; the standard library's handler, which stands behind several of them."""

from __future__ import annotations

import gzip
import logging
import logging.handlers
import os
import shutil
from dataclasses import dataclass
from typing import Any

__all__ = ["FORMAT", "Log", "Wanted", "gz", "pack", "timed_handler"]

FORMAT = "%(created)r %(message)s"  # the time at which the record was made, so that a file can be held against the clock


@dataclass(frozen=True)
class Wanted:
    """How a log is to be kept.

    Attributes:
        interval: seconds of a period.
        keep: how many closed files are kept; 0 keeps all.
        packed: closed files are compressed.
    """

    interval: int = 1
    keep: int = 0
    packed: bool = False


class Log:
    """A process's way to the log: `log(text)`, `close()`."""

    def __init__(self, log: Any, close: Any) -> None:
        self.log = log
        self.close = close


def timed_handler(path: str, wanted: Wanted) -> logging.Handler:
    """The standard library's."""
    handler = logging.handlers.TimedRotatingFileHandler(path, "S", wanted.interval, wanted.keep, "utf-8")
    if wanted.packed:  # as the standard library's cookbook has it
        handler.namer, handler.rotator = gz, pack
    handler.setFormatter(logging.Formatter(FORMAT))
    return handler


def gz(name: str) -> str:
    """The name of a compressed file."""
    return f"{name}.gz"


def pack(source: str, target: str) -> None:
    """Compress a closed file."""
    with open(source, "rb") as plain, gzip.open(target, "wb") as packed:
        shutil.copyfileobj(plain, packed)
    os.remove(source)
