"""Chooses the platform module of the system that the program runs on."""

from __future__ import annotations

import sys

from .._pure.errors import UnsupportedPlatform
from .table import Operations

__all__ = ["OPERATIONS"]


def _operations() -> Operations:
    if sys.platform == "win32":
        from .windows import WINDOWS

        return WINDOWS
    else:
        try:
            from .posix import POSIX
        except ImportError as error:  # a system without processes, such as WebAssembly
            raise UnsupportedPlatform(f"mpfhandler runs on Linux, macOS, the BSDs and Windows: {error}") from None
        return POSIX


OPERATIONS = _operations()
