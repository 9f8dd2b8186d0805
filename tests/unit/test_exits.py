"""Who holds records in memory is told before another program starts and at the end; what one of them raises reaches nobody."""

from __future__ import annotations

import atexit
import sys
from types import ModuleType
from weakref import WeakValueDictionary

import pytest

from mpfhandler._platform import Patience
from mpfhandler._resources import exits


class Told:
    """Writes down what it is told, and fails if it is to."""

    def __init__(self, told: list[str], name: str, fails: bool = False) -> None:
        self.told, self.name, self.fails = told, name, fails

    def _tell(self, what: str) -> None:
        self.told.append(f"{self.name} {what}")
        if self.fails:
            raise RuntimeError(self.name)


class Threaded(Told):
    """What has a thread."""

    def begin_to_end(self) -> None:
        self._tell("begins to end")

    def at_exit(self, patience: Patience) -> None:
        assert 0 < patience.left() <= 1
        self._tell("ends")


class Witness(Threaded):
    """What has records in memory, too."""

    def begin_to_settle(self) -> None:
        self._tell("begins")

    def settle(self, patience: Patience) -> None:
        assert 0 < patience.left() <= 1
        self._tell("settles")


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else is registered, and nothing is left registered in the interpreter."""
    monkeypatch.setattr(exits, "_everyone", WeakValueDictionary())
    monkeypatch.setattr(exits, "_ending", WeakValueDictionary())
    monkeypatch.setattr(exits, "_installed", False)
    monkeypatch.setattr(exits, "_installed_end", False)
    monkeypatch.setattr(atexit, "register", lambda _call: None)
    monkeypatch.setattr(sys, "addaudithook", lambda _hook: None)


def test_all_begin_before_the_first_is_waited_for() -> None:
    """Before another program starts the disks work at the same time; one that fails does not keep the others from it."""
    told: list[str] = []
    one, two = Witness(told, "one", fails=True), Witness(told, "two")
    exits.register(one)
    exits.register(two)
    exits._audit("open", ())
    assert told == []
    exits._audit("subprocess.Popen", ())
    assert told == ["one begins", "two begins", "one settles", "two settles"]


def test_interpreter_that_is_nearly_gone_starts_a_program() -> None:
    """The hook is called until the very end, when half of the interpreter is missing: the program's start does not fail by it."""
    called: list[str] = []

    def nothing_left() -> None:
        called.append("tried")
        raise TypeError("'NoneType' object is not callable")

    exits._audit("os.system", (), _call=nothing_left)
    assert called == ["tried"]


def test_end_is_told_to_all() -> None:
    """Each is told of the end once, whatever another one raises; who only has a thread is told apart."""
    told: list[str] = []
    everyone = [Witness(told, name, fails=name == "one") for name in ("one", "two")]
    for one in everyone:
        exits.register(one)
    exits._at_exit()
    assert told == ["one begins to end", "two begins to end", "one ends", "two ends"], "their disks work at the same time"
    threads = [Threaded(told, name, fails=name == "three") for name in ("three", "four")]
    for thread in threads:
        exits.register_end(thread)
    told.clear()
    exits._end()
    assert told == ["three begins to end", "four begins to end", "three ends", "four ends"], "they are waited for together"


def test_hook_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another audit hook may forbid new ones by an exception: the log is made all the same, and told of the end."""

    def refused(_hook: object) -> None:
        raise RuntimeError("no more hooks")

    ends: list[object] = []
    monkeypatch.setattr(atexit, "register", ends.append)
    monkeypatch.setattr(sys, "addaudithook", refused)
    one = Witness([], "one")
    exits.register(one)
    assert exits._alive() == [one]
    assert ends == [exits._at_exit]


def test_a_module_that_another_thread_is_just_importing_is_not_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """`multiprocessing` imports its `util` when the first process is made, while other threads log: their records fail for no
    half of it, and once it is whole, it is used."""
    monkeypatch.setattr(exits, "_watched", False)
    monkeypatch.setattr(exits, "_finalizer", None)
    half = ModuleType("multiprocessing.util")
    monkeypatch.setitem(sys.modules, "multiprocessing.util", half)
    exits.watch_end_of_process()
    asked: list[object] = []
    half.register_after_fork = lambda _one, call: asked.append(call)  # type: ignore[attr-defined]
    exits.watch_end_of_process()
    assert asked == []
    half.Finalize = lambda *_arguments, exitpriority: asked.append(exitpriority)  # type: ignore[attr-defined]
    exits.watch_end_of_process()
    assert asked == [exits._finalize, -100]
