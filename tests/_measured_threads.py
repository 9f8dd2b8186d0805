"""A plugin of coverage: the package's own threads, which are not begun by `threading`, are measured, too.

It adds a step to `_thread.start_new_thread`, which only a run that measures has. Other threads are left alone: a test may trace
them itself.
"""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Callable
from typing import Any

_begin = _thread.start_new_thread


def coverage_init(_registry: object, _options: object) -> None:
    """Called in each process that is measured, before that begins."""
    _thread.start_new_thread = _start


def _start(work: Callable[..., object], arguments: tuple[Any, ...], keywords: dict[str, Any] | None = None) -> int:
    if not str(getattr(work, "__module__", "")).startswith("mpfhandler."):
        return _begin(work, arguments, keywords or {})

    def measured() -> None:
        sys.settrace(threading.gettrace())
        work(*arguments, **(keywords or {}))

    return _begin(measured, ())
