"""`mpfhandler bench` as users run it, with so few records that nothing is measured by it."""

from __future__ import annotations

import gzip
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mpfhandler._faces import cli
from mpfhandler._faces.bench import command, crew, peers, session, syscalls
from mpfhandler._faces.bench.contender import Setup
from mpfhandler._faces.bench.cost import cost
from mpfhandler._faces.bench.count import logs_in, surviving
from mpfhandler._faces.bench.crew import Broken, Job, run
from mpfhandler._faces.bench.handlers import CONTENDERS
from mpfhandler._faces.bench.results import Cell, Machine, Named, Results, Round, Stall, Tail
from mpfhandler._faces.look import Progress

BENCH = [sys.executable, "-m", "mpfhandler", "bench"]
TINY = ("--procs", "1,2", "--threads", "1,2", "--records", "40", "--rounds", "2")
STDLIB = "ours,file,timed,watched,queue,write"


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run([*BENCH, str(folder), *arguments], capture_output=True, text=True, check=False, timeout=280)


def test_keys_and_parts_are_those_of_the_code() -> None:
    """The command line knows the handlers and parts without importing them; they are the ones that there are."""
    assert set(command.KEYS) == set(CONTENDERS)
    assert command._PARTS == session.PARTS


@pytest.mark.slow
def test_a_tiny_run_prints_every_load_and_loses_nothing(tmp_path: Path) -> None:
    """Every handler of the standard library under every load, as Markdown, and nothing is left in the folder."""
    done = bench(tmp_path, *TINY, "--handlers", STDLIB, "--parts", "throughput,latency")
    assert (done.returncode, done.stderr) == (0, "")
    headings = [row for row in done.stdout.splitlines() if row.startswith("### ") and "file" in row]
    assert headings == [
        f"### {procs} process{'es' if procs > 1 else ''} of {threads} thread{'s' if threads > 1 else ''}, one file"
        for threads in (1, 2)
        for procs in (1, 2)
    ]
    for name in ("mpfhandler", "logging.FileHandler", "QueueHandler + QueueListener", "WatchedFileHandler", "bare os.write"):
        rows = [row for row in done.stdout.splitlines() if row.startswith(f"| {name}")]
        assert len(rows) == 4, name
        assert all(row.endswith("| 0 |") for row in rows), rows
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_json_has_every_part(tmp_path: Path) -> None:
    """--json prints one object with all rounds, the stall, the stages, the import, and what was skipped."""
    sizes = ("--procs", "1", "--threads", "1", "--records", "40", "--rounds", "2", "--stall-mb", "1", "--stall-secs", "0.5")
    done = bench(tmp_path, *sizes, "--turn-secs", "1", "--handlers", "ours,file,buffered", "--json")
    assert done.returncode == 0, done.stderr
    found = Results.from_json(done.stdout)
    assert {(one.key, len(one.rounds), len(one.tails)) for one in found.cells} == {
        ("ours", 2, 2),
        ("file", 2, 2),
        ("buffered", 2, 2),
    }
    assert all(one.records == 40 and one.lost == 0 for each in found.cells for one in each.rounds)
    assert [one.key for one in found.costs] == ["ours", "file", "buffered"]
    assert [(one.key, one.procs, len(one.tails)) for one in found.turns] == [("ours", 8, 2), ("file", 8, 2), ("buffered", 8, 2)]
    assert {one.stage for one in found.stages if one.key == "ours"} >= {
        "LogRecord",
        "filter",
        "format",
        "encode",
        "write",
        "guard",
    }
    assert [one.key for one in found.stalls] == ["ours", "buffered"]
    assert found.imported is not None
    assert "mpfhandler" in found.imported.modules
    assert found.calls or "syscalls" in {one.key for one in found.skipped}
    assert found.failed == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_missing_peer_is_skipped_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A peer that is not installed is named with the command that installs it, on stderr and in the report; the run goes on."""
    real = session.contender("clh")
    monkeypatch.setitem(CONTENDERS, "clh", type(real)(**{**vars(real), "module": "no_such_module_anywhere"}))
    assert cli.main(["bench", str(tmp_path), "--handlers", "clh,file", "--parts", "cost"]) == 0
    out, err = capsys.readouterr()
    told = "Skipped: concurrent-log-handler (timed): not installed (pip install concurrent-log-handler)"
    assert (f"- {told}\n" in out, err) == (True, f"{told}\n")
    assert "| logging.FileHandler |" in out


@pytest.mark.parametrize("key", [key for key in CONTENDERS if CONTENDERS[key].problem() is None])
def test_every_handler_that_is_here_writes_what_is_counted(tmp_path: Path, key: str) -> None:
    """The records of two processes, and of their threads, are all found again, whatever the handler calls its files."""
    threads = 1 if key == "picologging" else 2  # two of its threads block each other now and then, for good
    done = run(Job(key, Setup(str(tmp_path / "app.log")), threads=threads, records=30, seconds=60, timed=True), 2)
    assert done.records == 60 * threads
    assert surviving(str(tmp_path), distinct=CONTENDERS[key].distinct) == 60 * threads
    assert len(done.calls) == 60 * threads
    assert done.calls == sorted(done.calls)
    assert done.seconds > 0
    assert done.cpu > 0


def test_a_run_by_the_clock_ends_by_it(tmp_path: Path) -> None:
    """With seconds instead of records a run takes about so long, and every record counts."""
    done = run(Job("ours", Setup(str(tmp_path / "app.log")), seconds=0.2), 1)
    assert done.seconds >= 0.2
    assert done.records == surviving(str(tmp_path)) > 0


def test_a_process_that_cannot_begin_is_told(tmp_path: Path) -> None:
    """What went wrong in a worker comes out as the reason, and no process is left."""
    with pytest.raises(Broken, match="no/such"):
        run(Job("file", Setup(str(tmp_path / "no/such/app.log"))), 2)


def test_a_worker_that_failed_says_why_and_ends_as_usual(tmp_path: Path) -> None:
    """What it reports is the kind of error and its text; the process itself ends without a fault."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    job = Job("file", Setup(str(tmp_path / "no/such/app.log")))
    barrier = context.Barrier(2)  # lives as long as the worker
    worker = context.Process(target=crew._worker, args=(job, 0, 1, barrier, sending, None))
    worker.start()
    sending.close()
    with pytest.raises(Broken, match=r"FileNotFoundError: .*no/such"):
        crew._received(receiving, 60)
    with pytest.raises(Broken, match="a process ended before its time"):
        crew._received(receiving, 60)
    worker.join(60)
    receiving.close()
    assert worker.exitcode == 0


def test_a_process_that_is_stuck_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler whose calls never return ends the run of it, with the reason, and no process is left."""
    monkeypatch.setattr(crew, "_SPARE_SECONDS", 0.5)
    os.mkfifo(tmp_path / "app.log")
    reader = os.open(tmp_path / "app.log", os.O_RDONLY | os.O_NONBLOCK)  # never reads: the pipe fills up
    try:
        with pytest.raises(Broken, match="does not come to its end"):
            run(Job("write", Setup(str(tmp_path / "app.log")), seconds=0.5), 1)
    finally:
        os.close(reader)
    assert multiprocessing.active_children() == []


def test_a_failing_handler_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A measurement that breaks is named, the rest is printed, and the exit code says so."""

    def breaks(*_given: Any) -> Any:
        raise Broken("a process ended before its time")

    monkeypatch.setattr(session, "cost", breaks)
    assert cli.main(["bench", str(tmp_path), "--handlers", "file", "--parts", "cost,import"]) == 1
    out, _ = capsys.readouterr()
    assert "- Failed: cost, CPU in the handler: a process ended before its time" in out
    assert "### Import" in out


def test_a_handler_that_failed_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that is stuck under one load would cost minutes under every other one; with other threads it has another try."""
    tried = list[tuple[str, int, int]]()

    def stuck(key: str, _folder: str, procs: int, threads: int, _load: object) -> Round:
        tried.append((key, procs, threads))
        if key == "file":
            raise Broken("a process does not come to its end")
        return Round(1.0, 1.0, 1, 0)

    monkeypatch.setattr(session, "throughput", stuck)
    plan = session.Plan((1, 2), (1, 8), session.Load(1.0, 0, "h"), 2, ("file", "watched"), ("throughput",))
    with Progress(1) as progress:
        found = session.Session(plan, str(tmp_path), progress, session.select(plan.keys)[0]).results("command", [])
    assert [one for one in tried if one[0] == "file"] == [("file", 1, 1), ("file", 1, 8)]
    assert [(one.key, one.procs, one.threads, len(one.rounds)) for one in found.cells] == [
        ("watched", procs, threads, 2) for threads in (1, 8) for procs in (1, 2)
    ]
    assert [one.key for one in found.failed] == ["file", "file"]


def measured(folder: Path, parts: tuple[str, ...], *keys: str) -> Results:
    """What a session finds with these handlers."""
    plan = session.Plan((1,), (1,), session.Load(1.0, 0, "h"), 2, keys, parts)
    with Progress(1) as progress:
        return session.Session(plan, str(folder), progress, session.select(keys)[0]).results("command", [])


def test_latency_can_be_measured_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No throughput is measured then, and a round that fails is not counted."""
    tail = Tail(1.0, 2.0, 3.0, 4.0, 10)

    def late(key: str, *_more: object) -> Tail:
        if key == "watched":
            raise Broken("a process ended before its time")
        return tail

    monkeypatch.setattr(session, "throughput", lambda *_given: pytest.fail("nobody has asked for it"))
    monkeypatch.setattr(session, "latency", late)
    found = measured(tmp_path, ("latency",), "file", "watched")
    assert found.cells == [Cell("file", 1, 1, [], [tail, tail])]
    assert [(one.key, one.why) for one in found.failed] == [("watched", "a process ended before its time")]


def test_a_stall_that_fails_is_told_beside_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no row; who does not rotate or compress is named with that, the bare system call is not a candidate."""

    def stalls(key: str, *_more: object) -> Stall:
        if key == "ours":
            raise Broken("a process does not come to its end")
        return Stall(key, [1.0], [1.0], 1, 0, 10, 0)

    monkeypatch.setattr(session, "stall", stalls)
    monkeypatch.setitem(CONTENDERS, "timed", replace(CONTENDERS["timed"], compresses=lambda: False))
    found = measured(tmp_path, ("stall",), "ours", "timed", "file", "write")
    assert [one.key for one in found.stalls] == ["timed"]
    assert [(one.key, one.why) for one in found.failed] == [("ours", "a process does not come to its end")]
    assert [(one.key, one.why) for one in found.skipped] == [
        ("timed", "not in this version; it only rotates"),
        ("file", "does not rotate"),
    ]


def test_who_has_no_handler_has_no_cost(tmp_path: Path) -> None:
    """Of those that another thread or nobody formats for, there is nothing to be measured in the calling thread."""
    found = measured(tmp_path, ("cost",), "write", "queue")
    assert (found.costs, found.failed) == ([], [])


@pytest.mark.parametrize("script", [None, "#!/bin/sh\necho 'strace: ptrace: not permitted' >&2\nexit 1\n"])
def test_where_nothing_can_be_traced_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None) -> None:
    """Without strace, or where it may not trace (as in many containers), the part is skipped with the reason."""
    if script is not None:
        (tmp_path / "strace").write_text(script)
        (tmp_path / "strace").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = measured(tmp_path, ("syscalls",), "file")
    why = "strace is not installed" if script is None else "strace: strace: ptrace: not permitted"
    assert [(one.key, one.why) for one in found.skipped] == [("syscalls", why)]
    assert (found.calls, found.failed) == ([], [])
    with pytest.raises(OSError, match="No such file" if script is None else "the traced process failed: strace: ptrace"):
        syscalls.count_calls("file", str(tmp_path), 1, 1)


@pytest.mark.parametrize(("key", "rounds"), [("ours", 3), ("buffered", 3), ("queue", 1), ("loguru-enqueue", 1), ("write", 3)])
def test_the_traced_process_writes_every_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, rounds: int) -> None:
    """Between the marks all records of the rounds are written; where another thread writes them, there is one round."""
    if CONTENDERS[key].problem() is not None:
        pytest.skip(f"{key}: {CONTENDERS[key].problem()}")
    marks, real = list[int](), os.access
    path = tmp_path / "app.log"

    def access(asked: Any, mode: int) -> bool:
        if asked == syscalls._MARK:
            marks.append(surviving(str(tmp_path), distinct=False))
        return real(asked, mode)

    monkeypatch.setattr(logging, "raiseExceptions", True)  # it is set there
    monkeypatch.setattr(os, "access", access)
    syscalls.main([json.dumps([key, str(path), 3, 7])])
    assert surviving(str(tmp_path), distinct=False) == 100 + 7 * rounds
    assert len(marks) == rounds + 1
    assert marks[-1] == 100 + 7 * rounds, "everything is written before the last mark"


def test_the_standard_librarys_handler_compresses_what_it_rotates(tmp_path: Path) -> None:
    """As its cookbook has it: one compressed file with the records, no plain one beside it; the next record is in a new file."""
    made = CONTENDERS["timed"].handler
    assert made is not None
    handler = made(Setup(str(tmp_path / "app.log"), compress=True))
    logger = logging.Logger("benchmark")
    logger.addHandler(handler)
    logger.info("worker %d record %d of the benchmark.", 1, 1)
    handler.doRollover()
    logger.info("worker %d record %d of the benchmark.", 1, 2)
    handler.close()
    (packed,) = tmp_path.glob("app.log.*")
    assert packed.suffix == ".gz"
    assert gzip.decompress(packed.read_bytes()).endswith(b" record 1 of the benchmark.\n")
    assert (tmp_path / "app.log").read_bytes().endswith(b" record 2 of the benchmark.\n")
    assert surviving(str(tmp_path)) == 2


def test_picologging_is_opened_as_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the names of `logging`, which stands in for it here: it is not there for every Python."""
    monkeypatch.setitem(sys.modules, "picologging", logging)
    target = CONTENDERS["picologging"].open(Setup(str(tmp_path / "app.log")), None)
    target.call(target.message, 1, 1)
    target.close()
    assert surviving(str(tmp_path)) == 1


def test_who_runs_from_its_sources_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then a table has the name alone."""
    ours = replace(CONTENDERS["ours"], distribution="no-such-distribution-anywhere")
    assert (ours.version(), ours.label()) == (None, "mpfhandler")


def test_a_handler_that_forgets_has_no_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not write every record is quick for nothing: no figure is given for it."""

    class Forgetful(logging.FileHandler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.args != ("/articles/2026", 3):
                super().emit(record)

    monkeypatch.setitem(CONTENDERS, "file", replace(CONTENDERS["file"], handler=lambda setup: Forgetful(setup.path)))
    with pytest.raises(Broken, match="16 of 20 records written by file"):
        cost(["file"], str(tmp_path), 1, 5)
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_read_count_as_lost(tmp_path: Path) -> None:
    """A compressed file that two processes have spoilt, doubled records, halves of records and lock files do not count."""
    (tmp_path / "app.log").write_bytes(b"x INFO worker 1 record 1 of the benchmark.\n" * 2 + b"x INFO worker 1 record 2 of the")
    (tmp_path / "app.log.1.gz").write_bytes(b"no gzip file")
    (tmp_path / "app.log.lock").write_bytes(b"x INFO worker 1 record 3 of the benchmark.\n")
    assert (surviving(str(tmp_path)), surviving(str(tmp_path), distinct=False)) == (1, 2)
    assert len(logs_in(str(tmp_path))) == 2


@pytest.mark.parametrize(
    ("rounds", "stalls", "failed", "code"),
    [
        ([Round(1.0, 1.0, 10, 0)], [], [], 0),
        ([Round(1.0, 1.0, 10, 1)], [], [], 1),
        ([], [Stall("ours", [1.0], [1.0], 1, 1, 10, 2)], [], 1),
        ([], [], [Named("ours", "it", "why")], 1),
        ([], [], [Named("cost", "it", "why")], 1),
        ([], [], [Named("clh", "it", "why")], 0),
    ],
)
def test_the_exit_code_tells_of_losses_and_failures(rounds: Any, stalls: Any, failed: Any, code: int) -> None:
    """1 if this handler lost a record anywhere or failed; what others lose and how they fail is their business."""
    machine = Machine("p", "s", 1, 0.0, "ext4", "1")
    cells = [Cell("ours", 1, 1, rounds, []), Cell("timed", 1, 1, [Round(1.0, 1.0, 10, 9)], [])]
    assert command.verdict(Results("c", machine, {}, failed=failed, cells=cells, stalls=stalls)) == code


@pytest.mark.parametrize(
    "arguments",
    [
        ["--procs", "0"],
        ["--procs", "1,x"],
        ["--threads", "65"],
        ["--secs", "0"],
        ["--secs", "1", "--records", "5"],
        ["--handlers", "file,nobody"],
        ["--parts", "everything"],
        ["--when", "W9"],
        ["no/such/folder"],
        ["--parts", "stall", "--stall-mb", "99999"],
        ["--parts", "rotations", "--turn-secs", "99"],
        ["--parts", "throughput", "--secs", "99"],
    ],
)
def test_wrong_usage_is_2(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong arguments, a folder that is not there and too little space give exit code 2, a message, and start nothing."""
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=1 << 30))
    assert cli.main(["bench", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err


def test_a_folder_without_permission_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder in which nothing may be created is refused before anything is started."""
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    assert cli.main(["bench", str(tmp_path)]) == 2
    assert "no permission to create files in it" in capsys.readouterr().err


def test_the_help_has_an_example_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """--help shows how it is called, what can be named, and what its exit codes mean; the example is accepted."""
    assert cli.main(["bench", "--help"]) == 0
    text = capsys.readouterr().out
    example = next(row for row in text.splitlines() if row.startswith("  mpfhandler bench /"))
    assert cli.whole_parser().parse_args(example.split()[1:]).handlers == ("ours", "file", "clh")
    assert "exit codes: 0 measured (what failed" in text
    assert all(key in text for key in command.KEYS)


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    """If the reader goes away, the command ends with the code of SIGPIPE, says nothing, and leaves nothing."""
    arguments = [*BENCH, str(tmp_path), "--handlers", "file", "--parts", "cost"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        err = running.stderr.read()
        code = running.wait(timeout=120)
    assert (code, err) == (141, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process_and_no_file(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C in the middle of a run ends every worker and removes the files."""
    arguments = [*BENCH, str(tmp_path), "--handlers", "ours", "--parts", "throughput", "--procs", "2", "--secs", "60"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        limit = time.monotonic() + 60
        while not list(tmp_path.glob("mpfhandler-bench-*/*/app.log")) and time.monotonic() < limit:
            time.sleep(0.05)
        time.sleep(0.5)
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, "", "")
    assert list(tmp_path.iterdir()) == []


def test_report_and_plots_are_made_of_results(tmp_path: Path) -> None:
    """`benchmarks/matrix.py --from` writes the report and each plot of what was measured, twice the same."""
    pytest.importorskip("matplotlib")
    root = Path(__file__).resolve().parents[2]
    machine = Machine("p", "s", 1, 0.0, "ext4", "1")
    cells = [Cell("ours", procs, 1, [Round(10.0 * procs, 1.0, 10, 0)], [Tail(1.0, 2.0, 3.0, 4.0, 10)]) for procs in (1, 2)]
    settings = {"stall_mb": 1, "stall_procs": 2}
    stalls = [Stall("ours", [1.0], [1.0], 1, 1, 10, 0)]
    results = Results("command", machine, settings, [Named("ours", "ours")], cells=cells, stalls=stalls)
    (tmp_path / "given.json").write_text(json.dumps(results.to_dict()))
    for folder in ("one", "two"):
        arguments = ["--from", str(tmp_path / "given.json"), "--out", str(tmp_path / folder)]
        subprocess.run([sys.executable, str(root / "benchmarks" / "matrix.py"), *arguments], check=True, capture_output=True)
    made = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    names = [f"{name}.{kind}" for name in ("throughput", "cpu", "latency", "stall") for kind in ("svg", "png")]
    assert sorted(made) == sorted([*names, "results.json", "results.md"])
    assert made == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}


def test_full_comparison_takes_the_options_of_the_command(tmp_path: Path) -> None:
    """`benchmarks/matrix.py`, which is what `nox -s bench` runs, measures by them."""
    matrix = "import matrix, sys; print(matrix.measure(sys.argv[1:]).command)"
    options = ["--parts", "import", "--rounds", "1"]
    folder = Path(__file__).resolve().parents[2] / "benchmarks"
    done = subprocess.run([sys.executable, "-c", matrix, *options], cwd=folder, check=True, capture_output=True, text=True)
    assert done.stdout == "mpfhandler bench --parts import --rounds 1\n"


def test_the_limit_writes_whole_lines_of_the_usual_length(tmp_path: Path) -> None:
    """What the bare system call writes is as long as what the handlers write, and is counted as they are."""
    usual = logging.Formatter("%(asctime)s %(levelname)s %(message)s").format(
        logging.LogRecord("x", logging.INFO, "f", 1, "worker %d record %d of the benchmark.", (12, 123456), None)
    )
    assert len(peers._LINE) == len(usual) + 1
    target = CONTENDERS["write"].open(Setup(str(tmp_path / "app.log")), None)
    target.call(target.message, 1, 1)
    assert target.bare is not None
    target.bare()
    target.close()
    assert surviving(str(tmp_path), distinct=False) == 2


def test_json_of_the_command_is_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints one object and nothing else."""
    assert cli.main(["bench", str(tmp_path), "--handlers", "file", "--parts", "import", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["imported"]["modules"]


def test_what_the_lock_costs_is_printed(tmp_path: Path) -> None:
    """`benchmarks/locking.py` has a row for each way, with and without the lock; all records are there."""
    script = Path(__file__).parents[2] / "benchmarks" / "locking.py"
    arguments = [sys.executable, str(script), "--rounds", "1", "--secs", "0.1", "--procs", "2", "--dir", str(tmp_path)]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    rows = [line.strip("|").split("|") for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    assert [row[0].split() for row in rows] == [
        [f'locking="{locking}",', delivery] for delivery in ("direct", "buffered") for locking in ("append", "record")
    ]
    assert all(float(row[1].replace(",", "")) > 0 and float(row[3]) > 0 for row in rows)
    assert not list(tmp_path.iterdir())


def test_the_least_that_a_record_costs_is_printed() -> None:
    """`benchmarks/limit.py` has a row for each step, for FileHandler, and for ours with and without a buffer."""
    script = Path(__file__).parents[2] / "benchmarks" / "limit.py"
    arguments = [sys.executable, str(script), "--rounds", "2", "--records", "100"]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    rows = [line.strip("|").split("|") for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 9, done.stdout
    assert all(float(row[1]) > 0 and float(row[3]) > 0 for row in rows)
