"""The handlers that the single benchmarks compare, by the keys of `mpfhandler bench` (`mpfhandler._faces.bench.handlers`).

All of them are given the same file name, the same schedule and the same stock `logging.Formatter`; everything else is
each one's default. A peer that is not installed is skipped and named instead of failing.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence

from mpfhandler._faces.bench.contender import Setup
from mpfhandler._faces.bench.handlers import BASELINE, BUFFERED, INCUMBENT, OURS, contender

__all__ = ["BASELINE", "BUFFERED", "INCUMBENT", "KEYS", "OURS", "label", "make", "select"]

KEYS = (BASELINE, "timed", INCUMBENT, OURS, BUFFERED)


def make(key: str, path: str, when: str = "h") -> logging.Handler:
    """A handler of that kind on a file, with the stock formatter."""
    build = contender(key).handler
    assert build is not None, key
    return build(Setup(path, when))


def select(keys: Sequence[str]) -> list[str]:
    """Those of the keys that work here; the others are named, with the reason, on a line of their own."""
    usable = []
    for key in keys:
        problem = contender(key).problem() or _try(key)
        if problem is None:
            usable.append(key)
        else:
            print(f"Skipped: {contender(key).name}: {problem}\n", flush=True)
    return usable


def label(key: str) -> str:
    """Name and version, for a table."""
    return contender(key).label()


def _try(key: str) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            make(key, os.path.join(folder, "app.log")).close()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return None
