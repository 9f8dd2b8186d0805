"""Compression, retention, splits, forks and kills at once: what retention has not deleted by its rule is there once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from _torture import Torture, torture

KEEP = 40  # segments
GRACE = 2  # seconds


def settle(run: Torture) -> None:
    """Nobody is left: the commands, as from cron, bring to its end what killed processes have left."""
    time.sleep(GRACE + 2)
    for words in (["seal", "--compress", "gz", "--compress-delay", "0"], ["prune", "--backup-count", str(KEEP)]):
        command = [sys.executable, "-m", "mpfhandler", words[0], str(run.log), "--when", "S", "--tz", "UTC", *words[1:]]
        done = subprocess.run([*command, "--late-grace", str(GRACE)], capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "seconds", [pytest.param(8, id="short"), pytest.param(60, id="a minute", marks=[pytest.mark.torture, pytest.mark.slow])]
)
def test_killed_while_segments_are_compressed_and_deleted(tmp_path: Path, seconds: float) -> None:
    """Six processes with threads and forks, one of which is killed every 50 ms."""
    options = {
        "compress": "gz", "compress_delay": 0, "backupCount": KEEP, "maxBytes": 20_000, "late_grace": GRACE, "lock_timeout": 30,
    }  # fmt: skip
    run, found = torture(tmp_path, seconds, 6, options, "kill_and_restart", kill_every=0.05, settle=settle, deletes=True)
    assert run.kills > seconds
    assert found.packed == found.segments
    assert found.segments <= KEEP
    if seconds > 30:
        assert found.segments == KEEP, "more than enough were closed"
        assert len(found.records) < run.count, "some were deleted"
    assert [path.name for path in run.folder.iterdir() if path.name.startswith(".")] == []
