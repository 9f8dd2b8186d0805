"""Real web servers with four workers under load: a line for each record of each answered request, in the file of its period.

Signals come when half of the requests are answered: workers are killed, at any moment and at the rotation; all are replaced
(HUP); the logs are moved away and reopened (USR1).
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from _servers import AB, CONNECTIONS, PROGRAMS, WORKERS, Outcome, Program, Server, bombard, kept, serve, warm_up

pytestmark = pytest.mark.integration

STANDARD = "logging.handlers.TimedRotatingFileHandler"
FAILED = r'--- Logging error ---|Segmentation|Fatal Python error|File "[^"]*/mpfhandler/_'
# hypercorn 0.18 prints tracebacks of its own connections that it cancels at a reload.
SYMPTOMS = {name: FAILED if name.startswith("hypercorn") else f"Traceback|{FAILED}" for name in PROGRAMS}

# hypercorn ends when one of its workers was killed; uWSGI's and granian's USR1 are something else, or the end.
QUICK = {
    "gunicorn-gevent-flask": ["kill"],
    "uwsgi-flask": ["kill"],
    "uvicorn-fastapi": ["kill"],
    "hypercorn-fastapi": [],
    "granian-fastapi": ["kill"],
}
GUNICORN = ["kill", "reload", "kill_at_rotation", "reopen", "kill_at_rotation"]
OTHERS = ["kill", "reload", "kill_at_rotation", "kill_at_rotation"]
KILLS = ["kill", "kill_at_rotation", "kill_at_rotation"]
GRANIAN = ["kill", "reload", "settle", "kill_at_rotation"]
LOAD = {
    **{name: GUNICORN for name in PROGRAMS if name.startswith("gunicorn-") and name != "gunicorn-sync-django"},
    **dict.fromkeys(("uwsgi-flask", "uwsgi-django", "uvicorn-django"), OTHERS),
    "uwsgi-threads-flask": KILLS,  # uWSGI 2.0.26 with --threads never ends its workers at a reload, whichever the handler
    **{name: GRANIAN for name in PROGRAMS if name.startswith("granian-")},
    "gunicorn-sync-django": KILLS,
    "uvicorn-fastapi": KILLS,
    "hypercorn-fastapi": ["reload", "rotations"],
}


def installed(name: str) -> Program:
    """That program; skips the test where a part of it is missing."""
    program = PROGRAMS[name]
    if program.missing:
        pytest.skip(f"not installed: {', '.join(program.missing)}")
    return program


def assert_kept(name: str, outcome: Outcome, events: list[str]) -> None:
    """Nothing is lost, doubled, torn or misfiled; and the run could have failed: it rotated, and each signal had its effect.

    A killed worker may leave one beginning of a record that nobody was promised, and no access records of its last answers.
    """
    what = outcome.report()
    kills = len(outcome.killed)
    assert kills == sum(event.startswith("kill") for event in events), what
    assert len(outcome.account.workers) >= WORKERS + kills * outcome.program.respawns + WORKERS // 2 * ("reload" in events), what
    assert not re.search(SYMPTOMS[name], outcome.output), what
    for verdict in filter(None, (outcome.app, outcome.access)):
        assert verdict.files >= 3, what
        assert (verdict.doubled, verdict.unasked, verdict.misfiled, verdict.strangers) == (0, 0, 0, ()), what
        assert verdict.torn <= kills, what
    assert outcome.app.lost == 0, what
    if outcome.access:
        assert outcome.access.lost <= kills * CONNECTIONS, what


@pytest.mark.parametrize("name", list(QUICK))
def test_a_line_for_each_record(name: str, tmp_path: Path) -> None:
    """P1, P2: over two rotations or three, with one worker killed where the server replaces it."""
    assert_kept(name, serve(installed(name), tmp_path / "logs", 1100, 250, QUICK[name]), QUICK[name])


@pytest.mark.load
@pytest.mark.parametrize("name", list(LOAD))
def test_a_line_for_each_record_through_all_signals(name: str, tmp_path: Path) -> None:
    """P1, P2: as many requests as the server can answer, while its workers are killed and replaced and its logs moved away.

    uvicorn ends a reload if a new worker does not start in time: there the client leaves some of the processor to it.
    """
    requests, rate = (2000, 200) if name.startswith("uvicorn") else (4000, 0)
    assert_kept(name, serve(installed(name), tmp_path / "logs", requests, rate, LOAD[name]), LOAD[name])


@pytest.mark.load
@pytest.mark.parametrize("name", ["gunicorn-gthread-flask", "uvicorn-fastapi"])
def test_the_run_can_fail(name: str, tmp_path: Path) -> None:
    """The standard library's handler loses records in such a run, so that passing it means something."""
    outcome = serve(installed(name), tmp_path / "logs", 1100, 250, handler=STANDARD)
    assert outcome.app.lost > 0, outcome.report()


@pytest.mark.load
@pytest.mark.skipif(AB is None, reason="not installed: ab")
@pytest.mark.parametrize("name", ["gunicorn-gevent-flask", "granian-fastapi"])
def test_as_many_lines_as_another_client_counts(name: str, tmp_path: Path) -> None:
    """P1: `ab`, which is not ours, makes the requests as fast as it can; all lines are there."""
    program, logs = installed(name), tmp_path / "logs"
    logs.mkdir()
    with Server(program, logs) as server:
        warm_up(server)
        answered, _ = bombard(server, 4000)
        server.stop()
    assert answered == 4000
    assert kept(logs) == answered * len(program.kinds)


@pytest.mark.load
def test_the_benchmark_prints_what_was_kept() -> None:
    """`benchmarks/servers.py` has a row for each handler, with all lines of ours."""
    installed("gunicorn-sync-django")
    script = Path(__file__).parents[2] / "benchmarks" / "servers.py"
    arguments = ["--requests", "300", "--rounds", "2", "--programs", "gunicorn-sync-django"]
    handlers = ["--handlers", "TimedRotatingFileHandler", "mpfhandler"]
    done = subprocess.run([sys.executable, str(script), *arguments, *handlers], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [row.split(" | ") for row in done.stdout.splitlines() if row.startswith("| gunicorn")]
    assert [row[1] for row in rows] == ["TimedRotatingFileHandler", "mpfhandler"]
    assert rows[1][2:4] == ["300", "300 of 300"]
