"""The pages of docs/how-to/move: what they say is run, with the programs that they speak of.

concurrent-log-handler, loguru and mpfhandler 0.0.1 are the real ones; where one cannot be had its tests are skipped.
logrotate, and processes of 0.0.1 beside ours, have modules of their own.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from _moving import (
    PAGES,
    SECOND,
    Block,
    Writers,
    blocks,
    lines_of,
    names,
    old_release,
    rotate_with,
    run_block,
    verify,
    wait_until,
)

from mpfhandler import ConcurrentRotatingFileHandler, MultProcTimedRotatingFileHandler, TimedLogFile

pytestmark = pytest.mark.integration

NAMES = sorted(page.name for page in PAGES.glob("from-*.md"))
NEEDS = {"from-concurrent-log-handler.md": "concurrent_log_handler", "from-loguru.md": "loguru"}
HEADINGS = ["Before", "After", "What changes in the files' names", "Options", "Pitfalls", "Check that it worked"]


def needs(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"not installed: {module}")


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
def test_before_and_after_write_the_same_lines(name: str, tmp_path: Path) -> None:
    """Each program of a page runs without a warning and writes the hundred orders; `verify` then finds nothing."""
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"not installed: {NEEDS[name]}")
    expected = [f"INFO order {number}" for number in range(100)]
    found = blocks(PAGES / name, "python")
    assert [block.heading for block in found][:2] == ["Before", "After"]
    for number, block in enumerate(found):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = [] if block.run else [str(old_release().by_its_name)]
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


# --- from concurrent-log-handler

SIZED = {"maxBytes": 2000, "backupCount": 500, "use_gzip": True, "encoding": "utf-8", "chmod": 0o640}


@needs("concurrent_log_handler")
@pytest.mark.parametrize("module", ["concurrent_log_handler", "mpfhandler"])
@pytest.mark.parametrize("name", ["ConcurrentRotatingFileHandler", "ConcurrentTimedRotatingFileHandler"])
def test_the_same_parameters_lose_nothing(name: str, module: str, tmp_path: Path) -> None:
    """Three processes with the very same parameters, over splits and rotations: all lines are there, before and after."""
    writers = Writers(tmp_path / "app.log", 1.2)
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
