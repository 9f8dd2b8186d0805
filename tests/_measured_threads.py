"""A plugin of coverage: threads that were not begun by `threading`, as the package's own are, are measured, too.

It adds a step to `_thread.start_new_thread`, which only a run that measures has.
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
    def measured() -> None:
        sys.settrace(threading.gettrace())
        work(*arguments, **(keywords or {}))

    return _begin(measured, ())
