"""Programs that make their processes themselves: a daemon with forked workers, one that starts others, and forked greenlets."""

from __future__ import annotations

import fcntl
import os
import re
import signal
from collections.abc import Iterator

import pytest
from _programs import Program, Run, on_each_scale, run, side_by_side, wait_until

__all__ = ["run", "side_by_side"]  # fixtures

pytestmark = pytest.mark.integration

CHILDREN = Program(
    "children with handlers of their own, some of which are terminated or killed, of a parent that starts them from threads "
    "while others log; what a `preexec_fn` logs",
    ("children.py",), kinds=("parent", "well", "quits", "terminated", "killed"), deaths=4,
)  # fmt: skip
THREADS = {"gevent": ["buffered/thread"], "eventlet": []}
GREENLETS = [
    Program(
        "a patched program whose processes have thirty greenlets each, with gevent a real thread, too",
        ("greenlets.py", library, when), kinds=("parent", "green", *THREADS[library]), needs=library, quick=when == "first",
    )
    for library in ("gevent", "eventlet") for when in ("first", "late")
]  # fmt: skip
DAEMON = Program(
    "handlers with relative paths, made before a double fork and the end of all descriptors, and used by the daemon, its "
    "workers, their threads, and a signal handler; a worker that is killed",
    ("daemon.py",), kinds=("before", "daemon", "reaper", "inherited", "own", "alone"), deaths=1,
)  # fmt: skip


@on_each_scale(CHILDREN, *GREENLETS)
def test_each_record_is_there_once(program: Program, run: Run) -> None:
    """P1, P2: what the program's claim says."""
    program.assert_counted(run)


@pytest.fixture
def daemon(run: Run) -> Iterator[Run]:
    """It is in a session of its own, and is ended with it."""
    yield run
    try:
        os.killpg(os.getsid(int((run.folder / "daemon.pid").read_text())), signal.SIGKILL)
    except (OSError, ValueError):
        pass


@on_each_scale(DAEMON)
def test_daemon(program: Program, daemon: Run) -> None:
    """P1, P2: the same; and none of our lines is in the files of the daemon, nor has it complained there."""
    daemon.wait()
    wait_until((daemon.folder / "daemon.pid").exists, "there is no daemon")
    with (daemon.folder / "alive").open("a") as alive:
        wait_until(lambda: is_free(alive.fileno()), "the daemon does not end", daemon.scale.seconds + 60)
    said = (daemon.folder / "daemon.txt").read_text()
    for words in (said, daemon.output):  # Python 3.12 warns there of a fork in a process with threads
        assert not re.search("[0-9a-f]{12}|Traceback|Logging error", words), words
    program.assert_counted(daemon)


def is_free(file: int) -> bool:
    """Whether nobody has a lock on it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
