"""SIGTERM and SIGHUP end a command as Ctrl-C does: once, so that the cleaning up is not interrupted in its turn."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["interruptible"]


@contextmanager
def interruptible() -> Generator[None, None, None]:
    """The first of these signals raises KeyboardInterrupt, later ones do nothing; afterwards all is as before."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for one in signals:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = [signal.signal(one, interrupt) for one in signals]
    try:
        yield
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler)
