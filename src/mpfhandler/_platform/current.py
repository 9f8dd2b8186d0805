"""Chooses the platform module of the system that the program runs on."""

from __future__ import annotations

import sys

from .._pure.errors import UnsupportedPlatform
from .table import Operations

__all__ = ["OPERATIONS"]


def _operations() -> Operations:
    if sys.platform == "win32":
        raise UnsupportedPlatform("mpfhandler runs on Linux, macOS and the BSDs; Windows has no platform module yet")
    from .posix import POSIX

    return POSIX


OPERATIONS = _operations()
