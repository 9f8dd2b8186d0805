"""`mpfhandler tail -f`: every line once and in order, whatever is done to the log and to the follower."""

from __future__ import annotations

import gzip
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpfhandler import TimedLogFile

COMMAND = [sys.executable, "-m", "mpfhandler", "tail", "-f"]
WAITS = "; it is waited for\n"
PATIENCE = 60.0  # seconds; what is waited for comes in less than one on a machine that has time

WRITER = """
import sys, time
from mpfhandler import TimedLogFile
path, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
log = TimedLogFile(path, when="S", late_grace=1, max_bytes=3000, compress="gz", compress_delay=0)
number, end = 0, time.time() + seconds
while time.time() < end:
    log.write(f"{name} {number} {'x' * (number % 90)}")
    number += 1
    if number % 25 == 0:
        log.write(f"{name} late {number}", time.time() - 0.5)
    time.sleep(0.004)
log.close()
print(number)
"""


class Follower:
    """A follower as a process of its own, and the file that it prints to."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        self.out = folder / "followed"
        self._file = self.out.open("wb")
        self.process = subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=self._file, stderr=subprocess.PIPE, text=True)

    def lines(self) -> list[str]:
        """What it has printed by now."""
        return self.out.read_text().splitlines()

    def wait_for(self, ready: Callable[[list[str]], bool]) -> list[str]:
        """The lines, once they are as wanted."""
        end = time.monotonic() + PATIENCE
        while not ready(self.lines()):
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            assert time.monotonic() < end, self.lines()[-5:]
            time.sleep(0.05)
        return self.lines()

    def stopped_for(self, seconds: float) -> None:
        """It stands still meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> str:
        """Interrupt it; what it has complained about."""
        self.process.send_signal(signal.SIGINT)
        complaints = self.process.communicate()[1]
        assert self.process.returncode == 130, complaints
        return complaints

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self._file.close()


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[Callable[..., Follower]]:
    """Starts followers that print to a file beside the folder of the logs."""
    (tmp_path / "out").mkdir()
    started: list[Follower] = []

    def start(*arguments: object) -> Follower:
        started.append(Follower(tmp_path / "out", *arguments))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """In a folder of its own."""
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "app.log"


def append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def numbers(lines: list[str], name: str) -> list[int]:
    """Of the records of one writer, but for the late ones."""
    return [int(line.split()[1]) for line in lines if re.match(rf"{name} \d", line)]


@pytest.mark.slow
@pytest.mark.parametrize("stops", [0, 2])
def test_every_record_once(log: Path, follow: Callable[..., Follower], stops: int) -> None:
    """Over rotations each second, splits, compression and late records, and although the follower stands still for several of
    them: each record of each process once, in its order; late ones once."""
    follower = follow("-n", "1000000", log)  # of those that come before it looks, too
    names = ["a", "b", "c"]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(log), name, "9"], stdout=subprocess.PIPE, text=True) for name in names
    ]
    for _ in range(stops):
        time.sleep(1.2)
        follower.stopped_for(2.6)
    counts = [int(writer.communicate()[0]) for writer in writers]
    late = sum(count // 25 for count in counts)
    lines = follower.wait_for(lambda found: len(found) >= sum(counts) + late)
    time.sleep(0.5)
    assert follower.lines() == lines, "nothing comes twice"
    for name, count in zip(names, counts, strict=True):
        assert numbers(lines, name) == list(range(count))
    tardy = [line for line in lines if " late " in line]
    assert len(tardy) == len(set(tardy)) == late
    assert list(log.parent.glob("*.gz")), "segments were compressed meanwhile"
    assert follower.end().removesuffix(WAITS).count("\n") == 0


def test_log_that_is_not_there_yet(log: Path, follow: Callable[..., Follower]) -> None:
    """It is waited for, which is told, and read from its start."""
    follower = follow(log)
    assert follower.process.stderr is not None
    assert follower.process.stderr.readline().endswith(WAITS)
    append(log, "one\n")
    assert follower.wait_for(bool) == ["one"]
    assert follower.end() == ""


@pytest.mark.parametrize("there", [True, False])
def test_compressed_file_that_is_named_itself(tmp_path: Path, follow: Callable[..., Follower], there: bool) -> None:
    """It is printed once; nothing comes to it any more."""
    path = tmp_path / "app.log.2026-11-23_16.gz"
    content = gzip.compress(b"one\ntwo\n")
    if there:
        path.write_bytes(content)
    follower = follow("-n", 1 if there else 10, path)
    if not there:
        time.sleep(1)
        (tmp_path / "whole").write_bytes(content)
        (tmp_path / "whole").rename(path)
    wanted = ["two"] if there else ["one", "two"]
    follower.wait_for(lambda lines: lines == wanted)
    time.sleep(1)
    assert follower.lines() == wanted


def test_folder_of_locks_that_is_not_there(log: Path) -> None:
    """It is not waited for, as the log would be."""
    words = [*COMMAND, str(log), "--lock-dir", str(log.parent / "none")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not an existing folder; name the one that the handler has" in done.stderr


def test_unfinished_line_is_held_back(log: Path, follow: Callable[..., Follower]) -> None:
    """Also one that was there at the start: it comes once, when it has its end."""
    append(log, "zero\none, ")
    follower = follow(log)
    follower.wait_for(lambda found: found == ["zero"])
    append(log, "two, ")
    time.sleep(0.5)
    assert follower.lines() == ["zero"]
    append(log, "three\nfour\n")
    assert follower.wait_for(lambda found: len(found) == 3) == ["zero", "one, two, three", "four"]


@pytest.mark.parametrize("how", ["mv", "rm", "truncate"])
def test_log_that_is_taken_away(log: Path, follow: Callable[..., Follower], how: str) -> None:
    """What is written to the file that was moved still comes, and so does all of the new one."""
    append(log, "one\n")
    follower = follow(log)
    follower.wait_for(bool)
    if how == "mv":
        moved = log.rename(log.with_name("elsewhere"))
        append(moved, "two\n")
    elif how == "rm":
        with log.open("a") as file:
            log.unlink()
            file.write("two\n")
    else:
        append(log, "two\n")
        follower.wait_for(lambda found: len(found) == 2)
        log.write_text("")
        time.sleep(0.5)
    append(log, "three\n")
    assert follower.wait_for(lambda found: len(found) == 3) == ["one", "two", "three"]


def test_segment_that_comes_late(log: Path, follow: Callable[..., Follower]) -> None:
    """A record for a period that had none makes a new file before the active one: its lines come, too."""
    log.with_name("app.log.2026-11-23_15").write_text("old\n")
    append(log, "one\n")
    follower = follow("-n", "1", log)
    follower.wait_for(lambda found: found == ["one"])
    log.with_name("app.log.2026-11-23_16").write_text("late\n")
    assert follower.wait_for(lambda found: len(found) == 2) == ["one", "late"]


def test_name_that_is_given_again(log: Path, follow: Callable[..., Follower]) -> None:
    """After its first file was deleted, as an archive may have it, the second one's lines come as well."""
    append(log, "one\n")
    follower = follow(log)
    follower.wait_for(bool)
    segment = log.with_name("app.log.2026-11-23_15")
    for text in ("two", "three"):
        log.rename(segment)
        append(segment, f"{text}\n")
        append(log, f"after {text}\n")
        follower.wait_for(lambda found, text=text: f"after {text}" in found)  # type: ignore[misc]
        segment.unlink()
        time.sleep(0.5)
    other = log.with_name("other")
    other.write_text("four\n")
    os.utime(other, (1, 1))
    other.rename(segment)
    lines = follower.wait_for(lambda found: "four" in found)
    assert lines == ["one", "two", "after two", "three", "after three", "four"]


def test_only_matching_records(log: Path, follow: Callable[..., Follower]) -> None:
    """With what belongs to them, over a rotation."""
    with TimedLogFile(log, "S") as writer:
        writer.write("2026-11-23 16:00:00,000 INFO nothing")
        writer.write("2026-11-23 16:00:00,000 ERROR one\n  more of it")
        follower = follow(log, "--grep", "ERROR")
        follower.wait_for(lambda found: len(found) == 2)
        writer.rotate()
        writer.write("2026-11-23 16:00:01,000 INFO nothing")
        writer.write("2026-11-23 16:00:01,000 ERROR two\nValueError")
    lines = follower.wait_for(lambda found: len(found) == 4)
    assert [line[24:] for line in lines if line.startswith("2026")] == ["ERROR one", "ERROR two"]
    assert lines[1::2] == ["  more of it", "ValueError"]


def test_last_records_come_first(log: Path, follow: Callable[..., Follower]) -> None:
    """Also from segments; and nothing of them again."""
    log.with_name("app.log.2026-11-23_15").write_text("one\ntwo\n")
    append(log, "three\n")
    follower = follow("-n", "2", log)
    follower.wait_for(lambda found: len(found) == 2)
    append(log, "four\n")
    assert follower.wait_for(lambda found: len(found) == 3) == ["two", "three", "four"]


def test_reader_that_goes_away_is_noticed(log: Path) -> None:
    """Although there is nothing to be written."""
    append(log, "one\n")
    running = subprocess.Popen([*COMMAND, str(log)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout is not None
    assert running.stderr is not None
    assert running.stdout.readline() == b"one\n"
    running.stdout.close()
    assert running.wait(PATIENCE) == 141
    assert running.stderr.read() == b""
    running.stderr.close()
