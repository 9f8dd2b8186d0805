"""The background thread that lives on between two runs: it waits for its next due time, and goes when there is none."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mpfhandler._platform import Joinable, Patience
from mpfhandler._platform.threads import SYSTEM_THREADS, THREADS
from mpfhandler._protocols.housekeeper import Housekeeper
from mpfhandler._resources import exits

PATIENCE = 10.0  # seconds; only a failing test waits that long
LONG = 3600.0  # seconds; a thread that sleeps so long is woken, or the test fails

Stop = Callable[[], bool]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No test leaves a thread of ours behind."""
    before = len(os.listdir("/proc/self/task"))
    yield
    gc.collect()
    wait_for(lambda: len(os.listdir("/proc/self/task")) <= before)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def nothing(_stop: Stop) -> None:
    """Work that is none."""


class Life:
    """Counts its runs; each asks for the next pause of a list, then for none."""

    def __init__(self, *pauses: float | None) -> None:
        self.pauses = list(pauses)
        self.runs = 0

    def __call__(self, _stop: Stop) -> float | None:
        self.runs += 1
        return self.pauses.pop(0) if self.pauses else None


def gone(keeper: Housekeeper) -> Callable[[], bool]:
    return lambda: keeper._thread is None


def test_it_comes_again_when_it_said_and_goes_when_it_says_nothing() -> None:
    """Pause, run, pause, run, end: in one thread."""
    begun: list[str] = []

    def start(work: Callable[[], None], name: str) -> Joinable:
        begun.append(name)
        return THREADS.start(work, name)

    life = Life(0.02, 0.02)
    keeper = Housekeeper(replace(THREADS, start=start), nothing, life)
    since = time.monotonic()
    keeper.ask()
    wait_for(gone(keeper))
    assert life.runs == 3
    assert time.monotonic() - since >= 0.04
    assert len(begun) == 1


def test_asking_wakes_it() -> None:
    """Nobody waits for the end of a long pause."""
    life, worked = Life(LONG, LONG), []
    keeper = Housekeeper(THREADS, lambda _stop: worked.append(1), life)
    keeper.ask()
    wait_for(lambda: life.runs == 1)
    keeper.ask()
    wait_for(lambda: life.runs == 2)
    assert len(worked) == 2
    keeper.rest(PATIENCE)
    assert keeper._thread is None


def test_it_may_begin_later() -> None:
    """A log that was just opened: first its suffix, its namer and its rotator are set."""
    life = Life()
    keeper = Housekeeper(THREADS, nothing, life)
    since = time.monotonic()
    keeper.begin(0.05)
    assert life.runs == 0
    wait_for(gone(keeper))
    assert life.runs == 1
    assert time.monotonic() - since >= 0.05


def test_without_a_life_beginning_starts_nothing() -> None:
    """No thread without work."""
    keeper = Housekeeper(THREADS, nothing)
    keeper.begin(0.0)
    assert keeper._thread is None


def test_rest_ends_a_pause_at_once() -> None:
    """`close()` does not wait for the next due time, and nothing begins after it."""
    life = Life(LONG, LONG)
    keeper = Housekeeper(THREADS, nothing, life)
    keeper.ask()
    wait_for(lambda: life.runs == 1)
    since = time.monotonic()
    keeper.rest(PATIENCE)
    assert keeper._thread is None
    assert time.monotonic() - since < PATIENCE / 2
    keeper.before_fork()
    keeper.after_fork_in_parent()
    assert keeper._thread is None


def test_rest_stops_what_is_under_way_between_two_steps() -> None:
    """A compression that takes minutes is left for the next time."""
    started = threading.Event()

    def live(stop: Stop) -> float | None:
        started.set()
        deadline = time.monotonic() + PATIENCE
        while not stop() and time.monotonic() < deadline:
            time.sleep(0.001)
        return None

    keeper = Housekeeper(THREADS, nothing, live)
    keeper.ask()
    assert started.wait(PATIENCE)
    since = time.monotonic()
    keeper.rest(PATIENCE)
    assert keeper._thread is None
    assert time.monotonic() - since < PATIENCE / 2


def test_rest_lets_the_work_be_done() -> None:
    """What was asked for is not cut: deletions, a user's rotator, records that wait for the disk."""
    go, told, done = threading.Event(), [], threading.Event()

    def work(stop: Stop) -> None:
        assert go.wait(PATIENCE)
        told.append(stop())
        done.set()

    life = Life(LONG)
    keeper = Housekeeper(THREADS, work, life)
    keeper.ask()
    keeper.rest(0.01)
    go.set()
    wait_for(gone(keeper))
    assert done.is_set()
    assert told == [False]
    assert life.runs == 0


def test_after_a_rest_it_can_be_asked_again() -> None:
    """A record after `close()` opens the log again, and with it everything begins again."""
    life = Life(LONG, LONG)
    keeper = Housekeeper(THREADS, nothing, life)
    keeper.ask()
    wait_for(lambda: life.runs == 1)
    keeper.rest(PATIENCE)
    keeper.ask()
    wait_for(lambda: life.runs == 2)
    keeper.rest(PATIENCE)


def test_finish_waits_for_the_work_and_not_for_the_life() -> None:
    """`doRollover()` waits for a rotator, never for a compression nor for the next due time."""
    go, worked = threading.Event(), []

    def live(_stop: Stop) -> float | None:
        assert go.wait(PATIENCE)
        return None

    def work(_stop: Stop) -> None:
        time.sleep(0.02)
        worked.append(1)

    keeper = Housekeeper(THREADS, work, live)
    keeper.ask()
    since = time.monotonic()
    keeper.finish(PATIENCE)
    assert worked == [1]
    assert time.monotonic() - since < PATIENCE / 2
    go.set()
    wait_for(gone(keeper))


def test_asking_during_its_run_is_one_more_run() -> None:
    """Something has changed since it looked: its own next due time does not count."""
    started, go, runs = threading.Event(), threading.Event(), []

    def live(_stop: Stop) -> float | None:
        runs.append(1)
        started.set()
        assert go.wait(PATIENCE)
        return LONG if len(runs) == 1 else None

    keeper = Housekeeper(THREADS, nothing, live)
    keeper.ask()
    assert started.wait(PATIENCE)
    for _ in range(5):
        keeper.ask()
    go.set()
    wait_for(gone(keeper))
    assert len(runs) == 2


@pytest.mark.parametrize("failure", [None, RuntimeError("a defect"), SystemExit("of a hook")])
def test_work_is_done_between_two_steps_of_the_life(failure: BaseException | None) -> None:
    """A user's rotator, and records that wait for the disk, do not wait for a compression that takes minutes."""
    worked = threading.Event()
    started = threading.Event()
    told: list[bool] = []

    def live(stop: Stop) -> float | None:
        started.set()
        deadline = time.monotonic() + PATIENCE
        while not told and time.monotonic() < deadline:
            if stop():
                return None
            if worked.is_set():
                told.append(True)
            time.sleep(0.001)
        return None

    def work(_stop: Stop) -> None:
        if started.is_set():
            worked.set()
            if failure is not None:
                raise failure

    keeper = Housekeeper(THREADS, work, live)
    keeper.ask()
    assert started.wait(PATIENCE)
    keeper.ask()
    keeper.finish(PATIENCE)
    assert worked.is_set()
    wait_for(gone(keeper))
    assert told == [True]


@pytest.mark.parametrize("failure", [None, RuntimeError("a defect")])
def test_nothing_waits_for_what_waits_for_the_disk(failure: BaseException | None) -> None:
    """The life of a log, and what it is asked for, may be what makes room on a full disk. It is tried again until it is through,
    which is in the parent of a fork, too."""
    full, worked, lived, tries = [True], [0], [0], [0]

    def work(_stop: Stop) -> None:
        worked[0] += 1

    def live(_stop: Stop) -> float | None:
        lived[0] += 1
        return 0.01 if full else None

    def retry() -> bool:
        tries[0] += 1
        if failure is not None and tries[0] == 3:
            raise failure
        return bool(full)

    keeper = Housekeeper(THREADS, work, live, retry)
    keeper.ask()
    wait_for(lambda: lived[0] >= 3 and tries[0] >= 4)
    keeper.ask()
    wait_for(lambda: worked[0] == 2)
    keeper.before_fork()
    assert keeper._thread is None
    keeper.after_fork_in_parent()
    before = tries[0]
    wait_for(lambda: tries[0] > before)
    full.clear()
    wait_for(gone(keeper))


def test_what_waits_for_the_disk_is_tried_between_two_steps_of_the_life() -> None:
    """A compression that takes minutes does not hold it up."""
    tries: list[int] = []

    def live(stop: Stop) -> float | None:
        deadline = time.monotonic() + PATIENCE
        while len(tries) < 3 and time.monotonic() < deadline:
            assert not stop()
        return None

    def retry() -> bool:
        tries.append(1)
        return len(tries) < 3

    keeper = Housekeeper(THREADS, nothing, live, retry)
    keeper.ask()
    wait_for(gone(keeper))
    assert len(tries) == 3


def test_a_log_that_is_opened_while_the_interpreter_ends_has_no_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would end it any more."""
    monkeypatch.setattr(exits.threading, "main_thread", lambda: SimpleNamespace(is_alive=lambda: False))
    life, worked = Life(LONG), []
    keeper = Housekeeper(THREADS, lambda _stop: worked.append(1), life)
    keeper.ask()
    wait_for(gone(keeper))
    assert (worked, life.runs) == ([1], 0)


def test_life_that_fails_is_tried_again() -> None:
    """A defect must not end the housekeeping, nor make it spin."""
    runs: list[float] = []

    def live(_stop: Stop) -> float | None:
        runs.append(time.monotonic())
        if len(runs) == 1:
            raise SystemExit("of a hook")
        return None

    keeper = Housekeeper(THREADS, nothing, live)
    keeper.ask()
    wait_for(gone(keeper))
    assert len(runs) == 2
    assert runs[1] - runs[0] >= 1.0


def test_end_is_for_ever() -> None:
    """At the end of the interpreter: what is asked for is still done, but nothing waits any more."""
    life, worked = Life(LONG, LONG), []
    keeper = Housekeeper(THREADS, lambda _stop: worked.append(1), life)
    keeper.ask()
    wait_for(lambda: life.runs == 1)
    keeper.at_exit(Patience(1.0))
    assert keeper._thread is None
    keeper.begin(0.0)
    keeper.ask()
    wait_for(gone(keeper))
    assert (len(worked), life.runs) == (2, 1)


def test_a_log_that_nobody_has_any_more_is_not_kept_by_its_thread() -> None:
    """A handler that is dropped without `close()` takes its descriptors with it; the thread goes at once."""

    class Owner:
        def __init__(self) -> None:
            self.runs: list[int] = []
            self.keeper = Housekeeper(SYSTEM_THREADS, nothing, self.live)

        def live(self, _stop: Stop) -> float | None:
            self.runs.append(1)
            return LONG

    owner = Owner()
    runs, there = owner.runs, weakref.ref(owner)
    thread_of = owner.keeper
    owner.keeper.ask()
    wait_for(lambda: len(runs) == 1)
    thread = thread_of._thread
    assert thread is not None
    del owner, thread_of

    def collected() -> bool:
        gc.collect()
        return there() is None

    wait_for(collected)
    since = time.monotonic()
    thread.join(PATIENCE)
    assert time.monotonic() - since < PATIENCE / 2


# --- forks ------------------------------------------------------------------------------------------------------------


def test_a_fork_ends_the_pause_and_the_parent_goes_on_with_what_was_left_of_it() -> None:
    """One thread less while it forks; the due time stays."""
    life = Life(0.2)
    keeper = Housekeeper(THREADS, nothing, life)
    keeper.ask()
    wait_for(lambda: life.runs == 1)
    since = time.monotonic()
    keeper.before_fork()
    assert keeper._thread is None
    assert time.monotonic() - since < PATIENCE / 2
    keeper.after_fork_in_parent()
    assert keeper._thread is not None
    wait_for(gone(keeper))
    assert life.runs == 2


def test_a_life_that_a_fork_has_cut_goes_on_after_it() -> None:
    """What was left undone is due at once."""
    started, runs = threading.Event(), []

    def live(stop: Stop) -> float | None:
        runs.append(1)
        started.set()
        deadline = time.monotonic() + PATIENCE
        while len(runs) == 1 and not stop() and time.monotonic() < deadline:
            time.sleep(0.001)
        return LONG if len(runs) == 1 else None

    keeper = Housekeeper(THREADS, nothing, live)
    keeper.ask()
    assert started.wait(PATIENCE)
    keeper.before_fork()
    keeper.after_fork_in_parent()
    wait_for(gone(keeper))
    assert len(runs) == 2


def test_child_has_no_thread_until_it_asks() -> None:
    """The pause is its parent's; its own begins with its first record."""
    life = Life(LONG, LONG, LONG)
    keeper = Housekeeper(THREADS, nothing, life)
    keeper.ask()
    wait_for(lambda: life.runs == 1)
    keeper.before_fork()
    child = os.fork()
    if child == 0:
        keeper.after_fork_in_child()
        keeper.before_fork()  # of a child of its own
        keeper.after_fork_in_parent()
        quiet = keeper._thread is None and len(os.listdir("/proc/self/task")) == 1
        keeper.ask()
        deadline = time.monotonic() + PATIENCE
        while life.runs == 1 and time.monotonic() < deadline:
            time.sleep(0.001)
        alive = keeper._thread is not None
        keeper.rest(PATIENCE)
        os._exit(0 if quiet and alive and life.runs == 2 and keeper._thread is None else 1)
    keeper.after_fork_in_parent()
    assert os.waitpid(child, 0)[1] == 0
    assert life.runs == 1
    keeper.rest(PATIENCE)
