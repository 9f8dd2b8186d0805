"""The count that the tests of real programs stand on: it finds each kind of fault. The examples with a count of their own."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from _programs import LOAD, PROGRAMS, Account, count, dies, read, started

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EARLIER = time.mktime((2026, 11, 23, 16, 0, 2, 0, 0, -1))
WRITERS = ("7-main-0123456789ab", "8-main-0123456789ab")


def line(writer: str, number: int, created: float = EARLIER) -> bytes:
    """One record."""
    text = f"{writer} {number} xxx"
    return f"{created!r} {text} {zlib.crc32(text.encode()):08x}\n".encode()


def account(folder: Path, log: str, earlier: bytes, later: bytes = b"") -> Account:
    """Of a log that consists of these, where both writers were promised three records each."""
    for name in ("acknowledged", "deaths"):
        (folder / name).mkdir(exist_ok=True)
    for writer in WRITERS:
        (folder / "acknowledged" / f"{log}.{writer}").write_bytes(struct.pack("<3d", EARLIER, EARLIER + 0.1, EARLIER + 1))
    (folder / f"{log}.log.2026-11-23_16-00-02").write_bytes(earlier)
    (folder / f"{log}.log").write_bytes(later)
    (folder / f"{log}.log.lock").write_bytes(b"no line")
    return read(folder, log, 1)


FIRST = b"".join(line(writer, number, EARLIER + number / 10) for writer in WRITERS for number in range(2))
LAST = line(WRITERS[0], 2, EARLIER + 1) + line(WRITERS[1], 2, EARLIER + 1)
FAULTS = {
    "lost": (FIRST, line(WRITERS[0], 2, EARLIER + 1)),
    "twice": (FIRST + line(WRITERS[0], 1), LAST),
    "in the file of another period": (FIRST + LAST, b""),
    "torn": (FIRST[:-1] + LAST[:30], LAST),
    "never acknowledged": (FIRST, LAST + line(WRITERS[0], 3, EARLIER + 1)),
    "of a writer that nobody knows": (FIRST, LAST + line("9-main-0123456789ab", 0, EARLIER + 1)),
}


def test_a_whole_log_passes(tmp_path: Path) -> None:
    """Six records in two files are in order."""
    for log in ("direct", "buffered"):
        assert account(tmp_path, log, FIRST, LAST).wrong(buffered=log == "buffered") == []


@pytest.mark.parametrize("log", ["direct", "buffered"])
@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_fault_is_found(fault: str, log: str, tmp_path: Path) -> None:
    """A planted fault of each kind is found, under its own name, in either delivery."""
    found = account(tmp_path, log, *FAULTS[fault]).wrong(buffered=log == "buffered")
    assert any(problem.startswith(fault) for problem in found), found


def test_a_record_of_two_kinds_of_whole(tmp_path: Path) -> None:
    """One whose text was changed is not whole, and a file of another name is not overlooked."""
    (tmp_path / "direct.log.2026-11-23").write_bytes(b"")
    found = account(tmp_path, "direct", FIRST.replace(b" 1 xxx", b" 1 xxy", 1), LAST).wrong(buffered=False)
    assert {problem.split(":")[0] for problem in found} == {"a file of another name", "torn", "lost"}


def test_what_a_death_may_cost(tmp_path: Path) -> None:
    """The last records of a buffer, of the time before the death; nothing of direct delivery, nothing older, nothing of the
    middle. What was not acknowledged may be there."""
    without_last = FIRST, line(WRITERS[0], 2, EARLIER + 1)
    (tmp_path / "deaths").mkdir()
    dies(tmp_path, 8)
    death = tmp_path / "deaths" / "8"
    death.write_text(repr(EARLIER + 1.1))
    assert account(tmp_path, "buffered", *without_last).wrong(buffered=True) == []
    assert "lost" in account(tmp_path, "direct", *without_last).wrong(buffered=False)[0]
    assert account(tmp_path, "direct", FIRST, LAST + line(WRITERS[1], 3, EARLIER + 1)).wrong(buffered=False) == []
    assert "never" in account(tmp_path, "direct", FIRST, LAST + line(WRITERS[0], 3, EARLIER + 1)).wrong(buffered=False)[0]
    middle = FIRST.replace(line(WRITERS[1], 1, EARLIER + 0.1), b"")
    assert "from the middle" in account(tmp_path, "buffered", middle, LAST).wrong(buffered=True)[0]
    death.write_text(repr(EARLIER + 60))
    assert "before the end" in account(tmp_path, "buffered", *without_last).wrong(buffered=True)[0]


@pytest.mark.load
def test_the_standard_library_does_not_pass(tmp_path: Path) -> None:
    """The same program with `TimedRotatingFileHandler` loses records, so passing means something."""
    variables = {"WORK_HANDLER": "logging.handlers.TimedRotatingFileHandler"}
    with started(tmp_path, [sys.executable, str(PROGRAMS / "processes.py"), "fork"], LOAD, **variables) as running:
        try:
            running.process.wait(LOAD.seconds + 20)
        except subprocess.TimeoutExpired:
            print("it does not end, either")
    with pytest.raises(AssertionError, match="problems"):
        count(tmp_path, LOAD)


# the examples


def example(folder: str, *options: str) -> str:
    """A run of one that must end well; what it has said."""
    command = [sys.executable, str(EXAMPLES / folder / "run.py"), *options]
    run = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "\n0 lost, 0 doubled, 0 in another second's file" in run.stdout, run.stdout
    return run.stdout


def test_example_of_a_pool(tmp_path: Path) -> None:
    """`examples/multiprocessing_pool` runs, and counts its records."""
    assert example("multiprocessing_pool", "--records", "20000", "--logs", str(tmp_path)).startswith("20020 records in ")


@pytest.mark.load
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_example_of_a_pool_by_each_method(method: str, tmp_path: Path) -> None:
    """The same with 40,000 records, by each start method."""
    said = example("multiprocessing_pool", "--method", method, "--records", "40000", "--logs", str(tmp_path))
    assert said.startswith("40040 records in ")


@pytest.mark.load
def test_example_of_celery(tmp_path: Path) -> None:
    """`examples/celery_redis` runs, and counts its records and Celery's own."""
    pytest.importorskip("celery")
    pytest.importorskip("redis")
    if shutil.which("redis-server") is None:
        pytest.skip("not installed: redis-server")
    said = example("celery_redis", "--tasks", "200", "--logs", str(tmp_path))
    assert said.startswith("200 records of tasks in ")
    assert "Celery has told of 200 ends" in said
