"""Some seconds that several waits share."""

from __future__ import annotations

import time

__all__ = ["Patience"]


class Patience:
    """Counts down from so many seconds."""

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds; never negative."""
        return max(0.0, self._end - time.monotonic())
