"""Signals that ask a command for its end.

SIGTERM and SIGHUP end a command as Ctrl-C does: once, so that the cleaning up is not interrupted in its turn. A command that
answers them itself has them held back while it is imported.
"""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["ENDS", "held_back", "interruptible"]


ENDS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))


@contextmanager
def held_back() -> Generator[None, None, None]:
    """These signals wait until the command unblocks them, or has ended."""
    mask: Any = getattr(signal, "pthread_sigmask", None)
    if mask is None:  # Windows, where they cannot be asked to wait
        yield
        return
    before = mask(signal.SIG_BLOCK, ENDS)  # type: ignore[attr-defined,unused-ignore]
    try:
        yield
    finally:
        mask(signal.SIG_SETMASK, before)  # type: ignore[attr-defined,unused-ignore]


@contextmanager
def interruptible() -> Generator[None, None, None]:
    """The first of these signals raises KeyboardInterrupt, later ones do nothing; afterwards all is as before. One that is
    ignored stays so, as `nohup` wants it, and a shell for what a script runs in the background."""
    heard = [one for one in ENDS if signal.getsignal(one) is not signal.SIG_IGN]

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for one in heard:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = [signal.signal(one, interrupt) for one in heard]
    try:
        yield
    finally:
        for one, handler in zip(heard, before, strict=True):
            signal.signal(one, handler)
