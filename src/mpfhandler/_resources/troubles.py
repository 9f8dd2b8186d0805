"""Why a record is not in a file, where more than the system's own error has to be told."""

from __future__ import annotations

__all__ = ["Incomplete", "LockBusy", "Superseded"]


class Incomplete(OSError):
    """A record is not there as a line of its own: only a part could be written (disk full, quota, size limit) and has been made
    a line, or the whole stands behind the stump of a killed writer.

    Attributes:
        there: of several records that were written together, those that are there as lines of their own: from, up to.
    """

    there: tuple[int, int] = 0, 0


class Superseded(OSError):
    """The log's name leads to another file by now, and this one must not grow any more. Nothing was written."""


class LockBusy(OSError):
    """Another process has the rotation lock for longer than a record waits for it. Nothing was written."""
