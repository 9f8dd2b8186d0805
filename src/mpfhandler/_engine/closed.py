"""Closed segments: those that wait under hidden names, for the user's `rotator` or, with `late_grace=0`, for their own name,
those that are sealed, and those that the rules of retention do not keep.

Takes no lock of the engine's, so that it can run in the housekeeper's thread, where a rotator that compresses belongs.
A second call at the same time does no harm: who hands a file over has it locked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .._platform import FileId, Operations
from .._protocols.handover import Begun, Handover, hand_over
from .._protocols.hooks import Hooks
from .._protocols.retention import Rules, Shelf, plan, sweep
from .._protocols.segments import Segments
from .._pure.options import Options
from .._resources.report import Reporter
from .._resources.tracefile import Trace
from .backoff import Backoff

if TYPE_CHECKING:
    from .sealer import Sealer

__all__ = ["ClosedSegments"]

_RETRY = (1.0, 60.0)  # seconds before a rotator that failed is tried again: at first, at most
_NAMING_TRIES, _NAMING_PAUSE = 5, 0.001  # seconds; after that at the next look
_NAMING_LOOK = 1.0  # seconds until that, where no record comes


class ClosedSegments:
    """Hands over what waits, deletes what is too many.

    Args:
        ops: the system calls.
        segments: of the log.
        hooks: the user's rotator.
        options: checked.
        trace: the debug file.
        report: is told what fails.
    """

    def __init__(
        self, ops: Operations, segments: Segments, hooks: Hooks, options: Options, trace: Trace, report: Reporter
    ) -> None:
        self._ops = ops
        self._segments = segments
        self._hooks = hooks
        self._options = options
        self._trace = trace
        self._report = report
        self._retry = Backoff(*_RETRY)
        self._begun: Begun = {}  # by a rotator that failed
        self._sealer = None if not options.seals else _sealer(ops, segments, options, report)
        self._asked, self._answered = 1, 0  # perhaps some wait, from a process before this one

    def ask(self) -> None:
        """There may be files that wait."""
        self._asked += 1

    @property
    def waiting(self) -> bool:
        """Whether there may be files that wait."""
        return self._asked != self._answered

    @property
    def rotator_wanted(self) -> bool:
        """Whether there may be files that wait for the user's rotator, or are at it."""
        return self.waiting and self._hooks.rotator() is not None

    def last_look(self, ask: Callable[[], None]) -> bool:
        """The log is closed, and the lease that a file may have waited for is gone: ask for the rotator, if there is one; whether
        there is. Perhaps nobody comes after this process, and nobody else knows what a rotator that failed here has begun."""
        if self._hooks.rotator() is None:
            return False
        self.ask()
        self._retry.clear()
        ask()
        return True

    def give_names(self) -> None:
        """With `late_grace=0`: give closed files their names. Somebody may be just writing to one: that takes microseconds.
        Never raises: a record is on its way."""
        if not self._wants_names():
            return
        try:
            self._give_names()
        except Exception as error:  # of the system, or of a suffix that makes no names
            self._retry.failed(self._ops.monotonic())
            self._report("late_grace=0", error)

    @property
    def names_due(self) -> float | None:
        """Seconds until files that wait for their names are to be looked at again, without a record; None if none waits."""
        return max(_NAMING_LOOK, self._retry.until - self._ops.monotonic()) if self._wants_names() else None

    def _wants_names(self) -> bool:
        return self.waiting and not self._options.late_grace and self._hooks.rotator() is None

    def _give_names(self) -> None:
        for _ in range(_NAMING_TRIES):
            self._hand_over(self._ops.rename_new)
            if not self.waiting or self._ops.monotonic() < self._retry.until:
                return
            self._ops.sleep(_NAMING_PAUSE)

    def tidy(self, stop: Callable[[], bool], let_go: Callable[[set[FileId]], None]) -> None:
        """Everything there is to do, see `run_rotator` and `delete`. Never raises, never waits for a disk that is full."""
        self.run_rotator()
        self.delete(stop, let_go)

    def seal(self, stop: Callable[[], bool], let_go: Callable[[set[FileId]], None]) -> float | None:
        """See to the segments that are sealed, if that is asked for; seconds until there is more to do, None if no segment waits.
        What has become of them counts for the rules by which they are deleted. Never raises."""
        return None if self._sealer is None else self._sealer.run(stop, let_go)

    def run_rotator(self) -> None:
        """Give what waits to the user's rotator, if there is one. Never raises."""
        rotator = self._hooks.rotator()
        try:
            if rotator is not None:
                self._hand_over(rotator)
        except Exception as error:  # a suffix or a namer that makes no names
            self._report("rotator", error)

    def excess(self) -> list[str]:
        """The files of the segments that the rules would delete now, oldest first."""
        rules = self._rules()
        return [path for one in plan(self._ops, self._shelf(), rules) for path in one.paths] if rules.names else []

    def delete(self, stop: Callable[[], bool], let_go: Callable[[set[FileId]], None]) -> None:
        """Delete what the rules do not keep. Never raises.

        Args:
            stop: is asked between two files.
            let_go: closes those of these files that this process itself keeps for late records.
        """
        rules = self._rules()
        if not rules.names:
            return
        try:
            shelf = self._shelf()
            swept = sweep(self._ops, shelf, rules, self._report, stop)
            if swept.held:
                let_go(swept.held)
                swept.gone += sweep(self._ops, shelf, rules, self._report, stop).gone
            for path in swept.gone:
                self._trace("delete", path=path)
        except Exception as error:  # a suffix or a namer that makes no names
            self._report(rules.names[0], error)

    def _rules(self) -> Rules:
        return Rules(self._options.backup_count, self._options.retention)

    def _shelf(self) -> Shelf:
        names = self._segments.names()
        folder, others = self._segments.folder(names), frozenset(self._segments.all_folders(names))
        return Shelf(names, folder, self._options.schedule, self._options.late_grace, others)

    def _hand_over(self, rotator: Callable[[str, str], None]) -> None:
        now = self._ops.monotonic()
        if not self.waiting or now < self._retry.until:
            return
        asked = self._asked
        result = hand_over(self._ops, self._segments.names(), rotator, self._report, self._begun)
        if result is Handover.DONE:
            self._answered = asked
        if result is Handover.FAILED:
            self._retry.failed(now)
        else:
            self._retry.clear()


def _sealer(ops: Operations, segments: Segments, options: Options, report: Reporter) -> Sealer:
    from .sealer import Sealer  # only a log that asks for it pays for it

    return Sealer(ops, segments.log, segments, options, report)
