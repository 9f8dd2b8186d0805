"""`mpfhandler check` as users run it, and with handlers that are known to break promises."""

from __future__ import annotations

import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from mpfhandler._faces import cli
from mpfhandler._faces.check import command, conductor
from mpfhandler._faces.check.command import examine
from mpfhandler._faces.check.conductor import NothingStartedError, Outcome, conduct
from mpfhandler._faces.check.filesystem import FileSystem
from mpfhandler._faces.check.job import Setup
from mpfhandler._faces.check.probe import Probes, probe
from mpfhandler._faces.check.report import Report
from mpfhandler._faces.check.verify import Findings
from mpfhandler._platform import OPERATIONS
from mpfhandler._pure.errors import MpfHandlerError

CHECK = [sys.executable, "-m", "mpfhandler", "check"]

BROKEN = """
import logging, os, random

class Good(logging.Handler):
    def __init__(self, path, when, interval):
        super().__init__()
        self.path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.count = 0
    def emit(self, record):
        self.count += 1
        self.put(self.format(record).encode() + b"\\n")
    def put(self, data):
        os.write(self.fd, data)

class Doubling(Good):
    def put(self, data):
        os.write(self.fd, data)
        if self.count % 50 == 0:
            os.write(self.fd, data)

class Forgetting(Good):
    def put(self, data):
        if self.count % 50:
            os.write(self.fd, data)

class Tearing(Good):
    def put(self, data):
        half = len(data) // 2
        os.write(self.fd, data[:half])
        os.sched_yield()  # so that others come in between, on a busy machine too
        os.write(self.fd, data[half:])

class Hanging(Good):
    def emit(self, record):
        if self.count == 100:
            import time
            while True:
                try:
                    time.sleep(100)
                except BaseException:
                    pass
        super().emit(record)

class Dying(Good):
    def put(self, data):
        os.write(self.fd, data)
        if self.count == 100:
            os._exit(7)

class Raising(Good):
    def emit(self, record):
        super().emit(record)
        if self.count == 100:
            raise RuntimeError("from emit")

class AtItsEnd(Good):
    def close(self):
        os._exit(7)

class OneHangs(Hanging):
    def __init__(self, path, when, interval):
        super().__init__(path, when, interval)
        try:
            os.mkdir(path + "-hangs")
        except FileExistsError:
            self.emit = lambda record: Good.emit(self, record)
    def close(self):
        os._exit(7)

class InTheChild(Good):
    def __init__(self, path, when, interval):
        super().__init__(path, when, interval)
        self.process = os.getpid()
    def emit(self, record):
        super().emit(record)
        if os.getpid() != self.process:
            raise RuntimeError("from the child")

class Losing(Good):
    def stats(self):
        from types import SimpleNamespace
        return SimpleNamespace(lost=3, last_error="disk full")

class Alone(Good):
    def __init__(self, path, when, interval):
        os.mkdir(path + "-alone")
        super().__init__(path, when, interval)

class Refusing(Good):
    def __init__(self, path, when, interval):
        raise RuntimeError("no handler today")
"""


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """A short run with an unrotated file; its handlers come from the module above."""
    (tmp_path / "log").mkdir()
    (tmp_path / "ledgers").mkdir()
    (tmp_path / "broken_handlers.py").write_text(textwrap.dedent(BROKEN))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    return Setup(str(tmp_path / "log"), str(tmp_path / "ledgers"), procs=2, secs=0.7, when="D", kill_every=0, forks=False)


def with_handler(setup: Setup, name: str, **changes: object) -> tuple[Outcome, Findings]:
    values = {**vars(setup), "factory": f"broken_handlers:{name}", **changes}
    altered = Setup(**values)  # type: ignore[arg-type]
    outcome = conduct(altered)
    return outcome, examine(altered, outcome)


def processes(text: str) -> list[str]:
    """Command lines of running processes that have this text in them; empty where there is no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return [one for one in found if text in one]


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.Popen(
        [*CHECK, str(folder), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


@pytest.mark.slow
def test_the_handler_passes_and_leaves_nothing(tmp_path: Path) -> None:
    """A short run through rotations, forks and kills ends with PASS, exit code 0, and an empty folder."""
    with start(tmp_path, "--secs", "3", "--procs", "3") as run:
        out, err = run.communicate(timeout=120)
    assert (run.returncode, err) == (0, ""), out + err
    assert out.splitlines()[-1].startswith("PASS: all ")
    rows = dict(row.rsplit(None, 1) for row in out.splitlines()[1:-1] if len(row.split()) > 1)
    assert [rows[name] for name in ("lost", "doubled", "torn", "misfiled")] == ["0", "0", "0", "0"]
    assert int(rows["rotations seen"]) >= 2
    assert int(rows["kills"]) >= 3
    assert out.isascii()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_json_says_the_same_and_keep_keeps(tmp_path: Path) -> None:
    """--json prints one object and nothing else; --keep leaves the log and the ledgers where the object says."""
    with start(tmp_path, "--secs", "1.2", "--procs", "2", "--json", "--keep", "--seed", "5", "--interval", "2") as run:
        out, err = run.communicate(timeout=120)
    found = json.loads(out)
    assert (run.returncode, err, found["passed"], found["seed"]) == (0, "", True, 5)
    kept = Path(found["kept"])
    assert list(tmp_path.iterdir()) == [kept]
    assert (kept / "app.log").exists()
    assert list((kept / "ledgers").glob("ledger-*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process_and_no_file(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C in the middle of a run ends every worker and removes the files."""
    with start(tmp_path, "--secs", "60", "--procs", "3") as run:
        limit = time.monotonic() + 30
        while not list(tmp_path.glob("mpfhandler-check-*/app.log")) and time.monotonic() < limit:
            time.sleep(0.05)
        time.sleep(1)
        run.send_signal(number)
        out, err = run.communicate(timeout=60)
    assert run.returncode == 130, out + err
    assert list(tmp_path.iterdir()) == []
    assert processes(str(tmp_path)) == []


@pytest.mark.slow
def test_workers_end_when_the_conductor_is_killed(tmp_path: Path) -> None:
    """Nobody can clean up after SIGKILL, but the workers notice and end."""
    with start(tmp_path, "--secs", "60", "--procs", "2") as run:
        limit = time.monotonic() + 30
        while not list(tmp_path.glob("mpfhandler-check-*/app.log")) and time.monotonic() < limit:
            time.sleep(0.05)
        run.kill()
        run.communicate(timeout=60)
    limit = time.monotonic() + 20
    while processes(str(tmp_path)) and time.monotonic() < limit:
        time.sleep(0.1)
    assert processes(str(tmp_path)) == []


@pytest.mark.slow
def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    """`mpfhandler check | head -1` ends without a traceback, without processes and without files."""
    with start(tmp_path, "--secs", "0.5", "--procs", "1") as run:
        assert run.stdout is not None
        assert run.stderr is not None
        ready, _, _ = select.select([run.stdout], [], [], 60)
        assert ready
        run.stdout.close()
        err = run.stderr.read()
        code = run.wait(timeout=60)
    assert (code, err) == (141, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_good_handler_passes_whatever_it_is(setup: Setup) -> None:
    """The stand-in that the broken ones are made from is clean: what they fail by is what was broken in them."""
    outcome, found = with_handler(setup, "Good")
    assert outcome.problems == ()
    assert found.clean, found
    assert found.acknowledged > 1000


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [("Doubling", "doubled"), ("Forgetting", "lost"), ("Tearing", "torn")])
def test_broken_handlers_fail(setup: Setup, name: str, kind: str) -> None:
    """A handler that breaks one promise is found out, and by the right column."""
    _, found = with_handler(setup, name)
    assert getattr(found, kind) > 10, found
    assert not found.clean


@pytest.mark.slow
def test_a_handler_that_does_not_rotate_misfiles(setup: Setup) -> None:
    """All records of two seconds in one file: those of the first are in the file of another period."""
    _, found = with_handler(setup, "Good", when="S", secs=1.5)
    assert (found.misfiled > 10, found.lost) == (True, 0), found


@pytest.mark.slow
def test_the_standard_librarys_handler_fails(setup: Setup) -> None:
    """logging.handlers.TimedRotatingFileHandler in four processes loses or misfiles records."""
    changes = {"factory": "logging.handlers:TimedRotatingFileHandler", "procs": 4, "secs": 2.5, "when": "S"}
    _, found = with_handler(setup, "", **changes)
    assert found.lost + found.misfiled > 100, found


@pytest.mark.slow
def test_kills_do_not_confuse_the_accounting(setup: Setup) -> None:
    """A handler that does not repair torn tails may be blamed for torn lines after kills, and for nothing else."""
    outcome, found = with_handler(setup, "Good", kill_every=0.1, secs=2.0)
    assert outcome.kills > 3
    assert outcome.problems == ()
    assert (found.lost, found.doubled, found.misfiled, found.strange) == (0, 0, 0, 0), found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Dying", "by itself with code 7"),
        ("Raising", "code 1"),
        ("Hanging", "did not stop when asked"),
        ("AtItsEnd", "ended with code 7"),
        ("Alone", "only 1 of 2 workers started"),
    ],
)
def test_processes_that_go_wrong_are_reported(setup: Setup, name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash, an exception out of emit and a hang each make the run a failure that says what happened."""
    monkeypatch.setattr("mpfhandler._faces.check.conductor._STOP_SECONDS", 1.0)
    outcome, _ = with_handler(setup, name)
    assert any(said in problem for problem in outcome.problems), outcome
    assert processes(setup.ledgers) == []


@pytest.mark.slow
def test_who_has_ended_by_itself_is_not_said_to_be_killed(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker of two hangs, and the other one has ended by then, with a code: each is told as it was."""
    monkeypatch.setattr("mpfhandler._faces.check.conductor._STOP_SECONDS", 1.0)
    outcome, _ = with_handler(setup, "OneHangs", procs=2)
    said = sorted(problem.partition(" ")[2].partition(" ")[2] for problem in outcome.problems)
    assert said == ["did not stop when asked and was killed", "ended with code 7"], outcome
    assert len(outcome.killed) == 1


@pytest.mark.slow
def test_what_goes_wrong_in_a_forked_child_is_reported(setup: Setup) -> None:
    """An exception out of emit in the child alone makes the run a failure, with the child's traceback."""
    outcome, _ = with_handler(setup, "InTheChild", forks=True, secs=1.5)
    assert [problem for problem in outcome.problems if "w0c" in problem], outcome
    assert any("from the child" in text for text in outcome.complaints), outcome


@pytest.mark.slow
def test_what_a_handler_has_counted_as_lost_is_told(setup: Setup) -> None:
    """A handler that knows what it has lost says so, and the report hands it on."""
    outcome, _ = with_handler(setup, "Losing")
    assert [text.partition(": ")[2] for text in outcome.complaints] == ["handler: lost=3 last_error=disk full"] * 2


@pytest.mark.slow
def test_a_disk_that_fills_up_ends_the_run(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-test never takes the last of the space: it stops, and says why."""
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=1 << 20))
    outcome, _ = with_handler(setup, "Good", secs=60)
    assert outcome.seconds < 30
    assert outcome.problems == ("ended early: less than 32 MiB of free space left",)


@pytest.fixture
def crew(setup: Setup) -> Iterator[tuple[conductor._Crew, socket.socket]]:
    """Of one worker, which the test adds; and our end of the lifeline."""
    with conductor._lifeline() as (ours, theirs), conductor._switch(setup.ledgers) as switch:
        yield conductor._Crew(setup, switch, theirs), ours


SLEEP = [sys.executable, "-c", "import time; time.sleep(100)"]


def add(crew: conductor._Crew, setup: Setup, process: subprocess.Popen[bytes]) -> conductor._Member:
    """As a worker of this crew."""
    errors = Path(setup.ledgers, "stderr-w0")
    errors.touch()
    crew._members.append(conductor._Member(0, "w0", process, str(errors)))
    return crew._members[0]


def test_a_worker_that_has_ended_counts_as_no_kill(crew: tuple[conductor._Crew, socket.socket], setup: Setup) -> None:
    """Between being chosen and being struck it came to its own end: that is told as such at the next look."""
    one, _ = crew
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as process:
        process.wait(60)
        one._strike(add(one, setup, process), None)
    outcome = one.outcome(1.0)
    assert (outcome.kills, outcome.killed) == (0, frozenset())
    one._bury_crashed(replace=False)
    assert one.outcome(1.0).problems == ("worker w0 ended by itself with code 3",)


def test_nobody_is_killed_once_the_lifeline_has_ended(crew: tuple[conductor._Crew, socket.socket], setup: Setup) -> None:
    """Then no writer is left, and a group's number may be somebody else's by now."""
    one, ours = crew
    with subprocess.Popen(SLEEP, start_new_session=True) as process:  # without the lifeline: stands for that somebody else
        add(one, setup, process)
        one._lifeline.close()
        one._end_by_force(ours)
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.1)
        finally:
            process.kill()


def test_what_cannot_be_ended_is_told_and_not_waited_for(
    crew: tuple[conductor._Crew, socket.socket], setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is stuck in the kernel holds nobody up, and is the one problem of the run."""

    class Stuck(subprocess.Popen[bytes]):
        def send_signal(self, sig: int) -> None:
            """It does not hear any."""

        def wait(self, timeout: float | None = None) -> int:
            return super().wait(None if timeout is None else 0.01)

    one, ours = crew
    real = conductor._all_gone
    monkeypatch.setattr(conductor, "_all_gone", lambda ours, _seconds: real(ours, 0.0))
    with Stuck(SLEEP, pass_fds=(one._lifeline.fileno(),)) as process:
        add(one, setup, process)
        one.end(ours, patience=1.0)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
    assert one.outcome(1.0).problems == ("a process of the run could not be ended",)


def test_nothing_started_is_said(setup: Setup) -> None:
    """If no worker gets as far as logging, what they said is handed on."""
    with pytest.raises(NothingStartedError, match="no handler today"):
        with_handler(setup, "Refusing")
    assert processes(setup.ledgers) == []


def test_the_probes_pass_on_a_local_folder_and_clean_up(tmp_path: Path) -> None:
    """O_APPEND, flock and the rename hold here, and no probe file is left."""
    assert probe(str(tmp_path)) == Probes(appends=True, locks=True, renames=True)
    assert list(tmp_path.iterdir()) == []


def test_a_rename_that_overwrites_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system whose exclusive rename is none is told from one that has it, and no probe file is left."""
    monkeypatch.setattr("mpfhandler._platform.current.OPERATIONS", replace(OPERATIONS, rename_new=os.replace))
    assert probe(str(tmp_path)).renames is False
    assert list(tmp_path.iterdir()) == []


def test_probes_that_cannot_be_made_say_nothing(tmp_path: Path) -> None:
    """Where the experiments cannot even begin, neither yes nor no is the answer, and no process is left."""
    assert probe(str(tmp_path / "gone")) == Probes(appends=None, locks=None, renames=None)
    assert processes(str(tmp_path)) == []


def test_a_broken_probe_fails_the_run() -> None:
    """A file system whose locks exclude nobody fails, also if no record happened to be lost."""
    findings = Findings(5, 5, 1, 0, 0, 0, 0, 0, 0, 0, (), ())
    outcome = Outcome((), frozenset(), 0, 1.0, (), ())
    good = Report(Setup("d", "l"), FileSystem("ext4", "/"), Probes(True, True, True), outcome, findings, None)
    bad = Report(Setup("d", "l"), FileSystem("nfs4", "/mnt"), Probes(True, False, None), outcome, findings, None)
    assert (good.passed, bad.passed) == (True, False)
    assert "problem: flock" in bad.text()
    assert "warning: on NFS" in bad.text()
    assert bad.verdict() == "FAIL: 1 problem(s), see above"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["bogus"],
        ["check", "--procs", "0"],
        ["check", "--procs", "x"],
        ["check", "--secs", "-1"],
        ["check", "--secs", "nan"],
        ["check", "--when", "W7"],
        ["check", "--when", "H", "--interval", "25"],
        ["check", "--when", "MONTH", "--interval", "13"],
        ["check", "--interval", "0"],
        ["check", "--size", "0"],
        ["check", "no/such/folder"],
        ["check", "/dev"],
    ],
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong arguments give exit code 2 and a message on stderr, and start nothing."""
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--when", "H", "--interval", "30"], "--interval=30: is too large for when='H'; "),
        (["/dev"], "DIR='/dev': what lies there is written to as a stream"),
    ],
)
def test_what_cannot_be_tested_is_said(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A schedule that the handler would refuse, and a folder of streams, are told in one line that names the argument."""
    assert cli.main(["check", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"mpfhandler check: {said}")


@pytest.mark.parametrize("when", ["W3", "MONTH"])
def test_weeks_and_months_can_be_tested(tmp_path: Path, when: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every unit that the handler has is accepted."""
    assert cli.main(["check", str(tmp_path), "--when", when, "--secs", "0.5", "--procs", "2"]) == 0
    assert "PASS" in capsys.readouterr().out


def test_too_little_space_ends_early(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that could fill the disk is refused with what is free and what is needed."""
    assert cli.main(["check", str(tmp_path), "--secs", "86400", "--size", "1000000"]) == 2
    assert "MiB needed" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_help_and_version_are_0(capsys: pytest.CaptureFixture[str]) -> None:
    """--help names the command, --version the version."""
    assert cli.main(["--help"]) == 0
    assert "check" in capsys.readouterr().out
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("mpfhandler ")
    assert cli.main(["check", "--help"]) == 0


def test_a_failure_keeps_the_files_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and the folder with the evidence is named before the verdict."""
    findings = Findings(5, 4, 1, 0, 1, 0, 0, 0, 0, 0, ("lost: record 2 of w0.0",), ())
    outcome = Outcome((), frozenset(), 0, 1.0, (), ())
    monkeypatch.setattr(command, "conduct", lambda setup: outcome)
    monkeypatch.setattr(command, "examine", lambda setup, outcome: findings)
    assert cli.main(["check", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    (kept,) = tmp_path.iterdir()
    assert lines[-2:] == [f"files kept in: {kept.resolve()}", "FAIL: 1 lost"]


def test_a_folder_without_permission_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder in which nothing may be created is refused before anything is started."""
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    assert cli.main(["check", str(tmp_path)]) == 2
    assert "no permission to create files in it" in capsys.readouterr().err


def test_a_run_that_never_started_is_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the workers said goes to stderr, and nothing stays in the folder."""

    def nothing(_setup: Setup) -> Outcome:
        raise NothingStartedError("w0: no module")

    monkeypatch.setattr(command, "conduct", nothing)
    assert cli.main(["check", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "mpfhandler check: no worker could start\nmpfhandler check: w0: no module\n"
    assert list(tmp_path.iterdir()) == []


def test_a_weak_file_system_is_said_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who waits for the result knows from the start why it may be a bad one."""
    findings = Findings(5, 5, 1, 0, 0, 0, 0, 0, 2, 0, (), ())
    monkeypatch.setattr(command, "file_system", lambda _folder: FileSystem("nfs4", "/mnt"))
    monkeypatch.setattr(command, "conduct", lambda setup: Outcome((), frozenset(), 0, 1.0, (), ()))
    monkeypatch.setattr(command, "examine", lambda setup, outcome: findings)
    cli.main(["check", str(tmp_path)])
    assert capsys.readouterr().out.splitlines()[1].startswith("warning: on NFS")


def test_an_error_of_ours_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that meets an error with cause and remedy in it prints that and no traceback."""

    def refuse(_arguments: object) -> int:
        raise MpfHandlerError("the cause; the remedy")

    module = SimpleNamespace(register=lambda commands: commands.add_parser("it").set_defaults(run=refuse))
    monkeypatch.setitem(sys.modules, "mpfhandler._faces.it", module)
    monkeypatch.setattr(cli, "COMMANDS", (cli.Command("it", "refuse", ".it"),))
    assert cli.main(["it"]) == 2
    assert capsys.readouterr() == ("", "mpfhandler: the cause; the remedy\n")


def test_a_closed_pipe_without_a_descriptor_is_quiet_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that has replaced stdout by an object of its own gets the same exit code."""

    class Gone(io.StringIO):
        """Nobody reads it."""

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Gone())
    assert cli.main(["--version"]) == 141
