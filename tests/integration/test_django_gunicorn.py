"""A real program: Django by its LOGGING settings, served by gunicorn with four workers, rotated every two seconds.

The example counts for itself (`examples/django_gunicorn/verify.py`), so the first tests here are of the count.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "django_gunicorn"
VARIANTS = {
    "plain": [],
    "preload": ["--preload"],
    "reload": ["--reload-in-the-middle"],
    "preload-reload": ["--preload", "--reload-in-the-middle"],
    "reopen": ["--reopen-in-the-middle"],
    "preload-reopen-threads": ["--preload", "--reopen-in-the-middle", "--worker-class", "gthread"],
}

MISSING = [name for name in ("django", "gunicorn") if importlib.util.find_spec(name) is None]
served = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

pytestmark = pytest.mark.integration


def run_example(folder: Path, requests: int, options: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """One run of the example, with its logs kept in the test's folder."""
    command = [sys.executable, str(EXAMPLE / "run.py"), "--requests", str(requests), "--logs", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


def assert_all_counted(folder: Path, run: subprocess.CompletedProcess[str], requests: int, options: Sequence[str]) -> None:
    """The verdict, and that the run was one which could have failed: it rotated, and the signal had its effect."""
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{requests} requests answered" in run.stdout
    assert len(list(folder.glob("app.log.????-*"))) >= 1, run.stdout
    assert len(list(folder.glob("access.log.????-*"))) >= 1, run.stdout
    workers = re.search(r"by (\d+) workers", run.stdout)
    assert workers is not None
    assert int(workers[1]) >= (8 if "--reload-in-the-middle" in options else 4), run.stdout
    server_log = "".join(path.read_text() for path in [*folder.glob("server.log.2*"), folder / "server.log"])
    assert ("Handling signal: usr1" in server_log) == ("--reopen-in-the-middle" in options)
    assert not re.search(r"Traceback|--- Logging error ---", run.stderr + server_log), run.stderr + server_log


@served
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_a_line_for_each_request(variant: str, tmp_path: Path) -> None:
    """P1, P2: each answered request has one line in each log, in the file of its own two seconds."""
    options = VARIANTS[variant]
    run = run_example(tmp_path, 2000, ["--rate", "500", *options])  # four seconds at least: two rotations
    assert_all_counted(tmp_path, run, 2000, options)


@served
@pytest.mark.load
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_a_line_for_each_of_20000_requests(variant: str, tmp_path: Path) -> None:
    """P1, P2: the same over ten times as many rotations."""
    options = VARIANTS[variant]
    assert_all_counted(tmp_path, run_example(tmp_path, 20_000, options), 20_000, options)


@served
@pytest.mark.load
def test_the_run_can_fail(tmp_path: Path) -> None:
    """The standard library's handler does not pass the same run, so passing means something."""
    run = run_example(tmp_path, 6000, ["--handler", "logging.handlers.TimedRotatingFileHandler"])
    assert run.returncode == 1, run.stdout + run.stderr
    assert "FAILED" in run.stdout


@pytest.fixture(scope="module")
def verify() -> ModuleType:
    """The example's counting module."""
    spec = importlib.util.spec_from_file_location("example_verify", EXAMPLE / "verify.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


EARLIER = time.mktime((2026, 11, 23, 16, 0, 2, 0, 0, -1))
LATER = EARLIER + 2


def line(number: int, created: float = EARLIER) -> str:
    return f"{created!r} 77 GET /log/{number} served\n"


def write_log(folder: Path, earlier: str, later: str) -> None:
    (folder / "app.log.2026-11-23_16-00-02").write_text(earlier)
    (folder / "app.log").write_text(later)
    (folder / "app.log.lock").write_text("not a line")
    (folder / "app.log.debug").write_text("not a line")


def test_the_count_passes_a_whole_log(verify: ModuleType, tmp_path: Path) -> None:
    """Four lines in two files, one of them of a request without an answer, are in order."""
    write_log(tmp_path, line(1) + line(2, EARLIER + 1.999999), line(3, LATER) + line(9, LATER))
    verdict = verify.inspect(tmp_path, "app.log", {1, 2, 3}, {9, 10})
    assert verdict.good
    assert (verdict.files, verdict.lines) == (2, 4)


PLANTED = {
    "lost": (line(1), line(3, LATER)),
    "doubled": (line(1) + line(2), line(2) + line(3, LATER)),
    "unasked": (line(1) + line(2), line(3, LATER) + line(4, LATER)),
    "torn": (line(1) + line(2) + line(9)[:20], line(3, LATER)),
    "misfiled": (line(1), line(2) + line(3, LATER)),
}


@pytest.mark.parametrize("fault", list(PLANTED))
def test_the_count_finds(fault: str, verify: ModuleType, tmp_path: Path) -> None:
    """A planted fault of each kind is found, under its own name."""
    write_log(tmp_path, *PLANTED[fault])
    verdict = verify.inspect(tmp_path, "app.log", {1, 2, 3})
    assert not verdict.good
    assert getattr(verdict, fault) == 1


def test_the_count_finds_a_file_of_another_name(verify: ModuleType, tmp_path: Path) -> None:
    """A file beside the log whose name is no segment's is told by name."""
    write_log(tmp_path, line(1) + line(2), line(3, LATER))
    (tmp_path / "app.log.1234").touch()
    verdict = verify.inspect(tmp_path, "app.log", {1, 2, 3})
    assert not verdict.good
    assert verdict.strangers == ("app.log.1234",)


def test_the_count_finds_a_line_behind_the_period_of_its_segment(verify: ModuleType, tmp_path: Path) -> None:
    """A record that was written on into a file which is already renamed is misfiled."""
    write_log(tmp_path, line(1) + line(2) + line(3, LATER), "")
    assert verify.inspect(tmp_path, "app.log", {1, 2, 3}).misfiled == 1


def test_the_count_finds_a_moved_file_of_two_periods(verify: ModuleType, tmp_path: Path) -> None:
    """A file that was put aside may have the lines of any one period, of one only."""
    write_log(tmp_path, line(1), line(3, LATER))
    (tmp_path / "app.log.moved").write_text(line(2) + line(4, LATER))
    assert verify.inspect(tmp_path, "app.log", {1, 2, 3, 4}, moved=["app.log.moved"]).misfiled == 1


def test_the_count_knows_each_record_of_a_request(verify: ModuleType, tmp_path: Path) -> None:
    """Where a request has two records, one of them does not stand for the other."""
    begun = line(1).replace("served", "begun")
    write_log(tmp_path, begun + line(1) + line(2), begun.replace("/1 ", "/3 ") + line(3))
    verdict = verify.inspect(tmp_path, "app.log", {1, 2}, {3}, kinds=["begun", "served"])
    assert (verdict.lines, verdict.lost, verdict.unasked, verdict.doubled) == (5, 1, 0, 0)


def test_the_count_reads_the_records_of_other_servers(verify: ModuleType, tmp_path: Path) -> None:
    """uvicorn's have a client before the request, hypercorn has two of one whose client has gone; half a line is torn."""
    gunicorn = line(1).replace("served", "HTTP/1.1 200")
    uvicorn = line(2).replace("GET", '127.0.0.1:4711 - "GET').replace("served", 'HTTP/1.1" 200')
    hypercorn = line(3, LATER).replace("served", "HTTP/1.1 -") + line(3, LATER).replace("served", "HTTP/1.1 200")
    half = line(1, LATER).replace("served", "HTTP/1.1")
    write_log(tmp_path, gunicorn + uvicorn, hypercorn + half)
    verdict = verify.inspect(tmp_path, "app.log", {1, 2, 3}, kinds=["HTTP"])
    assert (verdict.lines, verdict.lost, verdict.doubled, verdict.unasked, verdict.torn) == (4, 0, 0, 0, 1)


def test_glued_lines_are_torn(verify: ModuleType, tmp_path: Path) -> None:
    """Two records on one line count as torn, and as lost."""
    write_log(tmp_path, line(1).rstrip() + line(2), line(3, LATER))
    verdict = verify.inspect(tmp_path, "app.log", {1, 2, 3})
    assert (verdict.torn, verdict.lost) == (1, 2)
