"""Failures are told once per cause, remembered, and never raised (promise P5); and the debug file that gets all of them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from mpfhandler._platform import OPERATIONS
from mpfhandler._pure.options import Access
from mpfhandler._resources.report import Reporter
from mpfhandler._resources.tracefile import Trace


def trace(path: Path, *, enabled: bool = True, mode: int | None = None) -> Trace:
    """A debug file."""
    return Trace(OPERATIONS, str(path), Access(mode), enabled=enabled)


def test_cause_is_told_once(tmp_path: Path) -> None:
    """A failure that repeats is told the first time."""
    told: list[Exception] = []
    report = Reporter(trace(tmp_path / "debug", enabled=False), told.append)
    for _ in range(100):
        report("write", OSError(28, "disk full"))
    assert len(told) == 1
    assert report.last == "write: OSError: [Errno 28] disk full"


def test_other_cause_is_news(tmp_path: Path) -> None:
    """The same thing failing in another way is told, and so is another thing failing in the same way."""
    told: list[Exception] = []
    report = Reporter(trace(tmp_path / "debug", enabled=False), told.append)
    report("write", OSError(28, "disk full"))
    report("write", OSError(5, "input/output error"))
    report("rotation", OSError(5, "input/output error"))
    report("rotation", OSError(5, "input/output error"))
    assert len(told) == 3


def test_causes_that_take_turns_are_told_once_each(tmp_path: Path) -> None:
    """Two segments that fail in two ways are no news at every try."""
    told: list[Exception] = []
    report = Reporter(trace(tmp_path / "debug", enabled=False), told.append)
    for _ in range(10):
        report("seal", OSError(13, "permission denied"))
        report("seal", OSError(5, "input/output error"))
    assert [error.errno for error in told if isinstance(error, OSError)] == [13, 5]


def test_failure_after_success_is_news(tmp_path: Path) -> None:
    """What works again and fails again is told again; what was last stays to be read."""
    told: list[Exception] = []
    report = Reporter(trace(tmp_path / "debug", enabled=False), told.append)
    report("write", OSError(28, "disk full"))
    report.solved("write")
    report.solved("never failed")
    assert report.last is not None
    report("write", OSError(28, "disk full"))
    assert len(told) == 2


def test_listener_that_fails_is_ignored(tmp_path: Path) -> None:
    """What the host's own error handler raises goes nowhere."""

    def broken(_error: Exception) -> None:
        raise RuntimeError("the listener is broken")

    report = Reporter(trace(tmp_path / "debug", enabled=False), broken)
    report("write", OSError(28, "disk full"))
    assert report.last == "write: OSError: [Errno 28] disk full"


def test_listener_that_fails_in_the_same_way_is_not_called_again(tmp_path: Path) -> None:
    """A listener that logs, and so meets the failure that it is told of, does not recurse into itself."""
    depth: list[int] = []

    def logs(_error: Exception) -> None:
        depth.append(len(depth))
        if len(depth) < 10:
            report("write", OSError(28, "disk full"))

    report = Reporter(trace(tmp_path / "debug", enabled=False), logs)
    report("write", OSError(28, "disk full"))
    assert depth == [0]


def test_nobody_listening_is_fine(tmp_path: Path) -> None:
    """Without a listener failures are still remembered and traced."""
    report = Reporter(trace(tmp_path / "debug"), None)
    report("write", OSError(28, "disk full"))
    report("write", OSError(28, "disk full"))
    assert (tmp_path / "debug").read_text().count("disk full") == 2


def test_debug_file_has_one_line_for_each_event(tmp_path: Path) -> None:
    """Time, pid, event and facts; a newline in a fact does not make a second line."""
    write = trace(tmp_path / "debug")
    write("rotate", to="/x/app.log.1", because="a\nb")
    write("open", inode=7)
    lines = (tmp_path / "debug").read_text().splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \d+ rotate to=/x/app\.log\.1 because=a\\nb", lines[0])
    assert lines[1].endswith(" open inode=7")


def test_debug_file_that_is_off_is_not_created(tmp_path: Path) -> None:
    """Nothing is opened unless it was asked for."""
    trace(tmp_path / "debug", enabled=False)("rotate")
    assert not (tmp_path / "debug").exists()


def test_debug_file_that_cannot_be_written_is_ignored(tmp_path: Path) -> None:
    """No folder, no clock, a fact that cannot be shown: the log goes on."""

    class Unshowable:
        def __str__(self) -> str:
            raise ValueError("no")

    trace(tmp_path / "gone" / "debug")("rotate")
    trace(tmp_path / "debug")("rotate", to=Unshowable())
    ops = replace(OPERATIONS, now=lambda: 1e300)
    Trace(ops, str(tmp_path / "debug"), Access(), enabled=True)("rotate")
    assert not (tmp_path / "debug").exists()


def test_debug_file_takes_odd_characters(tmp_path: Path) -> None:
    """A path that is no text is shown with escapes."""
    trace(tmp_path / "debug")("rotate", to="/x/\udcff")
    assert "\\udcff" in (tmp_path / "debug").read_text()


def test_debug_file_comes_back_after_deletion(tmp_path: Path) -> None:
    """It is opened for each line, so nothing has to be noticed."""
    write = trace(tmp_path / "debug")
    write("one")
    (tmp_path / "debug").unlink()
    write("two")
    assert (tmp_path / "debug").read_text().endswith(" two\n")


class Unspeakable(Exception):
    """What a user's hook may raise."""

    def __str__(self) -> str:
        raise ValueError("no text")


def test_error_whose_text_cannot_be_had(tmp_path: Path) -> None:
    """It is told as any other one, and remembered by its kind."""
    told: list[Exception] = []
    report = Reporter(trace(tmp_path / "debug"), told.append)
    error = Unspeakable()
    report("on_seal", error)
    assert told == [error]
    assert report.last == "on_seal: Unspeakable: <its text cannot be had: ValueError>"
