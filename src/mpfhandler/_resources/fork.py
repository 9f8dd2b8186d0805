"""Who has to be told of a fork. The registry and its one hook are the only global state of the package beside the
housekeeper's thread.

Entries are held weakly. The hooks run in the forking thread; in the child it is the only thread there is.

Threads of ours run what a user has given, too, which may fork: then there is nothing in the child but a copy of our thread, in
the middle of work that is its parent's. So it is known here which threads are ours.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakValueDictionary

from .._platform import Operations, Patience

__all__ = ["Forkable", "is_ours", "ours", "patience_left", "register", "wait_while"]

_PAUSE = 0.001  # seconds between two looks of a fork whether it may go on
_PATIENCE = 1.0  # seconds that a fork waits for other threads, however many logs there are

# The interpreter holds the hooks, and so what stands here, until it has finalized everything else. Without this module a rotation
# in a program that is just ending would end it by a crash (python/cpython#132413).
_HELD = sys.modules.get("_datetime", dt)


class Forkable(Protocol):
    """What takes part in forks."""

    def prepare_fork(self) -> None:
        """In the parent, before, without waiting: have other threads do what is to be done."""

    def before_fork(self) -> None:
        """In the parent, when everyone has prepared. May wait for as long as `patience_left` says."""

    def after_fork_in_parent(self) -> None:
        """In the parent, after."""

    def after_fork_in_child(self) -> None:
        """In the child, before anything else of the program runs."""


_everyone: WeakValueDictionary[int, Forkable] = WeakValueDictionary()
_patience: Patience | None = None  # of the fork that is under way
_ours: set[int] = set()  # identities of threads of this process


def register(one: Forkable) -> None:
    """Tell this object of every fork from now on, as long as it lives."""
    _everyone[id(one)] = one


def patience_left() -> float:
    """Seconds that the fork which is under way may still wait: all logs share them."""
    return _PATIENCE if _patience is None else _patience.left()


def wait_while(busy: Callable[[], bool], ops: Operations) -> None:
    """Have the fork which is under way wait for another thread, as long as it may."""
    deadline = ops.monotonic() + patience_left()
    while busy() and ops.monotonic() < deadline:
        ops.sleep(_PAUSE)


@contextmanager
def ours(thread: int) -> Generator[None, None, None]:
    """The calling thread, which has this identity, is one of ours, for as long as this lasts."""
    _ours.add(thread)
    try:
        yield
    finally:
        _ours.discard(thread)


def is_ours(thread: int) -> bool:
    """Whether it is; not in a child that it has forked."""
    return thread in _ours


def _alive() -> list[Forkable]:
    """A snapshot in one step of the interpreter: another thread may be registering."""
    return [one for reference in _everyone.valuerefs() if (one := reference()) is not None]


def _tell(call: Callable[[Forkable], None]) -> None:
    """Tell everyone, also when a signal handler's exception comes in the middle of one of them."""
    interrupted: BaseException | None = None
    for one in _alive():
        try:
            call(one)
        except BaseException as error:
            interrupted = error
    if interrupted is not None:
        raise interrupted


def _before() -> None:
    global _patience
    _patience = Patience(_PATIENCE)
    try:
        _tell(lambda one: one.prepare_fork())
    finally:
        _tell(lambda one: one.before_fork())


def _after_in_parent() -> None:
    global _patience
    _patience = None
    _tell(lambda one: one.after_fork_in_parent())


def _after_in_child() -> None:
    global _patience
    _patience = None
    _ours.clear()
    _tell(lambda one: one.after_fork_in_child())


if hasattr(os, "register_at_fork"):  # pragma: no branch - every POSIX system has it
    os.register_at_fork(  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
