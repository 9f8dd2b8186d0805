"""The engine, and some modules of the standard library, are imported when the first log is made, in whatever thread that is.

A child that is forked in the middle of an import would wait for ever for a thread that it does not have. So a fork waits until
the import is over, for a second at most. It does not hold the lock: `logging` holds one of its own while it configures handlers,
and takes it for a fork, too.
"""

from __future__ import annotations

import os
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._platform import Lock

__all__ = ["importing"]

_PATIENCE = 1.0  # seconds
_lock = threading.RLock()


def importing() -> Lock:
    """The lock to have while modules are imported."""
    return _lock


def _wait() -> None:
    if _lock.acquire(timeout=_PATIENCE):
        _lock.release()


def _renew() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # pragma: no branch - every POSIX system has it
    os.register_at_fork(  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        before=_wait, after_in_child=_renew
    )
