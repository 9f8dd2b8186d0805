"""Who has registered is told of every fork, in parent and child, as long as it lives."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Callable

import pytest

from mpfhandler._resources import fork


class Witness:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def prepare_fork(self) -> None:
        """Nothing to do."""

    def before_fork(self) -> None:
        self.told.append("before")

    def after_fork_in_parent(self) -> None:
        self.told.append("parent")

    def after_fork_in_child(self) -> None:
        self.told.append("child")


def fork_and_ask(witness: Witness) -> str:
    """Fork; what the witness was told in the child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, ",".join(witness.told).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answers:
        told = answers.read()
    os.waitpid(child, 0)
    return told


def test_both_sides_are_told_in_order() -> None:
    """Before the fork, then after it, each side its own."""
    witness = Witness()
    fork.register(witness)
    assert fork_and_ask(witness) == "before,child"
    assert witness.told == ["before", "parent"]


def test_every_fork_is_told_once() -> None:
    """Registering twice changes nothing, and the second fork is told like the first."""
    witness = Witness()
    fork.register(witness)
    fork.register(witness)
    fork_and_ask(witness)
    fork_and_ask(witness)
    assert witness.told == ["before", "parent"] * 2


def test_grandchildren_are_told() -> None:
    """The registry goes with the fork."""
    witness = Witness()
    fork.register(witness)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, fork_and_ask(witness).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 1000) == b"before,child,before,child"
    os.close(reading)
    os.close(writing)


def test_nobody_is_kept_alive() -> None:
    """An object that nobody else holds is forgotten."""
    witness = Witness()
    fork.register(witness)
    reference = weakref.ref(witness)
    assert witness in fork._alive()
    del witness
    gc.collect()
    assert reference() is None
    assert not any(isinstance(one, Witness) for one in fork._alive())


def test_registering_while_others_fork_is_safe() -> None:
    """The snapshot of who is alive is taken in one step, while other threads come and go."""
    stop = threading.Event()

    def register_many() -> None:
        while not stop.is_set():
            fork.register(Witness())

    thread = threading.Thread(target=register_many)
    thread.start()
    try:
        for _ in range(2000):
            fork._alive()
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("hook", [fork._before, fork._after_in_parent, fork._after_in_child])
def test_hooks_work_with_nobody_registered(monkeypatch: pytest.MonkeyPatch, hook: object) -> None:
    """A program that uses the package without a log forks as ever."""
    monkeypatch.setattr(fork, "_alive", list)
    monkeypatch.setattr(fork, "_ours", set())  # no fork, so a thread that another test has left is none of a parent's
    assert callable(hook)
    hook()


@pytest.mark.parametrize("hook", [fork._before, fork._after_in_parent, fork._after_in_child])
def test_hook_that_is_interrupted_does_not_skip_the_others(monkeypatch: pytest.MonkeyPatch, hook: Callable[[], None]) -> None:
    """A signal handler's exception in one of them comes out once everyone has been told."""

    class Interrupted(Witness):
        def _interrupt(self) -> None:
            raise KeyboardInterrupt

        before_fork = after_fork_in_parent = after_fork_in_child = _interrupt

    before, after = Witness(), Witness()
    monkeypatch.setattr(fork, "_alive", lambda: [before, Interrupted(), after])
    monkeypatch.setattr(fork, "_ours", set())
    with pytest.raises(KeyboardInterrupt):
        hook()
    assert before.told == after.told != []
