"""The interpreter's own threads, for every system."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .table import Joinable, Threads

__all__ = ["THREADS"]


def _start(work: Callable[[], None], name: str) -> Joinable:
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


THREADS = Threads(identity=threading.get_ident, lock=threading.RLock, start=_start, pause=time.sleep)
