"""Drop-in: CPython's own tests of its handler, with ours put in its place, by the interpreter that runs this.

Two tests are expected to fail, for one reason. `TimedRotatingFileHandler(when='MIDNIGHT' or 'W6', interval=3)` counts
three days or weeks on from whatever moment it is asked about, so each process start (and each rotation made late)
shifts all later ones, and two processes started on different days never agree. Here every process has to find the
same boundary, so days are counted from 1970-01-01 and weeks from 1970; most of the moments that these two tests
expect are no boundaries then.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

FAILS_BY_DESIGN = {
    # every third day: asked on the 10th of March 2012 it expects the 13th, asked on the 11th the 14th; the calendar's
    # third days are the 12th and the 15th, whoever asks
    "test_compute_rollover_MIDNIGHT_local_interval",
    # every third week: asked on Sunday the 19th of February it expects the 5th of March, asked on Monday the 20th the
    # 12th; the calendar's third weeks begin on the 20th of February and the 12th of March
    "test_compute_rollover_W6_local_interval",
}

RUNNER = """
import json, logging.handlers, sys, unittest
from test import test_logging

if sys.argv[1] == "ours":
    import mpfhandler
    logging.handlers.TimedRotatingFileHandler = mpfhandler.MultProcTimedRotatingFileHandler

suite = unittest.defaultTestLoader.loadTestsFromTestCase(test_logging.TimedRotatingFileHandlerTest)
names = [test.id().rpartition(".")[2] for test in suite]
result = unittest.TextTestRunner(stream=sys.stderr, verbosity=2).run(suite)
name = lambda pair: pair[0].id().rpartition(".")[2].split(" ")[0]
print("RESULT " + json.dumps({
    "loaded": names,
    "run": result.testsRun,
    "failed": {name(pair): pair[1] for pair in result.failures + result.errors},
    "skipped": {name(pair): pair[1] for pair in result.skipped},
}))
"""


@dataclass(frozen=True)
class Outcome:
    """What the interpreter's test runner said."""

    loaded: frozenset[str]
    run: int
    failed: dict[str, str]
    skipped: dict[str, str]


@pytest.fixture(autouse=True)
def _with_the_test_package() -> None:
    if importlib.util.find_spec("test") is None or importlib.util.find_spec("test.test_logging") is None:
        pytest.skip("this interpreter comes without its own test package")


def run_cpython_tests(whose: str, folder: Path) -> Outcome:
    """`TimedRotatingFileHandlerTest` in a process of its own, with its own class or with ours."""
    command = [sys.executable, "-c", RUNNER, whose]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    results = [text for text in done.stdout.splitlines() if text.startswith("RESULT ")]
    assert len(results) == 1, done.stdout + done.stderr
    found = json.loads(results[0].removeprefix("RESULT "))
    return Outcome(frozenset(found["loaded"]), found["run"], found["failed"], found["skipped"])


def test_cpython_tests_pass(tmp_path: Path) -> None:
    """Every test of CPython passes with our class, but for the two whose boundaries depend on the process start."""
    outcome = run_cpython_tests("ours", tmp_path)
    assert outcome.run == len(outcome.loaded) > 10
    assert not outcome.skipped
    assert set(outcome.failed) == FAILS_BY_DESIGN & outcome.loaded, "\n".join(outcome.failed.values())


def test_the_exceptions_fail_for_their_own_reason(tmp_path: Path) -> None:
    """The two exceptions fail by a different boundary, a whole number of days away, and not by anything else."""
    outcome = run_cpython_tests("ours", tmp_path)
    for report in outcome.failed.values():
        assert "AssertionError" in report
        assert " != 0 : " in report
        assert " day" in report.rpartition(" != 0 : ")[2]


def test_cpython_tests_pass_without_us(tmp_path: Path) -> None:
    """The same run passes with the standard library's class: a failure above is ours, not the machine's."""
    outcome = run_cpython_tests("theirs", tmp_path)
    assert outcome.run == len(outcome.loaded) > 10
    assert outcome.failed == {}
