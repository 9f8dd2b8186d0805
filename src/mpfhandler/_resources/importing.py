"""The engine, and some modules of the standard library, are imported when the first log is made, in whatever thread that is.

A child that is forked in the middle of an import would wait for ever for a thread that it does not have. So a fork waits until
the import is over, for a second at most. It does not hold the lock: `logging` holds one of its own while it configures handlers,
and takes it for a fork, too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["importing"]

_PATIENCE = 1.0  # seconds
_lock = threading.RLock()


@contextmanager
def importing() -> Generator[None]:
    """Hold forks off while modules are imported."""
    with _lock:
        yield


def _wait() -> None:
    if _lock.acquire(timeout=_PATIENCE):
        _lock.release()


def _renew() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait, after_in_child=_renew)
