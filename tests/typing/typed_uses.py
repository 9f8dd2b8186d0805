"""Uses of the public interface as programs write them. Never run: the type checkers read it, and what they infer is asserted."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import pickle
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError
from datetime import time, timedelta, timezone
from pathlib import Path
from typing import IO, Any, Protocol

from typing_extensions import assert_type

import mpfhandler
from mpfhandler import (
    ConcurrentRotatingFileHandler,
    ConcurrentTimedRotatingFileHandler,
    InvalidOption,
    InvalidOptionType,
    MpfHandlerError,
    MultProcTimedRotatingFileHandler,
    SealedSegment,
    Stats,
    TimedLogFile,
    UnsupportedPlatform,
)


class TextSink(Protocol):
    """What structlog's `WriteLogger` and loguru ask of a file."""

    def write(self, message: str, /) -> object: ...

    def flush(self) -> object: ...


# --- the handler ------------------------------------------------------------------------------------------------------


def handler_by_position() -> logging.Handler:
    """The parameters of the first release, in their order."""
    return MultProcTimedRotatingFileHandler("app.log", "h", 1, 7, "utf-8", False, True, False)


def handlers_of_another_package(folder: Path) -> list[MultProcTimedRotatingFileHandler]:
    """The parameters of concurrent-log-handler, by position and by name, with options of ours."""
    sized = ConcurrentRotatingFileHandler(folder / "app.log", "a", 512 * 1024, 5, "utf-8", False, None, True, ("www-data", "adm"))
    timed = ConcurrentTimedRotatingFileHandler(
        "app.log", "midnight", 1, 14, utc=True, atTime=time(4), use_gzip=True, owner=["www-data", "adm"], umask=0o027,
        lock_file_directory=folder, keep_file_open=True, mode="a", late_grace=0, max_age=timedelta(days=14), tz="Asia/Shanghai",
    )  # fmt: skip
    assert_type(timed.finalize_handler_configuration(), None)
    assert_type(sized.backupCount, int)
    return [sized, timed]


def ship(segment: SealedSegment) -> None:
    """A hook."""
    assert_type(segment.path, str)
    assert_type(segment.start, float)
    assert_type(segment.end, float)
    assert_type(segment.size, int)
    assert_type(segment.first, "float | None")
    assert_type(segment.last, "float | None")


def handler_by_name(folder: Path) -> MultProcTimedRotatingFileHandler:
    """Every parameter."""
    return MultProcTimedRotatingFileHandler(
        filename=folder / "app.log",
        when="midnight",
        interval=2,
        backupCount=30,
        encoding="utf-8",
        delay=True,
        utc=False,
        debug=True,
        atTime=time(4, 30),
        errors="backslashreplace",
        escape=True,
        tz="Asia/Shanghai",
        maxBytes=10_000_000,
        chmod=0o640,
        owner=("www-data", "adm"),
        mkdir=True,
        lock_dir=folder / "locks",
        lock_timeout=0.5,
        locking="record",
        late_grace=3,
        spill_bytes=1 << 16,
        delivery="buffered",
        flush_interval=0.5,
        buffer_bytes=1 << 20,
        flush_level=logging.WARNING,
        overflow="drop",
        compress="gz",
        compress_level=9,
        compress_delay=0,
        max_age=timedelta(days=14),
        max_total_bytes="10GB",
        min_free_bytes=1 << 30,
        on_seal=ship,
        fsync="seal",
        archive="s3://bucket/prefix",
        archive_delete=True,
        rotate_idle=True,
    )


def handler_from_text() -> MultProcTimedRotatingFileHandler:
    """As configuration files write it."""
    return MultProcTimedRotatingFileHandler(
        "app.log", "H", "1", "7", None, "false", "yes", "0", atTime=None, errors=None, tz=timezone.utc, maxBytes="1000",
        chmod="0640", owner="www-data:adm", mkdir="true", lock_dir=None, lock_timeout="2.0", late_grace="10", spill_bytes="1024",
        delivery="Buffered", flush_interval="0.1", buffer_bytes="4096", flush_level="warning", overflow="block",
        compress="gz", compress_level="9", compress_delay="60", max_age="14d", max_total_bytes="10GB", min_free_bytes="1000",
        on_seal="package.module.function", fsync="never", archive="file:///mnt", archive_delete="false", rotate_idle="yes",
        escape="on", locking="Append",
    )  # fmt: skip


def owners() -> Iterator[MultProcTimedRotatingFileHandler]:
    """Every form of an owner."""
    yield MultProcTimedRotatingFileHandler("app.log", owner="www-data")
    yield MultProcTimedRotatingFileHandler("app.log", owner=33)
    yield MultProcTimedRotatingFileHandler("app.log", owner=(33, None))
    yield MultProcTimedRotatingFileHandler("app.log", owner=(None, "adm"))


def as_a_standard_handler(handler: MultProcTimedRotatingFileHandler) -> None:
    """Wherever the standard library's handlers go."""
    rotating: logging.handlers.BaseRotatingHandler = handler
    plain: logging.FileHandler = handler
    logging.getLogger().addHandler(handler)
    rotating.setFormatter(logging.Formatter("%(message)s"))
    plain.setLevel(logging.INFO)
    logging.basicConfig(handlers=[handler])
    with contextlib.suppress(OSError):
        handler.doRollover()


def surface(handler: MultProcTimedRotatingFileHandler, record: logging.LogRecord) -> None:
    """What can be read and asked."""
    assert_type(handler.baseFilename, str)
    assert_type(handler.when, str)
    assert_type(handler.interval, int)
    assert_type(handler.backupCount, int)
    assert_type(handler.utc, bool)
    assert_type(handler.atTime, "time | None")
    assert_type(handler.suffix, str)
    assert_type(handler.rolloverAt, int)
    assert_type(handler.maxBytes, int)
    assert_type(handler.delay, bool)
    assert_type(handler.debug, bool)
    assert_type(handler.lock_timeout, float)
    assert_type(handler.late_grace, float)
    assert_type(handler.flush_level, int)
    assert_type(handler.dayOfWeek, int)
    assert_type(handler.extMatch, re.Pattern[str])
    assert_type(handler.shouldRollover(record), bool)
    assert_type(handler.computeRollover(1_700_000_000.5), int)
    assert_type(handler.getFilesToDelete(), list[str])
    assert_type(handler.rotation_filename("app.log.1"), str)
    assert_type(handler.stats(), Stats)
    handler.emit(record)
    handler.handle(record)
    handler.flush()
    handler.close()
    handler.stream = handler._open()
    os.set_inheritable(handler.stream.fileno(), False)


def hooks(handler: MultProcTimedRotatingFileHandler) -> None:
    """The standard library's hooks, as functions."""

    def namer(default: str) -> str:
        return default + ".txt"

    def rotator(source: str, dest: str) -> None:
        os.rename(source, dest)

    handler.namer = namer
    handler.rotator = rotator
    handler.suffix = "%Y%m%d"
    handler.terminator = "\r\n"


class WithHooks(MultProcTimedRotatingFileHandler):
    """The standard library's hooks, as methods."""

    terminator = "\0"

    def rotation_filename(self, default_name: str) -> str:
        return super().rotation_filename(default_name) + ".mine"

    def rotate(self, source: str, dest: str) -> None:
        super().rotate(source, dest)

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        super().handleError(record)


# --- the engine -------------------------------------------------------------------------------------------------------


def log_by_name(folder: Path, tell: Callable[[Exception], None]) -> TimedLogFile:
    """Every parameter."""
    return TimedLogFile(
        folder / "app.log",
        "W0",
        2,
        backup_count=3,
        at_time="04:30",
        utc=True,
        tz=None,
        max_bytes=1000,
        encoding="utf-8",
        errors="replace",
        locking="append",
        escape=True,
        terminator="\r\n",
        delay=True,
        debug=False,
        chmod="0640",
        owner=0,
        mkdir=True,
        lock_dir="/run/lock",
        lock_timeout=1.0,
        late_grace=0.0,
        spill_bytes=0,
        delivery="direct",
        flush_interval=0.2,
        buffer_bytes=65536,
        overflow="block",
        compress=None,
        compress_level=None,
        compress_delay=300,
        max_age=86400,
        max_total_bytes=None,
        min_free_bytes="5GB",
        on_seal=lambda segment: None,
        fsync="always",
        archive=None,
        archive_delete=False,
        rotate_idle=False,
        on_error=tell,
    )


def log_uses(data: bytes, created: float) -> None:
    """What a log can do."""
    with TimedLogFile("app.log") as log:
        assert_type(log, TimedLogFile)
        assert_type(log.write(data), int)
        assert_type(log.write("text", created), int)
        assert_type(log.write("text", created=None), int)
        assert_type(log.rotate(), bool)
        assert_type(log.stats(), Stats)
        assert_type(log.name, str)
        assert_type(log.fileno(), int)
        log.flush()
    log.close()


def log_as_a_file() -> None:
    """Where others want a file."""
    log = TimedLogFile("app.log")
    sink: TextSink = log
    sink.write("message\n")
    print("message", end="", file=log)
    contextlib.closing(log)


def told(error: Exception) -> None:
    """An `on_error`."""
    print(error, file=sys.stderr)


def told_by_a_list() -> list[Exception]:
    """A method of a list is one as well."""
    errors: list[Exception] = []
    TimedLogFile("app.log", on_error=errors.append)
    return errors


# --- values and errors ------------------------------------------------------------------------------------------------


def counters(stats: Stats) -> None:
    """Every counter, and that they are read only."""
    assert_type(stats.records, int)
    assert_type(stats.bytes, int)
    assert_type(stats.rotations, int)
    assert_type(stats.late, int)
    assert_type(stats.repaired, int)
    assert_type(stats.lock_timeouts, int)
    assert_type(stats.splits, int)
    assert_type(stats.spilled, int)
    assert_type(stats.lost, int)
    assert_type(stats.buffered, int)
    assert_type(stats.last_error, "str | None")
    with contextlib.suppress(FrozenInstanceError):
        stats.records = 0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    restored: Stats = pickle.loads(pickle.dumps(stats))
    assert restored == stats


def errors() -> str:
    """A constructor's errors, by the standard kinds and by the package's."""
    try:
        MultProcTimedRotatingFileHandler("app.log", when="fortnight")
    except InvalidOptionType as error:
        as_type: TypeError = error
        return str(as_type)
    except InvalidOption as error:
        as_value: ValueError = error
        assert_type(error.parameter, str)
        assert_type(error.value, object)
        return str(as_value)
    except UnsupportedPlatform as error:
        as_import: ImportError = error
        return str(as_import)
    except MpfHandlerError as error:
        return str(error)
    return mpfhandler.__version__


def wrong_uses() -> None:
    """What the type checkers must refuse: an unused ignore would be an error of mypy's."""
    MultProcTimedRotatingFileHandler()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    MultProcTimedRotatingFileHandler("app.log", when=7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    MultProcTimedRotatingFileHandler("app.log", "h", 1, 0, None, False, False, False, None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    TimedLogFile("app.log").write(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    TimedLogFile("app.log", backupCount=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def foreign_stream(handler: MultProcTimedRotatingFileHandler, stream: IO[str]) -> Any:
    """Records sent elsewhere."""
    handler.stream = stream
    return handler.stream


# --- sealed segments --------------------------------------------------------------------------------------------------


def change(segment: SealedSegment) -> None:
    """It is frozen."""
    with contextlib.suppress(FrozenInstanceError):
        segment.size = 0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
