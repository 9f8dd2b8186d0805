"""The engine: one log file for any number of processes and threads, rotated by the clock. Knows nothing of `logging`.

The fast path is two comparisons and one append: `lo <= created < due` means that the open segment is the right one, and
`look` that it was looked at less than a second ago, by the clock that nobody sets. Everything else, in whatever combination,
takes the slow path, which brings the world in order first (`Active.refresh`) and then delivers. Neither raises an `OSError`: a
record that cannot be written waits in memory, ahead of newer ones.

Lock: `lock` (re-entrant) guards every field below it, and `Active` and `Backlog`. It is taken before the rotation lock,
never after it. A thread that finds it taken may append beside it (`lane`). A signal handler, a namer or an error handler that
logs comes back in on the same thread: `_busy` then says that the slow path is under way, and the record is queued behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

from .._platform import Operations, forks_unannounced, threads_run_freely
from .._protocols.hooks import Hooks
from .._protocols.housekeeper import Housekeeper
from .._pure.options import Options
from .._resources import fork
from .._resources.append import OpenSegment
from .._resources.network import networked
from .._resources.report import Reporter
from .._resources.stream import OpenStream
from .._resources.tracefile import Trace
from .._resources.troubles import LockBusy
from .._resources.watch import Watch
from .active import Active
from .appender import UNLIMITED, Appender, not_open
from .background import Background
from .backlog import Backlog
from .lane import Lanes, nobody
from .place import Place
from .stats import Stats

__all__ = ["Writer"]

_CLOSE_PATIENCE, _ROTATOR_PATIENCE = 1.0, 60.0  # seconds that close() and rotate() wait for deletions, and for a user's rotator
_SETTLES = 1.0  # seconds after its construction until a log's suffix, namer and rotator are certainly set
_TRIES = 5  # of one record, where the file is renamed or its descriptor closed under us each time
_NEVER = float("-inf")


class Writer:
    """The engine of one log in one process.

    Args:
        terminator: of every record; the torn-tail guard looks for it.
        on_error: is told of each new kind of failure; what it raises is ignored.
    """

    def __init__(
        self,
        ops: Operations,
        place: Place,
        options: Options,
        terminator: bytes,
        hooks: Hooks,
        on_error: Callable[[Exception], None] | None,
    ) -> None:
        self.place = place
        self.options = options
        ops = networked(ops, place.log) if options.locks_records else ops
        self.now, self.clock = ops.now, ops.monotonic  # the one that decides (epoch seconds), and the one that nobody sets
        self._ops = ops
        self._trace = Trace(ops, place.debug, options.access, enabled=options.debug and not place.special)
        self._report = Reporter(self._trace, on_error)
        self._background = Background(self)
        live = self._background.live if options.keeps_house and not place.special and threads_run_freely() else None
        self._housekeeper = Housekeeper(ops.threads, self._background.work, live, self._background.write_waiting)
        self._limit = options.max_bytes or UNLIMITED
        self.lanes = Lanes(self)
        self.lock = ops.threads.lock()
        # guarded by lock:
        self._active = Active(ops, place, options, terminator, hooks, self._trace, self._report)
        self._appender = Appender(ops, options, self._report, self._active.locked)
        self._backlog = Backlog(options)
        self._append: Callable[[bytes], int] = not_open
        self._lo = self._due = self._look = _NEVER  # the window of the fast path; empty
        self._closing = self._queued = False  # close() was called, a record was queued, inside the slow path
        self.process = ops.pid()  # that the open files belong to
        self._busy, self._busy_thread = False, 0
        self._records = self._bytes = self._late = 0
        self._inherited = False  # the parent of a fork has written records, too
        fork.register(self)

    # writing

    def write(self, data: bytes, created: float) -> None:
        """Write one record, terminator included. Never raises an `OSError`; what cannot be written waits in memory."""
        lock = self.lock
        try:  # `with` costs twice as much; in here, since a signal handler may raise as soon as the lock is had
            if not lock.acquire(False):
                lock = nobody
                if self.lanes.write(data, created):
                    return
                while not (lock := self.lock).acquire(timeout=1.0):
                    pass  # a signal handler may have forked in there: a child has a lock of its own
            if self._lo <= created < self._due and self.clock() < self._look:
                try:
                    end = self._append(data)
                except OSError as error:
                    self._append_failed(error, data, created)
                    return
                self._records += 1
                self._bytes += len(data)
                if end >= self._limit:
                    self._ask_split()
            elif self._busy:
                self._write_meanwhile(data, created)
            else:
                self._slowly(data, created)
        finally:
            try:
                lock.release()
            except RuntimeError:  # a signal handler's exception has ended the wait for it
                pass

    def open(self) -> None:
        """Open the log now instead of at the first record. If a rotation is due, the first record does it.

        Raises:
            OSError: it cannot be opened.
        """
        with self.lock:
            if self._active.segment is None and not self._busy:
                self._active.join()
                self._live_on(_SETTLES)
                self._leave()

    def rotate(self) -> bool:
        """Close the present segment and begin a new one, whatever the clock says; True if that was done."""
        with self.lock:
            if self.place.special or self._busy:
                return False
            before = self._active.rotations
            self._run(lambda: self._active.force(self._ops.now()))
            rotated = self._active.rotations != before
        if rotated:
            self._live_on()
            self._active.closed.tidy(lambda: False, self._background.let_go)
            if not self._backlog:  # else it is waiting for the disk; here it may have been faster with a file or two
                self._housekeeper.finish(_ROTATOR_PATIENCE if self._active.closed.rotator_wanted else _CLOSE_PATIENCE)
        return rotated

    def flush(self) -> None:
        """Try once more to write what waits in memory. Everything else is in the kernel's hands already."""
        if self._backlog:
            with self.lock:
                if not self._busy:
                    self._backlog.retry.clear()
                    self._active.retry_now()
                    self._run(self._refresh)

    def close(self) -> None:
        """Write what waits, as far as that is possible, and close every file. A later write opens the log again."""
        with self.lock:
            if self._busy:
                self._closing = True
                return
            if self._backlog and self.options.locks_records:
                self._active.patience.renew()  # what waits for the lock waits once more for as long as a record may
            self.flush()
            lost = self._backlog.spill.give_up()
            if lost:
                self._report("close", OSError(f"{self.place.log}: {lost} records could not be written before close()"))
            self._background.closed()
            self._run(self._active.close)
        with_rotator = self._active.closed.last_look(self._housekeeper.ask)
        self._housekeeper.rest(_ROTATOR_PATIENCE if with_rotator else _CLOSE_PATIENCE)

    # questions

    def stats(self, *, locked: bool = True) -> Stats:
        """The counters as of now. Without the lock some may be ahead of others."""
        with self.lock if locked else nullcontext():
            active, lanes, spill = self._active, self.lanes, self._backlog.spill
            return Stats(
                records=self._records + lanes.records, bytes=self._bytes + lanes.size, rotations=active.rotations,
                late=self._late, repaired=active.repaired + lanes.repaired, lock_timeouts=active.patience.timeouts,
                spilled=spill.waiting, lost=spill.lost, last_error=self._report.last, splits=active._retry.splits,
            )  # fmt: skip

    @property
    def segment(self) -> OpenSegment | OpenStream | None:
        """What is open, or None. Still owned by the engine."""
        return self._active.segment

    @property
    def made(self) -> list[str]:
        """Folders that mkdir=True made, outermost first."""
        return self._active.made

    @property
    def terminator(self) -> bytes:
        """What ends a record."""
        return self._active.terminator

    def due(self) -> bool:
        """Whether a record made now would rotate first."""
        return self._active.due(self.now())

    def excess(self) -> list[str]:
        """The files of the segments that the rules would delete now, oldest first."""
        return self._active.closed.excess()

    def change_terminator(self, terminator: bytes) -> None:
        """Records end otherwise from now on."""
        with self.lock:
            self.lanes.leave()
            self._active.change_terminator(terminator, mixed=self._inherited or self._records + self.lanes.records > 0)

    # forks

    def prepare_fork(self) -> None:
        """Have the housekeeper come to its end."""
        self._housekeeper.prepare_fork()

    def before_fork(self) -> None:
        """Fork with one thread less, and, as far as a short wait helps, with no other thread in the middle of opening something:
        what that has opened and not yet stored would stay open in the child.

        The lock is not held over it: a signal handler that raises or forks in a hook would leave it held for ever.
        """
        self._housekeeper.before_fork()
        me = self._ops.threads.identity()
        fork.wait_while(lambda: (self._busy and self._busy_thread != me) or self.lanes.closer not in {0, me}, self._ops)

    def after_fork_in_parent(self) -> None:
        """Open anew before the next record."""
        self._active.after_fork_in_parent()
        self._due = _NEVER
        self._housekeeper.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """Forget the parent's other threads and what waits in memory, which is its own; open anew before the next record."""
        self.lock = self._ops.threads.lock()  # a new one: frames that are under way in this thread release the old one
        self._lo = self._due = _NEVER
        self._housekeeper.after_fork_in_child()
        self._busy = self._closing = self._queued = False
        self._backlog = Backlog(self.options)
        self._active.after_fork_in_child()
        self._inherited = self._inherited or self._records + self.lanes.records > 0
        self.lanes.after_fork_in_child()
        self._records = self._bytes = self._late = 0
        self.process = self._ops.pid()  # last: if a signal handler's exception ends this, the next record does it again

    # the slow path

    def _slowly(self, data: bytes, created: float) -> None:
        """Bring the world in order, then deliver what waits and this record, in order."""
        self._run(self._refresh, (data, created))

    def _run(self, prepare: Callable[[], None], record: tuple[bytes, float] | None = None) -> None:
        self._busy_thread = self._ops.threads.identity()
        self._busy = True
        self._due = _NEVER
        try:
            self.lanes.settle(self._active.segment)
            prepare()
            self._drain()
            if record is not None and (self._backlog or not self._deliver(*record)):
                self._backlog.spill.add(*record)
            self._drain()
            self._leave()
        finally:
            try:
                self._open_window()
            finally:  # whatever a signal handler raises in between
                self._busy = False
        if self._queued:  # by a signal handler, after the last look at the backlog
            self._queued = False
            self._run(self._refresh)
        if self._closing:
            self._closing = False
            self.close()
        self._housekeeper.serve()

    def _refresh(self) -> None:
        if self.process != self._ops.pid():  # a fork that no hook told us of
            self.after_fork_in_child()
        before, opened = self._active.rotations, self._active.segment
        self._active.refresh(self.now())
        if self._active.segment is not opened:
            self._live_on()
        if self._active.closed.rotator_wanted or (self._active.rotations != before and self.options.deletes):
            self._housekeeper.ask()

    def _live_on(self, pause: float = 0.0) -> None:
        """Another segment is open, so perhaps one is closed."""
        self._background.changed()
        self._housekeeper.begin(pause)

    def _leave(self) -> None:
        """In uWSGI's master neither a thread nor, perhaps, a further record would ever give a lease up."""
        if forks_unannounced() and not self._backlog:
            self._active.give_leases_up()

    def _open_window(self) -> None:
        segment = self._active.segment
        self._append = not_open if segment is None else self._appender.of(segment)
        self.lanes.follow(segment, window=not self._backlog and self._active.settled)
        self._lo, self._due, self._look = (_NEVER, _NEVER, _NEVER) if self._backlog else self._active.window()
        if self.lanes.failed or not self._active.settled:  # looked at after that: who fails, or forks, says so and closes it then
            self._due = _NEVER

    def _ask_split(self) -> None:
        self._active.ask_split()
        self._due = _NEVER

    def _write_meanwhile(self, data: bytes, created: float) -> None:
        """A record that was made inside the slow path, by the same thread: queued, and written before the outer call
        returns. Written at once where the open segment is the right one, for the outer call may be killed; but not into the
        middle of what the outer call does to a stream, with `late_grace=0` or under the rotation lock, nor without a lease (fork,
        uWSGI's master)."""
        segment = self._active.segment
        plain = isinstance(segment, OpenSegment) and self.options.is_plain and not segment.shared
        if plain and segment is not None and not self._backlog and segment.period.start <= created < segment.period.end:
            try:
                self._appender.of(segment)(data)
            except OSError:
                pass
            else:
                self._written(data)
                return
        self._backlog.spill.add(data, created, bounded=False)
        self._queued = True

    # delivery

    def _deliver(self, data: bytes, created: float, watch: Watch | None = None) -> bool:
        """Append to the file of the record's period; False if it could not be written."""
        tries = 0
        while (segment := self._active.target(created)) is not None:
            append = self._appender.of(segment)
            if watch is not None:
                watch.begin(segment)
            try:
                end = append(data)
            except OSError as error:
                tries += 1
                if tries == _TRIES or not self._active.gone(error, segment):
                    self._not_written(error)
                    return False
                self._refresh()
                continue
            self._written(data)
            if segment is not self._active.segment:
                self._late += 1
            elif end >= self._limit:
                self._active.ask_split()
            return True
        return False

    def _written(self, data: bytes) -> None:
        self._backlog.landed = True
        self._records += 1
        self._bytes += len(data)

    def _not_written(self, error: OSError) -> None:
        self._backlog.retry.failed(self._ops.monotonic())
        if not isinstance(error, LockBusy):  # that is told already
            self._report("write", error)
        self._housekeeper.ask()  # the next record may be far away

    def _append_failed(self, error: OSError, data: bytes, created: float) -> None:
        """The fast path's append failed: the descriptor is gone (open anew), or the disk is full (wait)."""
        segment = self._active.segment
        self._lo = self._due = _NEVER
        if segment is not None and not self._busy and self._active.gone(error, segment):
            self._slowly(data, created)
            return
        self._backlog.spill.add(data, created)
        if not self._busy:
            self._not_written(error)

    def _drain(self) -> None:
        self._queued = False
        if not self._backlog or self._ops.monotonic() < self._backlog.retry.until:
            return
        if self._backlog.drain(self._deliver_waiting, self._active.terminator):
            self._report.solved("write")

    def _deliver_waiting(self, data: bytes, created: float) -> bool:
        """One of many that waited: each may split the log, or begin another period. After a signal handler's exception it must be
        known whether it is written."""
        self._active.refresh(self.now())
        watch = Watch()
        try:
            return self._deliver(data, created, watch)
        except BaseException:
            if watch.moved(len(data)):
                self._backlog.landed = True
            raise
