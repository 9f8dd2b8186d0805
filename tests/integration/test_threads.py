"""Eight threads that log at the same time: what holds for processes holds for them, with and without the interpreter's lock."""

from __future__ import annotations

import fcntl
import os
import re
import sys
import time
from pathlib import Path

import pytest
from _programs import LOAD, PATIENCE, QUICK, Program, Scale, count, read, suffix

pytestmark = pytest.mark.integration

PROGRAM = Program("eight threads, and a second process with as many", ("threads.py",))
SOMEBODY = "somebody's"


def put_in_the_way(folder: Path, log: str, scale: Scale) -> dict[Path, bytes]:
    """Files of somebody else's that have the names of segments to come, and one that has nearly such a name."""
    files = {folder / f"{log}.log.2020-01-01_00-00-00x": b"not ours\n"}
    for ahead in (2, 3):
        created = time.time() + ahead * scale.interval
        files[folder / f"{log}.log.{suffix(created, scale.interval)}"] = f"{created!r} {SOMEBODY}\n".encode()
    for path, content in files.items():
        path.write_bytes(content)
    return files


@pytest.mark.parametrize("scale", [pytest.param(QUICK, id="quick"), pytest.param(LOAD, id="load", marks=pytest.mark.load)])
def test_promises_hold_with_eight_threads(tmp_path: Path, scale: Scale) -> None:
    """P1 and P2 for a log of each delivery; P3 and P5 for one whose rotation lock is held all the time: no thread waits for it,
    all records are there, and what failed is told and not raised; P4: files in the way of both stay as they are."""
    theirs = put_in_the_way(tmp_path, "direct", scale) | put_in_the_way(tmp_path, "held", scale)
    held = os.open(tmp_path / "held.log.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        with PROGRAM.started(tmp_path, scale) as run:
            assert run.process.wait(scale.seconds + PATIENCE) == 0, run.output
            run.assert_quiet()
    finally:
        os.close(held)
    said = re.search(r"^told (\d+) timeouts (\d+) free (True|False)$", run.output, re.MULTILINE)
    assert said, run.output
    assert int(said[1]) > 0
    assert int(said[2]) > 0
    assert said[3] == str(not getattr(sys, "_is_gil_enabled", lambda: True)())
    assert {path: path.read_bytes() for path in theirs} == theirs
    for path in theirs:
        if path.name.endswith("x") or path.name.startswith("held"):
            path.unlink()
    count(tmp_path, scale, workers=2, kinds=("thread", "second"), others=SOMEBODY)
    account = read(tmp_path, "held", scale.interval)
    wanted = {(writer, number): 1 for writer, times in account.acknowledged.items() for number in range(len(times))}
    assert dict(account.found) == wanted
    assert not account.fragments
