"""Processes of mpfhandler 0.0.1, the real one, on one log with ours, as docs/how-to/move/from-mpfhandler-0.md has it."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest
from _moving import OURS, SECOND, Writers, count_lines, lines_of, names, old_release, wait_until

OLD = "mpfhandler_0", "MultProcTimedRotatingFileHandler"

pytestmark = pytest.mark.integration


def test_a_bare_timestamp_in_the_lock_file_is_no_state(tmp_path: Path) -> None:
    """For `service` both releases have `service.lock`: the log's own time tells its period, and a state record is written over
    the number; the rotation at the next second names the old content for its own time."""
    log, lock = tmp_path / "service", tmp_path / "service.lock"
    log.write_text("0.0 old-0\n")
    hours_ago = time.time() - 7200
    os.utime(log, (hours_ago, hours_ago))
    lock.write_text(str(int(time.time()) + 3600))
    writers = Writers(log, 0.05)
    writers.start("1", *OURS, when="H")
    logged = writers.count()
    [segment] = names(tmp_path, r"service\.2.*")
    assert segment == f"service.{time.strftime('%Y-%m-%d_%H', time.localtime(hours_ago))}"
    assert (tmp_path / segment).read_text() == "0.0 old-0\n"
    assert Counter(line.split()[1] for line in log.read_text().splitlines()) == logged
    assert lock.read_text().startswith("mpfhandler-state 1 ")


@pytest.mark.parametrize(
    ("log", "first"),
    [
        ("app.log", "old"),
        pytest.param("app.log", "new", marks=pytest.mark.load),
        pytest.param("service", "old", marks=pytest.mark.load),
        pytest.param("service", "new", marks=pytest.mark.load),
    ],
)
def test_old_and_new_processes_side_by_side(log: str, first: str, tmp_path: Path) -> None:
    """P1: no line of either release is lost or doubled, whoever was there first; the new ones alone rotate, so nothing is put
    aside as `.bak`. Then an old one that is started alone rotates again."""
    base = log.removesuffix(".log")
    writers = Writers(tmp_path / log, 3.5)
    try:
        for number, kind in enumerate(["old", "new", "new"] if first == "old" else ["new", "old", "new"]):
            module, folders = (OLD, [str(old_release().folder)]) if kind == "old" else (OURS, [])
            writers.start(f"{kind}{number}", *module, *folders, when="S")
            wait_until(writers.path.exists, "the log")
        logged = writers.count()
    finally:
        writers.kill()
    assert Counter(line.split()[1] for line in lines_of(tmp_path, base)) == logged
    assert names(tmp_path, rf"{log}\.{SECOND}(\.\d+)?")
    lock = tmp_path / f"{base}.lock"
    assert not lock.read_text().isdigit()
    before = names(tmp_path, r".*")
    assert len([name for name in before if name.endswith(".bak")]) <= (1 if first == "old" else 0)
    back = Writers(tmp_path / log, 2.0)
    back.start("back", *OLD, str(old_release().folder), when="S")
    logged.update(back.count())
    assert lock.read_text().isdigit()
    assert len(names(tmp_path, r".*")) > len(before)
    assert Counter(line.split()[1] for line in lines_of(tmp_path, base)) == logged


@pytest.mark.load
@pytest.mark.timeout(400)
def test_old_and_new_processes_over_minutes(tmp_path: Path) -> None:
    """The same with two old and three new ones over two minutes, rotated by the minute, and an old one that comes later. The
    old ones are slow between the look at a name and its use: they would put the log over a segment if they rotated at all.
    Each line of the new ones is in the file of its own minute."""
    writers = Writers(tmp_path / "app.log", 130.0)
    old = "mpfhandler_0_slow", OLD[1], str(old_release().folder)

    def not_at_the_end() -> None:
        wait_until(lambda: time.time() % 60 < 40, "the next minute")

    try:
        not_at_the_end()
        writers.start("new0", *OURS, when="M")
        wait_until(writers.path.exists, "the log")
        for number in range(2):
            writers.start(f"old{number}", *old, when="M")
            writers.start(f"new{number + 1}", *OURS, when="M")
        wait_until(writers.logging, "lines of all processes")
        time.sleep(60)
        not_at_the_end()
        writers.seconds = 40.0
        writers.start("late", *old, when="M")
        logged = writers.count()
    finally:
        writers.kill()
    assert count_lines(tmp_path) == logged
    segments = names(tmp_path, r"app\.log\.\d{4}-\d\d-\d\d_\d\d-\d\d")
    assert len(segments) >= 2
    assert names(tmp_path, r".*") - segments == {"app.log", "app.log.lock", "app.lock"}
    for name in segments:
        for line in (tmp_path / name).read_text().splitlines():
            created, text = line.split()
            if text.startswith("new"):
                assert time.strftime("app.log.%Y-%m-%d_%H-%M", time.localtime(float(created))) == name
