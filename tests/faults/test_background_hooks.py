"""What hooks do to the threads that call them: a child that comes back from one is no second program, and a hook that raises what
only the main thread is meant to see has failed like any other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from _disk_support import collect, ended, handler_at, record, start_python, wait_for

from mpfhandler import SealedSegment

pytest_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

SEGMENTS = [f"app.log.2026-03-04_{hour:02}" for hour in (1, 2, 3)]
WAYS = [("returns", 0), ("exits", 3), ("says", 1), ("fails", 1)]

# What the hooks are made of. The parent waits for its child, so what the child does comes before what the parent goes on with.
HOOKS = '''
    import os, sys, threading, time
    from pathlib import Path

    def note(text):
        with open("notes", "a") as file:
            file.write(f"{text}\\n")

    def fork(way):
        """Whether this is the child."""
        note(f"hook {os.getpid()}")
        child = os.fork()
        if child == 0:
            if way == "exits":
                sys.exit(3)
            if way == "says":
                sys.exit("a sentence")
            if way == "fails":
                raise ValueError("in the child")
            return True
        until = time.monotonic() + 10
        while not (ended := os.waitpid(child, os.WNOHANG))[0]:
            if time.monotonic() > until:
                note("child hangs")
                os.kill(child, 9)
            time.sleep(0.01)
        note(f"child {os.waitstatus_to_exitcode(ended[1])}")
        return False

    def on_seal(segment):
        note(Path(segment.path).name)
        fork(way)
'''

# A program that uses one of them. What it prints stands in its memory when the hook forks.
PROGRAM = """
    import atexit, logging
    import mpfhandler

    way, kind = sys.argv[1:]
    print("printed once")
    note(f"program {os.getpid()}")
    atexit.register(note, "exit")
    options = {"on_seal": on_seal} if kind == "on_seal" else {"rotate_idle": True}
    if kind.endswith("buffered"):
        options = {"delivery": "buffered", "flush_interval": 0.05}
    when = "S" if kind.startswith("namer") else "H"
    handler = mpfhandler.MultProcTimedRotatingFileHandler("app.log", when, utc=True, **options)

    def rotator(source, target):
        if not fork(way):
            os.rename(source, target)

    def namer(name):
        if threading.get_ident() != threading.main_thread().ident and Path("notes").read_text().count("hook") < 5:
            fork(way)
        return name + ".txt"

    def log(text):
        handler.handle(logging.makeLogRecord({"msg": text}))

    if kind == "rotator":
        handler.rotator = rotator
    if kind.startswith("namer"):
        handler.namer = namer
    for number in range(3):
        log(f"record {number}")
        if kind == "rotator":
            handler.doRollover()
    until = time.monotonic() + 20
    while Path("notes").read_text().count("child") < 3 and time.monotonic() < until:
        if kind.endswith("buffered"):
            log("goes on")
        time.sleep(0.02)
    handler.close()
"""


def notes(folder: Path) -> list[str]:
    """What the program and its hooks have said."""
    return (folder / "notes").read_text().splitlines()


@pytest_fork
@pytest.mark.parametrize(("way", "code"), WAYS)
@pytest.mark.parametrize("kind", ["on_seal", "rotator", "namer", "namer, buffered"])
def test_child_that_comes_back_from_a_hook_ends_there(tmp_path: Path, kind: str, way: str, code: int) -> None:
    """L2: it does nothing of its parent's work, runs none of its exit handlers, and writes nothing that its parent has to write;
    its exit code is its own."""
    for name in SEGMENTS if kind == "on_seal" else []:
        (tmp_path / name).write_text("record\n")
    printed = ended(start_python(dedent(HOOKS) + dedent(PROGRAM), way, kind, cwd=tmp_path))
    said = notes(tmp_path)
    (program,) = {line.split()[1] for line in said if line.startswith("program")}
    assert {line.split()[1] for line in said if line.startswith("hook")} == {program}
    codes = [line for line in said if line.startswith("child")]
    assert len(codes) >= 3
    assert set(codes) == {f"child {code}"}
    assert [line for line in said if line.startswith("app.log")] == (SEGMENTS if kind == "on_seal" else [])
    assert said.count("exit") == 1
    assert printed.splitlines() == ["printed once"]


@pytest_fork
@pytest.mark.parametrize(("way", "code"), WAYS)
def test_child_that_comes_back_from_a_hook_of_the_command_ends_there(tmp_path: Path, way: str, code: int) -> None:
    """The same; the command prints what it has done once."""
    for name in SEGMENTS:
        (tmp_path / name).write_text("record\n")
    (tmp_path / "hooks.py").write_text(dedent(HOOKS) + f"way = {way!r}\n")
    command = [sys.executable, "-m", "mpfhandler", "seal", "app.log", "--on-seal", "hooks.on_seal"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    said = notes(tmp_path)
    assert [line for line in said if not line.startswith("hook")] == [
        part for name in SEGMENTS for part in (name, f"child {code}")
    ]
    assert len({line for line in said if line.startswith("hook")}) == 1
    assert (done.returncode, done.stderr, done.stdout.splitlines()) == (0, "", ["done now: 3 of 3 segments"])


class Error(BaseException):
    """Of some framework, for its own loop."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, Error, SystemExit])
@pytest.mark.parametrize("kind", ["on_seal", "rotator"])
def test_what_only_the_main_thread_is_meant_to_see_is_a_failure(tmp_path: Path, kind: str, error: type[BaseException]) -> None:
    """P5: nobody but the hook itself raises it in a thread of ours. It is told, the thread goes on, and the hook is called again
    after a pause."""
    calls: list[float] = []

    def fail() -> None:
        calls.append(time.monotonic())
        if len(calls) == 1:
            raise error

    def on_seal(_segment: SealedSegment) -> None:
        fail()

    def rotator(source: str, target: str) -> None:
        fail()
        os.rename(source, target)

    (tmp_path / SEGMENTS[0]).write_text("record\n")
    options: dict[str, Any] = {"on_seal": on_seal} if kind == "on_seal" else {"rotate_idle": True}
    handler = handler_at(tmp_path / "app.log", "S" if kind == "rotator" else "H", utc=True, **options)
    if kind == "rotator":
        handler.rotator = rotator
    told = collect(handler)
    handler.handle(record("one"))
    thread = handler._writer._housekeeper._thread

    def is_called_again() -> bool:
        if kind == "rotator":  # which is called when a record asks for it
            handler.handle(record("again"))
        return len(calls) >= 2

    wait_for(is_called_again, "the second call")
    assert calls[1] - calls[0] > 0.9
    assert [text for text in told if error.__name__ in text] == told
    assert len(told) == 1
    assert thread is not None
    assert handler._writer._housekeeper._thread is thread
    handler.close()


def test_namer_that_raises_such_a_thing_costs_its_name_alone(tmp_path: Path) -> None:
    """P5: the thread that asks it goes on; the log is rotated, and has a default name."""
    handler = handler_at(tmp_path / "app.log", "S", utc=True, rotate_idle=True)

    def namer(_name: str) -> str:
        raise KeyboardInterrupt

    told = collect(handler)
    handler.handle(record("one"))
    handler.namer = namer
    wait_for(lambda: len(list(tmp_path.glob("app.log.2*"))) == 1, "the rotation")
    assert any("KeyboardInterrupt" in text for text in told)
    handler.close()
