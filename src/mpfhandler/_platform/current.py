"""Chooses the platform module of the system that the program runs on."""

from __future__ import annotations

import sys

from .table import Operations

__all__ = ["OPERATIONS"]


def _operations() -> Operations:
    if sys.platform == "win32":
        from .windows import WINDOWS

        return WINDOWS
    else:
        from .posix import POSIX

        return POSIX


OPERATIONS = _operations()
