"""The real logrotate beside our handler, as docs/how-to/move/from-logrotate.md has it."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from _moving import OURS, PATIENCE, SECOND, Writers, count_lines, names, rotate_with, verify, wait_until

LOGROTATE = shutil.which("logrotate") or shutil.which("logrotate", path="/usr/sbin:/sbin")

pytestmark = [pytest.mark.integration, pytest.mark.skipif(LOGROTATE is None, reason="not installed: logrotate")]


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[Writers]:
    """Processes that log to `app.log` until they are stopped."""
    started = Writers(tmp_path / "app.log", 2 * PATIENCE)
    yield started
    started.kill()


DELAYED = ("strace", "-qq", "-o", os.devnull, "-e", "trace=ftruncate", "-e", "inject=ftruncate:delay_enter=300000")


def rotation_of(folder: Path, *lines: str, pattern: str = "app.log", through: Sequence[str] = ()) -> Callable[[], None]:
    """A function that has the real logrotate rotate the log now, by a configuration with these lines; through another program."""
    settings = folder / "settings"
    settings.mkdir()
    (settings / "conf").write_text(f"{folder}/{pattern} {{\n" + "".join(f"    {line}\n" for line in lines) + "}\n")
    (settings / "conf").chmod(0o644)
    assert LOGROTATE is not None
    command = [*through, LOGROTATE, "-f", "-s", str(settings / "state"), str(settings / "conf")]

    def rotate() -> None:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr

    return rotate


@pytest.mark.parametrize(
    "how", ["create", *(pytest.param(how, marks=pytest.mark.load) for how in ("nocreate", "create dateext"))]
)
def test_logrotate_takes_the_log_away(how: str, tmp_path: Path, writers: Writers) -> None:
    """P1: the page's configuration, `create` or not: every line is there once, in files of logrotate's names; the handler
    alone needs neither a signal nor a rotation of its own."""
    dated = ["dateformat -%Y%m%d-%s"] if "dateext" in how else []
    rotate = rotation_of(tmp_path, "daily", "rotate 99", "compress", "delaycompress", *how.split(), *dated)
    for number in "123":
        writers.start(number, *OURS, when="MONTH", interval=12)
    for index in range(3):
        wait_until(writers.logging, "lines of all processes")
        rotate()
        wait_until(lambda index=index: len(names(tmp_path, r"app\.log[.-]\d.*")) == index + 1, "logrotate")  # type: ignore[misc]
    wait_until(writers.logging, "lines of all processes")
    logged = writers.stop()
    assert count_lines(tmp_path) == logged
    assert len(names(tmp_path, r"app\.log[.-]\d.*\.gz")) == 2
    assert names(tmp_path, r"app\.log\.2\d{3}-.*") == set()


def test_both_at_once_lose_nothing(tmp_path: Path, writers: Writers) -> None:
    """The handler rotates by the second, and logrotate at any time: every line is there once."""
    rotate = rotation_of(tmp_path, "daily", "rotate 99", "create")
    for number in "123":
        writers.start(number, *OURS, when="S")
    for _ in range(4):
        wait_until(writers.logging, "lines of all processes")
        rotate()
    wait_until(lambda: names(tmp_path, rf"app\.log\.{SECOND}(\.\d+)?"), "a rotation of the handler's")
    logged = writers.stop()
    assert count_lines(tmp_path) == logged
    assert names(tmp_path, rf"app\.log\.{SECOND}(\.\d+)?")
    assert names(tmp_path, r"app\.log\.\d")


@pytest.mark.skipif(shutil.which("strace") is None, reason="not installed: strace")
def test_copytruncate_loses_what_comes_between(tmp_path: Path, writers: Writers) -> None:
    """A file that is copied and then cut off loses what was written in between (strace makes that moment long enough to be met
    each time); nothing else is lost, torn or doubled, and the handler goes on at the new end."""
    rotate = rotation_of(tmp_path, "daily", "rotate 99", "copytruncate", through=DELAYED)
    for number in "12":
        writers.start(number, *OURS, when="MONTH", interval=12)
    wait_until(writers.logging, "lines of both processes")
    rotate()
    wait_until(writers.logging, "lines of both processes behind the truncation")
    logged, found = writers.stop(), count_lines(tmp_path)
    assert set(found) <= set(logged)
    assert set(found.values()) == {1}
    for number in "12":
        lost = sorted(int(name.split("-")[1]) for name in logged if name.startswith(f"{number}-") and name not in found)
        assert lost, "nothing was lost: the page would be wrong"
        assert lost == list(range(lost[0], lost[-1] + 1)), "one gap, at the truncation"
        assert f"{number}-{lost[-1] + 1}" in found


def test_a_pattern_takes_segments_and_lock(tmp_path: Path) -> None:
    """`app.log*` has logrotate rename segments and the lock file, which is why the page names the log alone."""
    rotate_with(tmp_path)
    segments = names(tmp_path, rf"app\.log\.{SECOND}")
    assert segments
    rotation_of(tmp_path, "daily", "rotate 9", "nocreate", "ifempty", pattern="app.log*")()
    assert names(tmp_path, rf"app\.log\.{SECOND}") == set()
    assert names(tmp_path, r"app\.log\.lock\.1")


def test_what_logrotate_has_left(tmp_path: Path) -> None:
    """`app.log.1`, `app.log.2.gz` stay, and `verify` names them as foreign."""
    (tmp_path / "app.log.1").write_text("INFO order\n")
    with gzip.open(tmp_path / "app.log.2.gz", "wt") as file:
        file.write("INFO order\n")
    rotate_with(tmp_path, backupCount=1)
    rotate_with(tmp_path, backupCount=1)
    told = verify(tmp_path, "--when", "S")
    assert re.search(r"foreign.*app\.log\.1", told)
    assert re.search(r"foreign.*app\.log\.2\.gz", told)
