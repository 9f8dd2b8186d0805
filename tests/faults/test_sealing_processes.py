"""Processes that log while others seal: every record is there once, whole, and in the file of its period (promises P1, P2)."""

from __future__ import annotations

import collections
import gzip
import random
import signal
import time
from pathlib import Path

import pytest
from _seal_support import hidden
from _support import ended, finish, period_name, record_names, start, start_writers

SEALER = """
    import sys, time
    from _seal_support import *
    from mpfhandler._pure.schedule import Schedule
    folder, grace, flag = Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    told = Told()
    print("ready", flush=True)
    while True:
        last = flag.exists()
        done = seal(folder, rules("gz", grace=grace), now=time.time(), told=told, schedule=Schedule.create("S"))
        if last:
            break
        time.sleep(0.02)
    assert told.errors == [], told.errors
    print(done.held, flush=True)
"""


def records(folder: Path) -> list[tuple[str, float, str]]:
    """Every line of the log and its segments: file, time, name."""
    found = []
    for path in folder.iterdir():
        if path.name.startswith("app.log") and path.suffix != ".lock":
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            assert not data or data.endswith(b"\n"), path.name
            for line in data.decode().splitlines():
                created, name = line.split(" ")
                found.append((path.name, float(created), name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"delivery": "buffered"}, {"maxBytes": 20_000}, {"late_grace": 0}], ids=str)
def test_nothing_is_lost_while_segments_are_sealed(tmp_path: Path, options: dict[str, object]) -> None:
    """Three writers with a period of a second, and two processes that compress what is over its grace, one of which is killed
    again and again."""
    grace = float(options.get("late_grace", 0.5))  # type: ignore[arg-type]
    seconds = 5.0
    writers = start_writers("abc", tmp_path / "app.log", seconds, pause=0.001, **{"late_grace": grace, **options})
    flag = tmp_path / "all have ended"
    steady = start(SEALER, tmp_path, grace, flag)
    luck = random.Random(0)
    with ended(steady, *writers.values()):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            doomed = start(SEALER, tmp_path, grace, flag)
            with ended(doomed):
                assert doomed.stdout is not None
                doomed.stdout.readline()
                time.sleep(luck.random() * 0.3)
                doomed.send_signal(signal.SIGKILL)
        counts = {tag: int(finish(child)) for tag, child in writers.items()}
        time.sleep(grace + 1.1)  # the period before the last one is over, and its grace
        flag.touch()
        assert finish(steady).split() == ["ready", "set()"]
    found = records(tmp_path)
    wanted = set().union(*(record_names(tag, count) for tag, count in counts.items()))
    counted = collections.Counter(name for _, _, name in found)
    assert set(counted) == wanted
    assert [name for name, count in counted.items() if count != 1] == []
    wrong = [one for one in found if one[0] != "app.log" and period_name(one[1], "S") not in one[0]]
    assert not wrong or not grace, wrong[:5]
    names = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("app.log."))
    assert [name for name in names if not name.endswith((".gz", ".lock"))] == []
    assert sum(name.endswith(".gz") for name in names) >= 4
    assert hidden(tmp_path) == []
