"""What a record costs the kernel, as strace sees it from outside of the process."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

RECORDS = 200
ROUNDS = 5
MARK = "/nowhere/mark-between-rounds"
CALL = re.compile(r"^(?:\d+ +)?(\w+)\(")
CLOCK = {"clock_gettime", "gettimeofday", "time"}  # asked by the LogRecord; no system calls where the vDSO serves them

PROGRAM = """
import logging, os, sys
import mpfhandler

what, path, rounds, records, mark = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
if what == "handler":
    target = mpfhandler.MultProcTimedRotatingFileHandler(path)
    target.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.Logger("traced")
    logger.addHandler(target)
    write = logger.info
else:
    target = mpfhandler.TimedLogFile(path)
    write = target.write
for number in range(100):
    write(f"record {number}")
for _ in range(rounds):
    os.access(mark, os.F_OK)
    for number in range(records):
        write(f"record {number}")
os.access(mark, os.F_OK)
target.close()
"""


def why_not() -> str | None:
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", "/dev/null", sys.executable, "-c", ""], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"processes may not be traced here: {tried.stderr.strip()[-200:]}"


def traced(tmp_path: Path, what: str) -> list[Counter[str]]:
    """The system calls of all threads in each round."""
    out = tmp_path / "trace"
    program = [sys.executable, "-c", PROGRAM, what, str(tmp_path / "app.log"), str(ROUNDS), str(RECORDS), MARK]
    subprocess.run(["strace", "-f", "-o", str(out), *program], check=True, timeout=120)
    rounds: list[Counter[str]] = []
    for line in out.read_text(errors="replace").splitlines():
        if MARK in line:
            if "execve(" not in line:
                rounds.append(Counter())
        elif rounds and (call := CALL.match(line)) and call[1] not in CLOCK:
            rounds[-1][call[1]] += 1
    assert len(rounds) == ROUNDS + 1
    return rounds[:-1]


@pytest.fixture(scope="module", autouse=True)
def _strace() -> None:
    problem = why_not()
    if problem is not None:
        pytest.skip(problem)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("handler", {"getpid": RECORDS, "write": RECORDS, "lseek": RECORDS}),
        ("engine", {"write": RECORDS, "lseek": RECORDS}),
    ],
)
def test_a_record_costs_one_write_and_one_lseek(tmp_path: Path, what: str, expected: dict[str, int]) -> None:
    """In the steady state a record costs one write and one lseek (and the getpid of its LogRecord), nothing else."""
    rounds = traced(tmp_path, what)
    assert min(rounds, key=Counter.total) == expected, rounds


@pytest.mark.slow
def test_the_look_at_the_name_is_rare(tmp_path: Path) -> None:
    """What comes on top, the look once a second and the interpreter's memory, is under 5 % even under strace."""
    rounds = traced(tmp_path, "handler")
    total = sum(calls.total() for calls in rounds)
    assert total <= 3 * RECORDS * ROUNDS * 1.05, rounds
    assert all(calls["write"] == calls["lseek"] == RECORDS for calls in rounds), rounds
