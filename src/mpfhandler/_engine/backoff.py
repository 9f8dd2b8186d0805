"""When something that failed may be tried again."""

from __future__ import annotations

__all__ = ["Backoff"]


class Backoff:
    """A pause that doubles with every failure.

    Args:
        first: the pause after the first failure (seconds).
        longest: the longest pause (seconds).
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._pause = 0.0
        self.until = float("-inf")  # by the monotonic clock

    def failed(self, now: float) -> None:
        """It failed now: wait twice as long as the last time."""
        self._pause = min(max(self._first, self._pause * 2), self._longest)
        self.until = now + self._pause

    def wait(self, now: float, pause: float) -> None:
        """Wait this long from now, whatever failed before."""
        self.until = now + pause

    def clear(self) -> None:
        """It may be tried at once."""
        self._pause = 0.0
        self.until = float("-inf")
