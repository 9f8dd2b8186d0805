"""How many bytes a character has at least, told by what ends a line."""

from __future__ import annotations

__all__ = ["line_feed_of", "unit_of"]


def unit_of(terminator: bytes) -> int:
    """4 in UTF-32, 2 in UTF-16, else 1. There half a character shifts everything behind it."""
    unit = 4 if b"\0\0" in terminator else 2 if b"\0" in terminator else 1
    return unit if len(terminator) % unit == 0 else 1


def line_feed_of(terminator: bytes) -> bytes:
    """The line feed that it ends with; one that does not, whole."""
    last = terminator[-unit_of(terminator) :]
    return last if last.strip(b"\0") == b"\n" else terminator
