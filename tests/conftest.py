"""What several test modules share: nothing is switched on for a test that does not ask for it."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import stat
import sys
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar

import pytest

from mpfhandler._engine import build as builder
from mpfhandler._engine import timedlogfile
from mpfhandler._engine.build import build
from mpfhandler._platform import OPERATIONS


def pytest_configure() -> None:
    """What a shell, or nohup, has this process ignore, the programs that tests start would ignore, too: they are to hear it."""
    for number in (signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)


_MISSING = re.compile(r"(?:module '(?:os|signal|time|select|socket)'|'os\.stat_result' object) has no attribute '(\w+)'")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    """See below."""
    return (yield from _skipped_without_posix())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """A test that does itself what this system has no call for (fork, fifos, signals, other users) is skipped, and the call
    named. The same in the package is a failure."""
    return (yield from _skipped_without_posix())


if sys.platform == "win32":
    import hypothesis

    from mpfhandler._platform import mounts, win32

    if win32.under_wine():
        slow = [hypothesis.HealthCheck.too_slow]  # as all that is asked of Wine's server is
        hypothesis.settings.register_profile("wine", deadline=None, suppress_health_check=slow)
        hypothesis.settings.load_profile("wine")
        # As on Windows, appends are without a lock here: a test is one process. Those that it starts have one.
        mounts._drive_of = lambda _folder: ("ntfs", "Z:\\")

    _write_text, _open, _symlink = pathlib.Path.write_text, pathlib.Path.open, os.symlink
    _unlink, _chmod = os.unlink, os.chmod

    def _write_as_it_is(path: pathlib.Path, data: str, *arguments: Any, **options: Any) -> int:
        """Tests compare bytes: an end of line is one byte."""
        return _write_text(path, data, *arguments, **{"newline": "\n", **options})

    def _open_as_it_is(path: pathlib.Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        return _open(path, mode, *arguments, **options if "b" in mode else {"newline": "\n", **options})

    def _link_or_skip(source: Any, link: Any, *arguments: Any, **options: Any) -> None:
        failed = "Wine makes no symbolic links"
        try:
            _symlink(source, link, *arguments, **options)
        except OSError as error:
            failed = f"this user may not make symbolic links: {error}"
        if not os.path.islink(link):
            if _is_called_by_a_test():
                pytest.skip(failed)
            raise OSError(failed)  # pytest itself can do without

    def _remove_or_skip(path: Any, *arguments: Any, **options: Any) -> None:
        _unlink(path, *arguments, **options)
        if os.path.lexists(path) and _is_called_by_a_test():
            pytest.skip("Wine leaves the name of a deleted file there until it is closed")

    def _change_mode_or_skip(path: Any, mode: int, *arguments: Any, **options: Any) -> None:
        _chmod(path, mode, *arguments, **options)
        if _is_called_by_a_test() and stat.S_IMODE(os.stat(path).st_mode) != mode:
            pytest.skip("files have no such modes on Windows")

    def _is_called_by_a_test() -> bool:
        callers = [frame.filename for frame in traceback.extract_stack()[:-2] if "pathlib" not in frame.filename]
        return "tests" in callers[-1]

    os.unlink, os.chmod = _remove_or_skip, _change_mode_or_skip
    pathlib.Path.write_text = _write_as_it_is  # type: ignore[method-assign]
    pathlib.Path.open = _open_as_it_is  # type: ignore[method-assign,assignment]
    os.symlink = _link_or_skip


def _skipped_without_posix() -> Generator[None, object, object]:
    try:
        return (yield)
    except (AttributeError, ModuleNotFoundError) as error:
        missing = _module(error) if isinstance(error, ModuleNotFoundError) else _attribute(error)
        if sys.platform == "win32" and missing and "tests" in traceback.extract_tb(error.__traceback__)[-1].filename:
            pytest.skip(f"there is no {missing} on Windows")
        raise


def _module(error: ModuleNotFoundError) -> str | None:
    return error.name if error.name in {"fcntl", "grp", "pty", "pwd", "resource", "termios"} else None


def _attribute(error: AttributeError) -> str | None:
    """Of a module of the system that is not there; the other modules have what they have everywhere."""
    found = _MISSING.search(str(error))
    return found and found[1]


class Closable(Protocol):
    """A handler or a log."""

    def close(self) -> object:
        """Give everything up."""


AnyClosable = TypeVar("AnyClosable", bound=Closable)


@pytest.fixture
def closing() -> Iterator[Callable[[Any], Any]]:
    """Closes what it is given at the end of the test, the last one first; gives it back for use in an expression."""
    with ExitStack() as stack:

        def keep(one: AnyClosable) -> AnyClosable:
            stack.callback(one.close)
            return one

        yield keep


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces entries of the table of operations, by name, for every log and handler that is made after the call."""
    ops = OPERATIONS

    def use(**entries: Any) -> None:
        nonlocal ops
        ops = replace(ops, **entries)
        for face in (timedlogfile, builder):  # the handler imports it when it is made
            monkeypatch.setattr(face, "build", partial(build, ops=ops))
        monkeypatch.setattr(timedlogfile, "OPERATIONS", ops)

    return use


@pytest.fixture
def clock(system: Callable[..., None]) -> list[float]:
    """The wall clock of every log that is made after this: set `clock[0]` (epoch seconds). The files keep the system's."""
    hand = [1_700_000_000.0]  # 2023-11-14 22:13:20 UTC
    system(now=lambda: hand[0])
    return hand
