"""The pages of docs/how-to/move: what they say is run, with the programs that they speak of.

concurrent-log-handler, loguru, logrotate and mpfhandler 0.0.1 are the real ones; where one cannot be had its tests are skipped.
"""

from __future__ import annotations

import gzip
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from _moving import PAGES, SOURCE, Block, OldRelease, Writers, blocks, lines_of, run_block

from mpfhandler import ConcurrentRotatingFileHandler, MultProcTimedRotatingFileHandler, TimedLogFile

pytestmark = pytest.mark.integration

OURS = "mpfhandler", "MultProcTimedRotatingFileHandler"
OLD = "mpfhandler_0", "MultProcTimedRotatingFileHandler"
LOGROTATE = shutil.which("logrotate") or shutil.which("logrotate", path="/usr/sbin:/sbin")
PATIENCE = 60.0  # seconds; only a failing test, or a machine with too much to do, waits that long
NAMES = sorted(page.name for page in PAGES.glob("from-*.md"))
NEEDS = {"from-concurrent-log-handler.md": "concurrent_log_handler", "from-loguru.md": "loguru"}
HEADINGS = ["Before", "After", "What changes in the files' names", "Options", "Pitfalls", "Check that it worked"]
SECOND = r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d"


def needs(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"not installed: {module}")


logrotated = pytest.mark.skipif(LOGROTATE is None, reason="not installed: logrotate")


def wait_until(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def names(folder: Path, pattern: str) -> set[str]:
    return {path.name for path in folder.iterdir() if re.fullmatch(pattern, path.name)}


def verify(folder: Path, *options: str, log: str = "app.log") -> str:
    """What `mpfhandler verify` prints; it finds no problem."""
    command = [sys.executable, "-m", "mpfhandler", "verify", str(folder / log), *options]
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[Writers]:
    """Processes that log to `app.log` until they are stopped."""
    started = Writers(tmp_path / "app.log", 2 * PATIENCE)
    yield started
    started.kill()


@pytest.fixture(scope="session")
def old_release(tmp_path_factory: pytest.TempPathFactory) -> OldRelease:
    """mpfhandler 0.0.1."""
    try:
        return OldRelease(tmp_path_factory.mktemp("old_release"))
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"mpfhandler 0.0.1 cannot be had: {error}")


# --- the pages


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_its_parts(name: str) -> None:
    """Before and after, names, options, pitfalls, and how to check; the index leads to it."""
    text = (PAGES / name).read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert [heading for heading in headings if heading in HEADINGS] == HEADINGS
    assert "mpfhandler verify app.log" in text
    assert f"({name})" in (PAGES / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_before_and_after_write_the_same_lines(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Each program of a page runs without a warning and writes the hundred orders; `verify` then finds nothing."""
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"not installed: {NEEDS[name]}")
    expected = [f"INFO order {number}" for number in range(100)]
    found = blocks(PAGES / name, "python")
    assert [block.heading for block in found][:2] == ["Before", "After"]
    for number, block in enumerate(found):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = [] if block.run else [str(request.getfixturevalue("old_release").by_its_name)]
        run_block(block, folder, *path)
        assert lines_of(folder) == expected, block.heading
        assert (folder / "app.lock").exists() == (not block.run)
    [check] = blocks(PAGES / name, "sh")
    assert "1 file, 0 problems, 0 notices" in run_block(check, tmp_path / "1")


def parameters_of(*kinds: Any) -> set[str]:
    return {name for kind in kinds for name in inspect.signature(kind).parameters} - {"kwargs", "options"}


def cells(name: str) -> list[list[str]]:
    """The rows of a page's tables."""
    text = (PAGES / name).read_text(encoding="utf-8")
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in re.findall(r"^\|.*\|$", text, re.MULTILINE)]


@pytest.mark.parametrize("name", NAMES)
def test_what_the_tables_recommend_is_there(name: str) -> None:
    """Each `parameter=` on the side of this package is one of its handlers or of `TimedLogFile`, and can be given that value."""
    ours = parameters_of(MultProcTimedRotatingFileHandler, TimedLogFile, ConcurrentRotatingFileHandler)
    named = [word for row in cells(name) for word in re.findall(r"(\w+)=", " ".join(re.findall(r"`[^`]*`", row[-1])))]
    assert set(named) <= ours
    whole = [text for row in cells(name) for text in re.findall(r"`((?:\w+=(?:\"[^\"]*\"|\d\w*)(?:, )?)+)`", row[-1])]
    for text in whole:
        options = eval(f"dict({text})")
        kind = TimedLogFile if {"backup_count", "at_time", "max_bytes"} & set(options) else MultProcTimedRotatingFileHandler
        if "owner" not in options:  # users that this machine need not have
            kind(os.devnull, delay=True, **options).close()
    assert whole or name in {"from-mpfhandler-0.md", "from-timed-rotating-file-handler.md"}


def test_every_parameter_of_theirs_has_its_row() -> None:
    """What can be given to the class of before is told of, each in the first column of its page."""
    from logging.handlers import TimedRotatingFileHandler

    theirs = {"from-timed-rotating-file-handler.md": parameters_of(TimedRotatingFileHandler)}
    theirs["from-mpfhandler-0.md"] = {"filename", "when", "interval", "backupCount", "encoding", "delay", "utc", "debug"}
    if importlib.util.find_spec("concurrent_log_handler"):
        import concurrent_log_handler as clh

        both = clh.ConcurrentRotatingFileHandler, clh.ConcurrentTimedRotatingFileHandler
        theirs["from-concurrent-log-handler.md"] = parameters_of(*both)
    if importlib.util.find_spec("loguru"):
        from loguru import _file_sink as sink

        theirs["from-loguru.md"] = parameters_of(sink.FileSink) - {"path"}
    for name, wanted in theirs.items():
        told = {word for row in cells(name) for word in re.findall(r"\w+", row[0])}
        assert wanted <= told, name


def test_a_block_that_fails_is_seen(tmp_path: Path) -> None:
    """A warning, an error and an exit code are failures of a block."""
    for kind, text in (("python", "import warnings; warnings.warn('x')"), ("python", "1/0"), ("sh", "false\ntrue")):
        with pytest.raises(AssertionError):
            run_block(Block("", kind, text, run=True), tmp_path)


# --- from the standard library


def test_segments_of_the_standard_library_count(tmp_path: Path) -> None:
    """What it has rotated is this log's: `backupCount` deletes the oldest, `verify` knows all of them."""
    from logging.handlers import TimedRotatingFileHandler

    for index in range(5):
        name = TimedRotatingFileHandler(tmp_path / "app.log", "S", delay=True).suffix
        old = tmp_path / f"app.log.{time.strftime(name, time.localtime(time.time() - 100 + index))}"
        old.write_text("a line\n")
    assert "5 files" in verify(tmp_path, "--when", "S", "--fast")
    rotate_with(tmp_path, backupCount=3)
    assert len(names(tmp_path, rf"app\.log\.{SECOND}")) == 3


def rotate_with(folder: Path, **options: object) -> None:
    """One of our handlers logs a line, and rotates."""
    handler = MultProcTimedRotatingFileHandler(folder / "app.log", "S", **options)  # type: ignore[arg-type]
    handler.stream.write("new\n")
    handler.doRollover()
    wait_until(lambda: not handler.getFilesToDelete(), "the deletions")
    handler.close()


# --- from concurrent-log-handler

SIZED = {"maxBytes": 2000, "backupCount": 500, "use_gzip": True, "encoding": "utf-8", "chmod": 0o640}


@needs("concurrent_log_handler")
@pytest.mark.parametrize("module", ["concurrent_log_handler", "mpfhandler"])
@pytest.mark.parametrize("name", ["ConcurrentRotatingFileHandler", "ConcurrentTimedRotatingFileHandler"])
def test_the_same_parameters_lose_nothing(name: str, module: str, tmp_path: Path, writers: Writers) -> None:
    """Three processes with the very same parameters, over splits and rotations: all lines are there, before and after."""
    writers.seconds = 1.2
    options = SIZED if "Timed" not in name else {**SIZED, "when": "S"}
    for number in "123":
        writers.start(number, module, name, lock_file_directory=str(tmp_path / "locks"), keep_file_open=True, **options)
    logged = writers.count()
    assert Counter(line.split()[1] for line in lines_of(tmp_path)) == logged
    assert len(list(tmp_path.glob("app.log.*"))) > 1
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("app.log*")} == {0o640}
    assert len(list((tmp_path / "locks").iterdir())) == 1


@needs("concurrent_log_handler")
def test_what_concurrent_log_handler_has_left(tmp_path: Path) -> None:
    """Its timed segments count for `backupCount`, compressed ones, too; those by size stay, and `verify` names them."""
    from concurrent_log_handler import ConcurrentRotatingFileHandler, ConcurrentTimedRotatingFileHandler

    timed = ConcurrentTimedRotatingFileHandler(str(tmp_path / "app.log"), "S", use_gzip=True)
    sized = ConcurrentRotatingFileHandler(str(tmp_path / "app.log"), "a", 1, 5)
    for _ in range(3):
        timed.emit(record("order"))
        now = int(time.time())
        wait_until(lambda now=now: time.time() >= now + 1, "the next second")  # type: ignore[misc]
    for _ in range(2):
        sized.emit(record("order"))
    timed.close()
    sized.close()
    before = names(tmp_path, rf"app\.log\.{SECOND}\.gz")
    assert len(before) == 2
    assert (tmp_path / "app.log.1").exists()
    rotate_with(tmp_path, backupCount=2)
    after = names(tmp_path, rf"app\.log\.{SECOND}(\.gz)?")
    assert len(after) == 2
    assert min(before) not in after
    assert (tmp_path / "app.log.1").read_text() == "order\n"
    assert re.search(r"foreign.*app\.log\.1", verify(tmp_path, "--when", "S"))


def record(text: str) -> object:
    import logging

    return logging.makeLogRecord({"msg": text, "levelno": logging.INFO, "created": time.time()})


# --- from loguru


@needs("loguru")
def test_what_loguru_has_left(tmp_path: Path) -> None:
    """Its files have other names: nothing of ours deletes them. It takes no `rotation` for a sink that is no path."""
    from loguru import logger

    logger.remove()
    logger.add(tmp_path / "app.log", rotation=20, retention=9, format="{message}")
    for number in range(6):
        logger.info("order number {}", number)
    logger.remove()
    before = names(tmp_path, r"app\.\d{4}-.*\.log")
    assert len(before) >= 2
    rotate_with(tmp_path, backupCount=1)
    rotate_with(tmp_path, backupCount=1)
    assert names(tmp_path, r"app\.\d{4}-.*\.log") == before
    file = TimedLogFile(tmp_path / "other.log")
    with pytest.raises(TypeError, match="rotation"):
        logger.add(file.write, rotation="00:00")
    logger.add(lambda message: file.write(message, message.record["time"].timestamp()), format="{message}", colorize=None)
    logger.info("by its own time")
    logger.remove()
    file.close()
    assert (tmp_path / "other.log").read_text() == "by its own time\n"


# --- logrotate


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


def count_lines(folder: Path) -> Counter[str]:
    return Counter(line.split()[1] for line in lines_of(folder))


@logrotated
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


@logrotated
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


@logrotated
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


@logrotated
def test_a_pattern_takes_segments_and_lock(tmp_path: Path) -> None:
    """`app.log*` has logrotate rename segments and the lock file, which is why the page names the log alone."""
    rotate_with(tmp_path)
    segments = names(tmp_path, rf"app\.log\.{SECOND}")
    assert segments
    rotation_of(tmp_path, "daily", "rotate 9", "nocreate", "ifempty", pattern="app.log*")()
    assert names(tmp_path, rf"app\.log\.{SECOND}") == set()
    assert names(tmp_path, r"app\.log\.lock\.1")


@logrotated
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


# --- from mpfhandler 0.0.x


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
def test_old_and_new_processes_side_by_side(log: str, first: str, tmp_path: Path, old_release: OldRelease) -> None:
    """P1: no line of either release is lost or doubled, whoever was there first; the new ones alone rotate, so nothing is put
    aside as `.bak`. Then an old one that is started alone rotates again."""
    base = log.removesuffix(".log")
    writers = Writers(tmp_path / log, 3.5)
    try:
        for number, kind in enumerate(["old", "new", "new"] if first == "old" else ["new", "old", "new"]):
            module, folders = (OLD, [str(old_release.folder)]) if kind == "old" else (OURS, [])
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
    back.start("back", *OLD, str(old_release.folder), when="S")
    logged.update(back.count())
    assert lock.read_text().isdigit()
    assert len(names(tmp_path, r".*")) > len(before)
    assert Counter(line.split()[1] for line in lines_of(tmp_path, base)) == logged


@pytest.mark.load
@pytest.mark.timeout(400)
def test_old_and_new_processes_over_minutes(tmp_path: Path, old_release: OldRelease) -> None:
    """The same with two old and three new ones over two minutes, rotated by the minute, and an old one that comes later. The
    old ones are slow between the look at a name and its use: they would put the log over a segment if they rotated at all.
    Each line of the new ones is in the file of its own minute."""
    writers = Writers(tmp_path / "app.log", 130.0)
    old = "mpfhandler_0_slow", OLD[1], str(old_release.folder)

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
