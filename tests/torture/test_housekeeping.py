"""Compression, retention, splits, forks and kills at once: what retention has not deleted by its rule is there once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from _torture import NAMER, Torture, torture

from mpfhandler._platform import OPERATIONS
from mpfhandler._protocols.hooks import Hooks
from mpfhandler._protocols.retention import Rules, Shelf, sweep
from mpfhandler._protocols.sealing import Sealing, seal_all
from mpfhandler._protocols.segments import Segments
from mpfhandler._pure.options import Access, Compression
from mpfhandler._pure.schedule import Schedule
from mpfhandler._resources.report import Reporter
from mpfhandler._resources.tracefile import Trace

KEEP = 40  # segments
GRACE = 2  # seconds
LONG = 60 if os.environ.get("MPFHANDLER_PROOF", "") not in {"", "0"} else 30  # seconds


def settle(run: Torture) -> None:
    """Nobody is left: the commands, as from cron, bring to its end what killed processes have left."""
    time.sleep(GRACE + 2)
    for words in (["seal", "--compress", "gz", "--compress-delay", "0"], ["prune", "--backup-count", str(KEEP)]):
        command = [sys.executable, "-m", "mpfhandler", words[0], str(run.log), "--when", "S", "--tz", "UTC", *words[1:]]
        done = subprocess.run([*command, "--late-grace", str(GRACE)], capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr


def settle_named(run: Torture) -> None:
    """The same by who knows the `namer`, which no command does."""
    time.sleep(GRACE + 2)
    scope: dict[str, Any] = {}
    exec(NAMER, scope)
    ops, failed, schedule = OPERATIONS, list[Exception](), Schedule.create("S", utc=True)
    report = Reporter(Trace(ops, "", Access(), enabled=False), failed.append)
    hooks = Hooks(namer=lambda: scope["namer"])
    segments = Segments(ops, str(run.log), schedule, hooks, report, late_grace=GRACE, hides=False)
    names, rules = segments.names(), Sealing(grace=GRACE, compression=Compression("gz", None, 0.0))
    folders = segments.all_folders(names)
    for folder in sorted(folders):
        seal_all(ops, names, folder, schedule, rules, report, lambda: False, now=time.time())
    shelf = Shelf(names, segments.folder(names), schedule, GRACE, frozenset(folders))
    sweep(ops, shelf, Rules(KEEP), report, lambda: False)
    assert failed == []


@pytest.mark.parametrize("named", [False, True], ids=["", "namer"])
@pytest.mark.parametrize(
    "seconds", [pytest.param(8, id="short"), pytest.param(LONG, id="long", marks=[pytest.mark.torture, pytest.mark.slow])]
)
def test_killed_while_segments_are_compressed_and_deleted(tmp_path: Path, seconds: float, *, named: bool) -> None:
    """Six processes with threads and forks, one of which is killed every 50 ms; also where a `namer` gives each minute a folder,
    and forgets the numbers."""
    options: dict[str, object] = {
        "compress": "gz", "compress_delay": 0, "backupCount": KEEP, "maxBytes": 20_000, "late_grace": GRACE, "lock_timeout": 30,
    }  # fmt: skip
    if named:
        options["namer"] = NAMER
    how = settle_named if named else settle
    run, found = torture(tmp_path, seconds, 6, options, "kill_and_restart", kill_every=0.05, settle=how, deletes=True)
    assert run.kills > seconds
    assert found.packed == found.segments
    assert found.segments <= KEEP
    if seconds == LONG:
        assert found.segments == KEEP, "more than enough were closed"
        assert len(found.records) < run.count, "some were deleted"
    assert [path.name for path in run.folder.rglob(".*")] == []
    if named:
        assert list(run.folder.glob("closed-*/app-*.gz"))
        assert list(run.folder.glob("app.log.2*.gz"))
