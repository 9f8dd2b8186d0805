"""The one background thread: a daemon, started when there is work, gone when the work is done.

No logging call waits for it. It is stopped before a fork (Python 3.12 and newer warn of forks with threads) and goes
on after it in the parent. It may be lost at any instruction: what it left undone, the next run does.

There may be a second kind of work, the life of a log: what comes due by itself, without a record (`live`). It tells when it is
due next, and the thread waits for that, until somebody asks, the log is closed or dropped, the process forks, or the interpreter
ends. While it waits it has no reference to the log: one that is dropped without `close()` is collected, and the thread goes.

    asked ──► work ──► live ──► due in some seconds ──► wait ──► live …
                        │
                        └─► nothing is due: the thread ends

Where threads do not run freely (uWSGI before 2.0.27 without `enable-threads`) none is begun, for it would stand still with
whatever lock it has. The work that was asked for is done by `serve`, in the call that has asked for it: nobody else would.

Lock: `_guard` guards `_thread`. The work itself runs without it, and takes the engine's lock only for moments. Who asks does
not wait for it: `_wanted` is set by anybody, and taken back only where it was found set, before the work begins; `_due` is set by
whoever begins a life, after `_again`, which the thread looks at when it has set `_due` itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from weakref import ref

from .._platform import Joinable, Patience, Signal, Threads, threads_run_freely
from .._resources import exits, fork
from .._resources.calling import end_if_forked

__all__ = ["Housekeeper"]

_STOPS_FOR = 10.0  # seconds: if a signal handler's exception ends a hook, nobody says that the fork is over
_AFTER_DEFECT = 1.0  # seconds
_RETRY_PAUSE = 0.05  # seconds between two looks whether what waits for the disk can be tried again
_PAUSE = 0.001  # seconds between two looks whether the work is done

Stop = Callable[[], bool]


class Housekeeper:
    """Runs the work of one log in the background.

    Args:
        threads: of the interpreter.
        work: does everything there is to do; asks its argument between two steps whether to stop.
        live: the same for what comes due by itself; seconds until it is due again, None if it is not. None: there is
            no such work.
        retry: after the work, tries what waits for the disk; whether something still does. Then it is asked again and again, and
            the rest goes on meanwhile: that may be what makes room.
    """

    def __init__(
        self,
        threads: Threads,
        work: Callable[[Stop], object],
        live: Callable[[Stop], float | None] | None = None,
        retry: Callable[[], bool] = lambda: False,
    ) -> None:
        self._threads = threads
        self._work = work
        self._live = live
        self._retry = retry
        self._guard = threads.lock()
        self._thread: Joinable | None = None
        self._runner = 0  # the thread's identity, while it runs
        self._wanted = self._working = self._waits = False
        self._due: Patience | None = None  # when `live` is
        self._wake: Signal | None = None if live is None else threads.signal()
        self._again = False  # somebody has asked during its run
        self._resting = True  # the log is closed: `live` is not begun
        self._ended = False  # the interpreter is ending: nor ever again
        self._given_up: Joinable | None = None  # what has been waited for in vain then
        self._stop: Patience | None = None  # a fork is under way
        self._asking = False
        self._cut = False  # the present run was told to stop
        self._in_vain = False  # a fork has waited for the step that is under way

    def ask(self) -> None:
        """There is work. Returns at once; a thread that cannot be started leaves the work to the next time."""
        self._wanted = True
        self._begin(0.0)

    def begin(self, pause: float) -> None:
        """The log is open: its life begins after so many seconds. Returns at once, as `ask`."""
        if self._live is not None:
            self._begin(pause)

    def serve(self) -> None:
        """Do what was asked for in the calling thread, if threads do not run freely; else nothing. Not within itself."""
        if not self._wanted or self._working or self._thread is not None or threads_run_freely():
            return
        self._working, self._wanted = True, False
        try:
            self._work(self._stops)
        except (Exception, SystemExit):  # as in `_go`
            pass
        finally:
            self._working = False

    def finish(self, patience: float) -> None:
        """Wait at most so many seconds until what was asked for is done; not for the log's life."""
        self.serve()
        thread, left = self._thread, Patience(patience)
        if thread is None or self._runner == self._threads.identity():
            return
        if self._live is None:
            thread.join(patience)
        while (self._wanted or self._working) and self._thread is not None and left.left() > 0:
            self._threads.pause(_PAUSE)

    def rest(self, patience: float) -> None:
        """The log is closed: wait at most so many seconds until what was asked for is done. Its life ends, between two steps."""
        self._resting, self._due = True, None
        self._give_wake()
        self.serve()
        if self._given_up is None or self._thread is not self._given_up or self._wanted or self._working:
            self._join(patience)

    def begin_to_end(self) -> None:
        """The interpreter ends, and so does the log's life, between two steps. Returns at once."""
        self._ended = self._resting = True
        self._due = None
        self._give_wake()

    def at_exit(self, patience: Patience) -> None:
        """Wait for that: a thread that is frozen in the middle of printing would end the interpreter by a crash. What has not
        ended by then is not waited for once more when the log is closed."""
        self.begin_to_end()
        self.rest(patience.left())
        self._given_up = self._thread

    def prepare_fork(self) -> None:
        """Stop between two steps, so that the process forks with one thread less."""
        self._stop = Patience(_STOPS_FOR)
        self._give_wake()

    def before_fork(self) -> None:
        """Wait until it has stopped; deleting one huge file can take long. A hook may take hours: the forks that follow do not
        wait for the same step again."""
        self.prepare_fork()
        thread = self._thread
        self._join(0.0 if self._in_vain else fork.patience_left())
        self._in_vain = thread is not None and self._thread is thread and self._runner != self._threads.identity()

    def after_fork_in_parent(self) -> None:
        """Go on with what was stopped."""
        self._stop = None
        if self._wanted or self._waits or self._due is not None:
            self._start()

    def after_fork_in_child(self) -> None:
        """The thread and who held its lock are the parent's."""
        self._guard = self._threads.lock()
        self._thread, self._runner = None, 0
        self._stop = self._due = None
        self._wake = None if self._live is None else self._threads.signal()
        self._wanted = self._working = self._waits = self._asking = self._in_vain = False

    def _begin(self, pause: float) -> None:
        if self._live is not None and self._resting:
            exits.register_end(self)  # says so if it has come
            self._resting = self._ended
        if self._live is not None and not self._resting:
            self._again, self._due = True, Patience(pause)
            self._give_wake()
        self._start()

    def _give_wake(self) -> None:
        if self._wake is not None:
            self._wake.give()

    def _join(self, patience: float) -> None:
        thread = self._thread
        if thread is not None and self._runner != self._threads.identity():
            thread.join(patience)

    def _start(self) -> None:
        if self._asking:  # a signal handler that logs came in while the thread is being started
            return
        self._asking = True
        try:
            self._ensure_thread()
        finally:
            self._asking = False

    def _ensure_thread(self) -> None:
        with self._guard:
            if self._thread is not None or self._stops():
                return
            guard = self._guard
            hand: list[Housekeeper] = [self]
            try:
                thread = self._threads.start(lambda: _run(hand), "mpfhandler-housekeeper")
            except RuntimeError:  # no more threads, or the interpreter is shutting down
                return
            if self._guard is guard:  # else a signal handler has forked in there: the child does not have that thread
                self._thread = thread

    # in the thread

    def _go(self) -> float | None:
        """Do what there is to do; seconds until more is due, None: the thread ends."""
        me = self._runner = self._threads.identity()
        try:
            while (pause := self._next()) == 0:
                try:
                    self._step()
                except (Exception, SystemExit):  # the latter of a hook that calls `sys.exit`
                    continue  # the work reports what it can; a defect in it must not end the housekeeping
                finally:
                    self._working = False
        except BaseException:  # no memory
            self._lose(me)
            raise
        if pause is None:
            self._lose(me)
        return pause

    def _lose(self, me: int) -> None:
        if self._runner == me:
            self._thread, self._runner = None, 0

    def _next(self) -> float | None:
        with self._guard:
            pause = None if self._stopping() else self._pause()
            if pause is None:
                self._thread, self._runner = None, 0
            return pause

    def _pause(self) -> float | None:
        if self._wanted:
            self._working, self._wanted = True, False
            return 0.0
        if self._waits:
            return 0.0
        return None if self._due is None else self._due.left()

    def _step(self) -> None:
        self._cut = False
        if self._working:
            self._work(self._stopping)
            self._working = False
            if self._cut:
                self._wanted = True  # not all of it was done
            self._waits = self._retry()
        elif self._waits and (self._due is None or self._due.left() > 0):
            self._threads.pause(_RETRY_PAUSE)
            self._waits = self._retry()
        elif self._live is not None:
            self._again, self._due = False, Patience(_AFTER_DEFECT)
            due = self._live(self._between)
            self._due = None if due is None else Patience(due)
            if self._cut or self._again:  # looked at last: whoever opens the log meanwhile says so before he sets `_due`
                self._due = Patience(0.0)
            if self._resting:  # since, perhaps: it says so first
                self._due = None

    def _stopping(self) -> bool:
        self._in_vain, stops = False, self._stops()
        self._cut = self._cut or stops
        return stops

    def _between(self) -> bool:
        """Whether the life is to stop. What was asked for meanwhile is done first: it does not wait for a compression."""
        with self._guard:
            if self._wanted and not self._stops() and not self._resting:
                self._working, self._wanted = True, False
        if self._working or self._waits:
            try:
                if self._working:
                    self._work(self._stopping)
                self._waits = self._retry()
            except (Exception, SystemExit):  # as in `_go`
                pass
            finally:
                self._working = False
            if self._cut:
                self._wanted = True
        return self._stopping() or self._resting

    def _stops(self) -> bool:
        return self._stop is not None and self._stop.left() > 0


def _run(hand: list[Housekeeper]) -> None:
    """The thread. It has the housekeeper in its hand only while there is something to do."""
    threads = hand[0]._threads
    keeper: Housekeeper | None = hand.pop()
    me = threads.identity()
    with fork.ours(me):
        while keeper is not None:
            pause, wake = keeper._go(), keeper._wake
            end_if_forked(threads, me)
            if pause is None or wake is None:
                return
            kept = ref(keeper, partial(_give, wake))
            keeper = None
            wake.wait(pause)
            keeper = kept()


def _give(wake: Signal, _gone: object) -> None:
    wake.give()
