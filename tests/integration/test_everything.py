"""One program that does all that a program may do with its logs, with every warning an error, in the development mode."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from _programs import PROGRAMS

import mpfhandler

pytestmark = pytest.mark.integration

TOLD = ("-W", "always:This process")  # of a fork with threads CPython 3.12 to 3.14 says nothing if it is to be an error
STRICT = ("-W", "error", *TOLD, "-X", "dev")
STOPS = """
import _thread, os
os.register_at_fork(after_in_parent=lambda: _thread.start_new_thread(__import__("time").sleep, (5,)))
if os.fork() == 0:
    os._exit(0)
"""


@cache
def warns_of_later_threads() -> bool:
    """Whether a fork is warned of for threads that begin after it (python/cpython#137109): not by us, and not of us."""
    done = subprocess.run([sys.executable, "-W", "always", "-c", STOPS], capture_output=True, text=True, timeout=60, check=True)
    return "multi-threaded" in done.stderr


def without_threads_of_later(text: str) -> str:
    """What was printed, less these warnings and the lines that they show."""
    return re.sub(r".*DeprecationWarning: This process .* is multi-threaded, .*\n(?:  .*\n)?", "", text)


def test_no_warning_from_anything(tmp_path: Path) -> None:
    """Neither a DeprecationWarning nor a ResourceWarning, nor any other: of options, threads, forks while threads of ours run,
    other programs, hooks, copies, what nobody closes, and commands."""
    for folder in ("locks", "far"):
        (tmp_path / folder).mkdir()
    path = str(Path(mpfhandler.__file__).parents[1])
    command = [sys.executable, *STRICT, str(PROGRAMS / "everything.py")]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280, check=False)
    said = without_threads_of_later(done.stderr) if warns_of_later_threads() else done.stderr
    assert (done.returncode, said, done.stdout.splitlines()[-1:]) == (0, "", ["fine"])
