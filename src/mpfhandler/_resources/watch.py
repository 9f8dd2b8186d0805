"""Whether an append has happened, for who was interrupted in it."""

from __future__ import annotations

from .append import OpenSegment

__all__ = ["Watch"]


class Watch:
    """Whether one append has happened, also where a signal handler's exception came out of it: an append descriptor's position
    moves with its own writes alone."""

    _begun: tuple[OpenSegment, int] | None = None

    def begin(self, segment: object) -> None:
        """An append to this comes next; one to a stream cannot be watched."""
        self._begun = None
        if isinstance(segment, OpenSegment):
            self._begun = segment, segment.position()

    def moved(self, size: int) -> bool:
        """Whether so many bytes have been appended since."""
        return self._begun is not None and self.advance() >= size

    def advance(self) -> int:
        """How many bytes have been appended since, as far as that can be told."""
        begun = self._begun
        return 0 if begun is None else begun[0].position() - begun[1]
