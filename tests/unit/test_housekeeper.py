"""The background thread: starts when asked, ends when idle, stops for a fork, goes on after it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from mpfhandler._platform import Joinable, Patience
from mpfhandler._platform.threads import THREADS
from mpfhandler._protocols import housekeeper as keeping
from mpfhandler._protocols.housekeeper import Housekeeper
from mpfhandler._resources import fork

PATIENCE = 10.0  # seconds; only a failing test waits that long

Stop = Callable[[], bool]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No test leaves a thread of ours behind."""
    before = len(os.listdir("/proc/self/task"))  # another test's log may still be waiting for its disk, anew after a fork
    yield
    deadline = time.monotonic() + PATIENCE
    while len(os.listdir("/proc/self/task")) > before:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def idle(keeper: Housekeeper) -> bool:
    """Wait until its thread has gone."""
    deadline = time.monotonic() + PATIENCE
    while keeper._thread is not None and time.monotonic() < deadline:
        time.sleep(0.001)
    return keeper._thread is None


def test_work_is_done_in_a_daemon_thread_that_ends() -> None:
    """One question, one run, in a thread that no program waits for at its end, and that is gone afterwards."""
    ran: list[bool] = []

    def work(_stop: Stop) -> None:
        ran.append(threading.get_ident() != threading.main_thread().ident and threading.current_thread().daemon)

    keeper = Housekeeper(THREADS, work)
    keeper.ask()
    keeper.finish(PATIENCE)
    assert ran == [True]
    assert idle(keeper)


def test_no_thread_without_work() -> None:
    """A housekeeper that nobody asked has no thread."""
    before = threading.active_count()
    keeper = Housekeeper(THREADS, lambda _stop: None)
    keeper.finish(0)
    keeper.before_fork()
    keeper.after_fork_in_parent()
    assert threading.active_count() == before


def test_asking_again_while_it_works_is_one_more_run() -> None:
    """However often it is asked during a run, one more follows: nothing is missed and nothing piles up."""
    started, go, runs = threading.Event(), threading.Event(), []

    def work(_stop: Stop) -> None:
        runs.append(1)
        started.set()
        assert go.wait(PATIENCE)

    keeper = Housekeeper(THREADS, work)
    keeper.ask()
    assert started.wait(PATIENCE)
    for _ in range(50):
        keeper.ask()
    go.set()
    assert idle(keeper)
    assert len(runs) == 2


def test_asking_never_waits_for_the_work() -> None:
    """The caller goes on while the work is stuck."""
    go = threading.Event()

    def work(_stop: Stop) -> None:
        assert go.wait(PATIENCE)

    keeper = Housekeeper(THREADS, work)
    keeper.ask()
    begun = time.monotonic()
    keeper.ask()
    keeper.finish(0.01)
    assert time.monotonic() - begun < PATIENCE / 2
    go.set()
    assert idle(keeper)


def test_work_after_idleness_starts_a_new_thread() -> None:
    """It can be asked at any later time."""
    runs: list[int] = []
    keeper = Housekeeper(THREADS, lambda _stop: runs.append(1))
    for _ in range(3):
        keeper.ask()
        keeper.finish(PATIENCE)
        assert idle(keeper)
    assert len(runs) == 3


def test_thread_that_cannot_be_started_is_tried_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit of threads, or while the interpreter shuts down, asking does not raise, and the work waits."""
    runs: list[int] = []
    keeper = Housekeeper(THREADS, lambda _stop: runs.append(1))

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        keeper.ask()
    assert runs == []
    keeper.ask()
    keeper.finish(PATIENCE)
    assert runs == [1]


def test_work_that_fails_does_not_end_the_housekeeping(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one run left undone, whatever happened to it, the next one does."""
    monkeypatch.setattr(threading, "excepthook", lambda _arguments: None)
    runs: list[int] = []

    def work(_stop: Stop) -> None:
        runs.append(1)
        if len(runs) == 1:
            raise RuntimeError("the first run fails")

    keeper = Housekeeper(THREADS, work)
    keeper.ask()
    keeper.finish(PATIENCE)
    keeper.ask()
    keeper.finish(PATIENCE)
    assert len(runs) == 2


# --- forks ------------------------------------------------------------------------------------------------------------


def test_work_stops_before_a_fork_and_goes_on_after_it() -> None:
    """Between two steps the thread is gone, so that the process forks with one thread less; then the rest is done."""
    started, rest, runs = threading.Event(), threading.Event(), []

    def work(stop: Stop) -> None:
        runs.append(1)
        started.set()
        deadline = time.monotonic() + PATIENCE
        while len(runs) == 1 and not stop() and time.monotonic() < deadline:
            time.sleep(0.001)
        if len(runs) > 1:
            rest.set()

    keeper = Housekeeper(THREADS, work)
    keeper.ask()
    assert started.wait(PATIENCE)
    keeper.before_fork()
    assert keeper._thread is None
    keeper.after_fork_in_parent()
    assert rest.wait(PATIENCE)
    assert idle(keeper)


def test_work_that_is_asked_for_during_a_fork_waits_for_its_end() -> None:
    """Another thread that asks while a fork is under way starts nothing before it is over."""
    runs: list[int] = []
    keeper = Housekeeper(THREADS, lambda _stop: runs.append(1))
    keeper.before_fork()
    keeper.ask()
    assert keeper._thread is None
    assert runs == []
    keeper.after_fork_in_parent()
    assert idle(keeper)
    assert runs == [1]


def test_finished_work_is_not_done_again_after_a_fork() -> None:
    """A fork while nothing is to be done starts nothing."""
    runs: list[int] = []
    keeper = Housekeeper(THREADS, lambda _stop: runs.append(1))
    keeper.ask()
    assert idle(keeper)
    keeper.before_fork()
    keeper.after_fork_in_parent()
    assert idle(keeper)
    assert runs == [1]


def test_work_that_outlasts_the_patience_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that takes longer than a fork waits for does not cost the steps after it."""
    monkeypatch.setattr(fork, "_PATIENCE", 0.01)
    started, asked, go, runs = threading.Event(), threading.Event(), threading.Event(), []

    def work(stop: Stop) -> None:
        runs.append(1)
        started.set()
        if len(runs) > 1:
            return
        deadline = time.monotonic() + PATIENCE
        while not stop() and time.monotonic() < deadline:
            time.sleep(0.001)
        asked.set()
        assert go.wait(PATIENCE)  # the step under way; the ones after it are left out, because `stop` said so

    keeper = Housekeeper(THREADS, work)
    keeper.ask()
    assert started.wait(PATIENCE)
    keeper.before_fork()
    assert asked.wait(PATIENCE)
    keeper.after_fork_in_parent()
    go.set()
    assert idle(keeper)
    assert len(runs) == 2


def test_step_that_was_waited_for_in_vain_is_not_waited_for_by_every_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook may take hours, and a program may fork all the time: the first fork waits. Once the step is over, the next one is
    waited for again."""
    monkeypatch.setattr(fork, "_PATIENCE", 0.2)
    steps = [threading.Event(), threading.Event()]
    begun = [threading.Event(), threading.Event()]

    def work(stop: Stop) -> None:
        for start, end in zip(begun, steps, strict=True):
            start.set()
            assert end.wait(PATIENCE)
            stop()

    def seconds_of_fork() -> float:
        start = time.monotonic()
        keeper.before_fork()
        keeper.after_fork_in_parent()
        return time.monotonic() - start

    keeper = Housekeeper(THREADS, work)
    keeper.ask()
    for start, end in zip(begun, steps, strict=True):
        assert start.wait(PATIENCE)
        first, *others = [seconds_of_fork() for _ in range(3)]
        assert first >= 0.2 or first == pytest.approx(0.2)  # the difference of two floats
        assert max(others) < 0.1
        end.set()
    assert idle(keeper)


def test_asking_while_a_thread_is_being_started_starts_one() -> None:
    """A signal handler that logs in the middle of the start does not wait for itself, and its work is done, too."""
    runs: list[int] = []
    started: list[str] = []

    def start(work: Callable[[], None], name: str) -> Joinable:
        started.append(name)
        keeper.ask()
        return THREADS.start(work, name)

    keeper = Housekeeper(replace(THREADS, start=start), lambda _stop: runs.append(1))
    keeper.ask()
    assert idle(keeper)
    assert (len(started), runs) == (1, [1])


def test_child_begins_without_thread_and_without_work() -> None:
    """The thread is its parent's, and so is the work; the child can ask for its own."""
    runs: list[int] = []
    keeper = Housekeeper(THREADS, lambda _stop: runs.append(1))
    child = os.fork()
    if child == 0:
        keeper._guard.acquire()  # as another thread of the parent may have held it
        keeper._thread, keeper._wanted, keeper._stop = threading.Thread(), True, Patience(PATIENCE)
        keeper.after_fork_in_child()
        keeper.ask()
        keeper.finish(PATIENCE)
        os._exit(0 if runs == [1] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_finishing_from_within_does_not_wait_for_itself() -> None:
    """Work that closes its own log comes back."""
    keepers: list[Housekeeper] = []
    done = threading.Event()

    def work(_stop: Stop) -> None:
        keepers[0].finish(PATIENCE)
        done.set()

    keepers.append(Housekeeper(THREADS, work))
    keepers[0].ask()
    assert done.wait(PATIENCE / 2)
    assert idle(keepers[0])


class Raced(Housekeeper):
    """In its thread, somebody asks in the moment after it was looked for the `at`-th time whether somebody has."""

    at = 0
    looks = 0

    @property  # type: ignore[override]
    def _wanted(self) -> bool:
        found = bool(self.__dict__.get("wanted", False))
        if self._runner and self._runner == self._threads.identity():
            self.looks += 1
            if self.looks == self.at:
                self.ask()
        return found

    @_wanted.setter
    def _wanted(self, value: bool) -> None:
        self.__dict__["wanted"] = value


@pytest.mark.parametrize("busy", [False, True], ids=["nothing to do", "work to do"])
@pytest.mark.parametrize("at", range(1, 6))
def test_what_is_asked_for_in_the_moment_of_a_look_is_done(at: int, busy: bool) -> None:
    """Nothing that is asked for is forgotten, wherever the thread is: it takes back no wish but one that it goes on to fulfil."""
    begun: list[int] = []  # at which look
    lives: list[int] = []

    def live(between: Stop) -> float | None:
        lives.append(0)
        if busy and len(lives) == 1:
            keeper.ask()
        between()
        return 0.0 if keeper.looks < at else None

    keeper = Raced(THREADS, lambda _stop: begun.append(keeper.looks), live)
    keeper.at = at
    keeper.begin(0.0)
    deadline = time.monotonic() + PATIENCE
    while not (begun and begun[-1] >= at) and time.monotonic() < deadline:
        time.sleep(0.001)
    keeper.rest(PATIENCE)
    assert begun
    assert begun[-1] >= at


@pytest.mark.parametrize("error", [ValueError("a defect"), SystemExit("of a hook")])
def test_work_in_the_callers_thread_raises_nothing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """P5: in uWSGI without threads the program's own thread does it. What it raises is not the program's, and it is done again
    when it is asked for."""
    monkeypatch.setattr(keeping, "threads_run_freely", lambda: False)
    runs: list[int] = []

    def work(_stop: Stop) -> None:
        runs.append(threading.get_ident())
        keeper.serve()  # a record of its own: not within itself
        if len(runs) == 1:
            raise error

    def refused(_work: Callable[[], None], _name: str) -> Joinable:
        raise RuntimeError("can't start new thread")

    keeper = Housekeeper(replace(THREADS, start=refused), work)
    for _ in range(2):
        keeper.ask()
        keeper.serve()
        keeper.serve()
    assert runs == [threading.get_ident()] * 2


def test_work_within_the_life_that_is_stopped_is_done_after_it() -> None:
    """P1: what was asked for during a compression is begun between two of its steps; a fork ends it early: it is done again."""
    stops: list[bool] = []

    def work(stop: Stop) -> None:
        keeper._stop = Patience(60.0)  # a fork begins
        stops.append(stop())

    keeper = Housekeeper(THREADS, work, lambda _between: None)
    keeper._resting = False
    keeper._wanted = True
    assert keeper._between()
    assert stops == [True]
    assert keeper._wanted
    assert not keeper._working
