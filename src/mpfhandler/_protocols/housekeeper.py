"""The one background thread: a daemon, started when there is work, gone when the work is done.

No logging call waits for it. It is stopped before a fork (Python 3.12 and newer warn of forks with threads) and goes
on after it in the parent. It may be lost at any instruction: what it left undone, the next run does.

Lock: `_guard` guards `_thread` and `_wanted`. The work itself runs without it and takes no lock of the engine's.
"""

from __future__ import annotations

from collections.abc import Callable

from .._platform import Joinable, Patience, Threads
from .._resources import fork

__all__ = ["Housekeeper"]

_STOPS_FOR = 10.0  # seconds: if a signal handler's exception ends a hook, nobody says that the fork is over


class Housekeeper:
    """Runs one kind of work in the background.

    Args:
        threads: of the interpreter.
        work: does everything there is to do; asks its argument between two steps whether to stop.
    """

    def __init__(self, threads: Threads, work: Callable[[Callable[[], bool]], None]) -> None:
        self._threads = threads
        self._work = work
        self._guard = threads.lock()
        self._thread: Joinable | None = None
        self._runner = 0  # the thread's identity, while it runs
        self._wanted = False
        self._stop: Patience | None = None  # a fork is under way
        self._asking = False
        self._cut = False  # the present run was told to stop

    def ask(self) -> None:
        """There is work. Returns at once; a thread that cannot be started leaves the work to the next time."""
        self._wanted = True
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
            try:
                thread = self._threads.start(self._run, "mpfhandler-housekeeper")
            except RuntimeError:  # no more threads, or the interpreter is shutting down
                return
            if self._guard is guard:  # else a signal handler has forked in there: the child does not have that thread
                self._thread = thread

    def finish(self, patience: float) -> None:
        """Wait at most so many seconds until what was asked for is done."""
        thread = self._thread
        if thread is not None and self._runner != self._threads.identity():
            thread.join(patience)

    def prepare_fork(self) -> None:
        """Stop between two steps, so that the process forks with one thread less."""
        self._stop = Patience(_STOPS_FOR)

    def before_fork(self) -> None:
        """Wait until it has stopped; deleting one huge file can take long."""
        self.prepare_fork()
        self.finish(fork.patience_left())

    def after_fork_in_parent(self) -> None:
        """Go on with what was stopped."""
        self._stop = None
        if self._wanted:
            self.ask()

    def after_fork_in_child(self) -> None:
        """The thread and who held its lock are the parent's."""
        self._guard = self._threads.lock()
        self._thread, self._runner = None, 0
        self._stop = None
        self._wanted = self._asking = False

    def _run(self) -> None:
        me = self._runner = self._threads.identity()
        try:
            while self._has_work():
                self._cut = False
                try:
                    self._work(self._stopping)
                except (Exception, SystemExit):  # the latter of a hook that calls `sys.exit`
                    continue  # the work reports what it can; a defect in it must not end the housekeeping
                if self._cut:
                    self._wanted = True  # not all of it was done
        finally:
            if self._runner == me:  # no memory
                self._thread, self._runner = None, 0

    def _has_work(self) -> bool:
        with self._guard:
            if not self._wanted or self._stopping():
                self._thread, self._runner = None, 0
                return False
            self._wanted = False
            return True

    def _stopping(self) -> bool:
        stops = self._stops()
        self._cut = self._cut or stops
        return stops

    def _stops(self) -> bool:
        return self._stop is not None and self._stop.left() > 0
