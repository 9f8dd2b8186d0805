"""`late_grace=0` under load."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

WRITER = """
import logging, sys
from mpfhandler import MultProcTimedRotatingFileHandler
log = logging.getLogger("w")
log.addHandler(MultProcTimedRotatingFileHandler(sys.argv[1], when="S", late_grace=0))
log.setLevel(10)
while True:
    log.info("x" * 60)
"""


@pytest.mark.slow
def test_nothing_is_written_to_a_segment_once_it_has_its_name(tmp_path: Path) -> None:
    """With late_grace=0 the size that a segment has when its name appears is its size for ever (P2, for naive tailers)."""
    log = tmp_path / "app.log"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(log)]) for _ in range(4)]
    first_seen: dict[str, int] = {}
    try:
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            for name in os.listdir(tmp_path):
                if name.startswith("app.log.2") and name not in first_seen:
                    first_seen[name] = os.stat(tmp_path / name).st_size
    finally:
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
    assert len(first_seen) >= 4
    assert sum(first_seen.values()) > 10_000
    grown = {name: os.stat(tmp_path / name).st_size - size for name, size in first_seen.items()}
    assert not any(grown.values()), grown
