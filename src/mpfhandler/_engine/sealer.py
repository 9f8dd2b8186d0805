"""When sealed segments are seen to: as soon as the next one is due, later where somebody still has one, later and later where
something fails."""

from __future__ import annotations

from collections.abc import Callable, Collection

from .._platform import FileId, Operations
from .._protocols.sealing import Memory, Sealed, seal_all
from .._protocols.segments import Segments
from .._pure.options import Options
from .._resources.report import Reporter
from .backoff import Backoff
from .steps import sealing_of

__all__ = ["Sealer"]

_RETRY = (1.0, 600.0)  # seconds before something that failed is tried again: at first, at most
_ROUND = 3600.0  # seconds between two looks at all folders, where there are several
_HELD = (1.0, 60.0)  # the same for a segment that somebody has: once a minute an idle process looks whether to let one go


class Sealer:
    """Sees to the sealed segments of one log. Takes no lock of the engine's.

    Args:
        ops: the system calls.
        log: its path.
        segments: of the log.
        options: checked.
        report: is told what fails.
    """

    def __init__(self, ops: Operations, log: str, segments: Segments, options: Options, report: Reporter) -> None:
        self._ops = ops
        self._segments = segments
        self._schedule = options.schedule
        self._report = report
        self._memories: dict[str, Memory] = {}  # by folder, as long as there is something to be done in it
        self._round_at = float("-inf")  # by the monotonic clock: the next look at all folders
        self._retry, self._held = Backoff(*_RETRY), Backoff(*_HELD)
        self._rules = sealing_of(ops, options, log)
        self._unprepared = self._rules.steps

    def run(self, stop: Callable[[], bool], let_go: Callable[[set[FileId]], None]) -> float | None:
        """Do what is due now; seconds until more is, None: no segment waits. Never raises.

        Args:
            stop: is asked between two steps.
            let_go: closes those of these files that this process itself keeps, if it may.
        """
        if self._unprepared:
            self._unprepared = tuple(step for step in self._unprepared if not step.prepare())
        left = self._retry.until - self._ops.monotonic()
        if left > 0:
            return left
        try:
            sealed = self._seal(stop)
            if sealed.held:
                let_go(sealed.held)
                if not (sealed.failed or sealed.stopped):  # what has failed is not tried again at once
                    sealed = self._seal(stop, sealed.busy)
        except Exception as error:  # a suffix or a namer that makes no names
            self._report("seal", error)
            return self._failed()
        if sealed.failed:
            return self._failed()
        self._retry.clear()
        if sealed.stopped:
            return 0.0  # before it was through: a fork, after which it goes on
        pauses: list[float] = []
        if sealed.held or sealed.busy:
            now = self._ops.monotonic()
            self._held.failed(now)
            pauses.append(self._held.until - now)
        else:
            self._held.clear()
        if sealed.next_at is not None:
            pauses.append(max(0.0, sealed.next_at - self._ops.now()))
        return min(pauses, default=None)

    def _failed(self) -> float:
        now = self._ops.monotonic()
        self._retry.failed(now)
        return self._retry.until - now

    def _seal(self, stop: Callable[[], bool], skip: Collection[str] = ()) -> Sealed:
        """In several folders: a `namer` may give each day, or month, one of its own, and the last segment of one comes due when
        the next one has begun. In those where a process before this one, or another one, may have left something: at times."""
        names, whole, report = self._segments.names(), Sealed(busy=set(skip)), _Together(self._report)
        present, clock = self._segments.folders(names), self._ops.monotonic()
        if clock >= self._round_at:
            self._memories.update({folder: Memory() for folder in self._segments.all_folders(names) - set(self._memories)})
            self._round_at = clock + _ROUND
        for number, folder in enumerate(sorted(present | set(self._memories))):
            memory, now = self._memories.setdefault(folder, Memory()), self._ops.now()
            skipped, first = frozenset(whole.busy), number == 0
            done = seal_all(
                self._ops, names, folder, self._schedule, self._rules, report, stop,
                now=now, memory=memory, skip=skipped, home=first, rotates=self._segments.rotates,
            )  # fmt: skip
            if folder not in present and not done.goes_on:
                del self._memories[folder]
            whole.add(done)
            if done.stopped:
                break
        report.end()
        return whole


class _Together(Reporter):
    """Of several folders: what fails in one of them is not solved by another one.

    Args:
        report: is told.
    """

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._failed: set[str] = set()
        self._solved: set[str] = set()

    def __call__(self, what: str, error: Exception) -> None:
        """See `Reporter`."""
        self._failed.add(what)
        self._report(what, error)

    def solved(self, what: str) -> None:
        """For the end."""
        self._solved.add(what)

    def end(self) -> None:
        """All folders have been looked at."""
        for what in self._solved - self._failed:
            self._report.solved(what)
