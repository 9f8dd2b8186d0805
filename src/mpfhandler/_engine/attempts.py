"""Attempts to rotate, and what comes of it where none succeeds: a period that begins in the file of the one before.

Somebody may not let the log be renamed: on Windows a program that has it open without sharing it, anywhere a folder that may only
be read. Records go on into the file that is there, and the rename is tried again and again. The file keeps the period that it
has, so what belongs to the next one stands in two segments, or in one with another name: a split, which is counted once
for each such period, and told in the debug file when it begins and when it is over.
"""

from __future__ import annotations

from .._platform import Operations
from .._protocols.rotation import Outcome
from .._resources.append import OpenSegment
from .._resources.report import Reporter
from .._resources.tracefile import Trace
from .backoff import Backoff

__all__ = ["Attempts"]

_PAUSES = (1.0, 60.0)  # seconds before a failed rotation is tried again: at first, at most


class Attempts(Backoff):
    """When the next attempt is due. The engine's lock guards every call.

    Args:
        ops: the system calls.
        trace: the debug file.
        report: is told that a rotation has succeeded.
    """

    def __init__(self, ops: Operations, trace: Trace, report: Reporter) -> None:
        super().__init__(*_PAUSES)
        self._ops = ops
        self._trace = trace
        self._report = report
        self.splits = 0
        self._split: tuple[object, int] | None = None  # the file that should have been renamed, and the end of its period

    def ended(self, outcome: Outcome) -> None:
        """An attempt has had this outcome."""
        if outcome.failed:
            self.failed(self._ops.monotonic())
            self._begin(outcome.segment)
            return
        self.clear()
        self._report.solved("rotation")
        if self._split is not None:
            self._split = None
            self._trace("split over", segment=outcome.segment.path, moved=outcome.moved)

    def after_fork_in_child(self) -> None:
        """What was counted is the parent's."""
        self.splits, self._split = 0, None

    def _begin(self, segment: OpenSegment) -> None:
        """Only where a period has ended: a file that is to be split by size, or at somebody's wish, is still in its own."""
        split = segment.file, segment.period.end
        if segment.period.end <= self._ops.now() and split != self._split:
            self._split = split
            self.splits += 1
            self._trace("split", segment=segment.path, end=segment.period.end, because="it cannot be renamed now")
