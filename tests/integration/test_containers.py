"""Containers that have one folder in common: other numbers for users, the same ones for processes, and a `/tmp` for each."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from _containers import USERS, Container, needs_containers, user_namespace
from _programs import PATIENCE, Scale, count, wait_until

pytestmark = [pytest.mark.integration, needs_containers]

QUICK = Scale(6.0, 1, 0.004)
LOAD = Scale(14.0, 2, 0.0005)
GRACE = {QUICK: 3, LOAD: 6}  # seconds; long enough for a busy machine, short enough that segments are compressed meanwhile
GROUP = 63_000
SAME_NUMBER = """
import ctypes, logging, os, sys
from mpfhandler import MultProcTimedRotatingFileHandler as Handler

for delivery in ("direct", "buffered"):
    logging.getLogger().addHandler(Handler(f"{delivery}.log", "H", delivery=delivery, flush_interval=60))
logging.warning("before")
assert ctypes.CDLL(None).unshare(0x20000000) == 0  # CLONE_NEWPID: children are in a namespace of their own
child = os.fork()
assert os.getpid() == 1
for number in range(200):
    logging.warning("%s %d", "parent" if child else "child", number)
logging.shutdown()
if child:
    sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.mark.parametrize("scale", [pytest.param(QUICK, id="quick"), pytest.param(LOAD, id="load", marks=pytest.mark.load)])
@pytest.mark.parametrize("kind", ["user namespaces", pytest.param("one group", marks=pytest.mark.load)])
def test_two_containers_write_one_log(tmp_path: Path, kind: str, scale: Scale) -> None:
    """P1, P2: each acknowledged record is there once, in the file of its period, through rotations, compression by either of
    them, kills of workers, and the kill of one container, after which another one with the same numbers begins.

    They have nothing in common but the folder, in which everybody may write, or a group: in user namespaces the user and the
    group that they run as have the same number inside, and are others for the machine, and for each other nobody.
    """
    modes = {"user namespaces": (0o777, "0666"), "one group": (0o2770, "0660")}
    options = json.dumps({"chmod": modes[kind][1], "late_grace": GRACE[scale], "compress": "gz", "compress_delay": 0})
    for folder in (tmp_path, tmp_path / "acknowledged", tmp_path / "deaths"):
        folder.mkdir(exist_ok=True)
        os.chown(folder, -1, GROUP)
        folder.chmod(modes[kind][0])
    with ExitStack() as stack:
        if kind == "one group":
            first, other, again = (Container(n, 61_000 + n % 2, GROUP) for n in (1, 2, 3))
        else:
            inside = [stack.enter_context(user_namespace(start)) for start in (3 * USERS, 7 * USERS)]
            first, other, again = (Container(n, 1000, 1000, inside[n % 2]) for n in (1, 2, 3))
        running = [(one, stack.enter_context(one.started(tmp_path, scale, options))) for one in (first, other)]
        for one, run in running:
            wait_until(lambda one=one: len(one.processes(tmp_path)) > 2, f"a container does not log: {run.output}")
        time.sleep(scale.seconds / 4)
        first.kill(running[0][1])
        follower = stack.enter_context(again.started(tmp_path, scale, options))
        for run in (running[1][1], follower):
            assert run.process.wait(scale.seconds + PATIENCE) == 0, run.output
    assert_quiet(follower.output)
    said = re.findall(r"^number (\d+) user (\d+) in /tmp (.*)$", follower.output, re.MULTILINE)
    assert len(said) == 3
    assert {(number, tmp) for number, _, tmp in said} == {("1", "[]")}
    assert 1 in first.processes(tmp_path) & other.processes(tmp_path) & again.processes(tmp_path)
    assert len({path.stat().st_uid for path in (tmp_path / "acknowledged").iterdir()}) == 2
    for log in ("direct", "buffered"):
        assert list(tmp_path.glob(f"{log}.log.*.gz")), f"nothing of {log} was compressed: {os.listdir(tmp_path)}"
    count(tmp_path, scale, deaths=4, kinds=("main", "worker"))


def assert_quiet(output: str) -> None:
    """Nothing has failed, but that a container may neither give another user what it compresses, nor look at what that one is
    just compressing: it says so, and leaves the segment plain."""
    assert not re.search(r"Exception ignored|Fatal Python|Traceback|--- Logging error", output), output
    expected = r"its owner \d+:\d+ cannot be kept, so it stays plain$|Permission denied: '\S+\.gz\.tmp'$"
    failures = [line for line in output.splitlines() if line.startswith("failed: ")]
    assert [line for line in failures if not re.search(expected, line)] == []


def test_child_has_its_parents_number(tmp_path: Path) -> None:
    """P1: a child in a namespace of its own is number 1, as its parent is in its own; what the parent has in its buffer it alone
    writes."""
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", SAME_NUMBER]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    wanted = Counter(["before", *(f"{who} {number}" for who in ("parent", "child") for number in range(200))])
    for log in ("direct", "buffered"):
        assert Counter((tmp_path / f"{log}.log").read_text().splitlines()) == wanted
