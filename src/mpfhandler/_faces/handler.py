"""`MultProcTimedRotatingFileHandler`: the standard library's rotating handler on our engine.

The surface is the standard library's (`BaseRotatingHandler`, its attributes and hooks); what happens is the engine's. The
handler's lock is the engine's lock, so a record takes one lock (or, where threads meet, a lane's), and a fork needs one hook.
"""

from __future__ import annotations

import copy
import io
import logging
import logging.handlers
import os
from collections.abc import Callable
from datetime import time as TimeOfDay  # noqa: N812  (a class)
from datetime import timedelta, tzinfo

from .._pure.convert import to_count, to_flag
from .._resources.importing import importing
from .emitting import emit, handle, is_ascii
from .formatting import StockFormat, escaping, is_stock, is_untouched
from .hooks import hooks_of, teller_of
from .level import to_level
from .patterns import ext_match
from .stream import LogStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from .._engine.buffer import Sink
    from .._engine.build import Parameters
    from .._engine.stats import Stats
    from .._pure.sealed import SealedSegment

__all__ = ["MultProcTimedRotatingFileHandler"]

# the standard library's spelling of what the engine calls otherwise
_NAMES = {"path": "filename", "backup_count": "backupCount", "at_time": "atTime", "max_bytes": "maxBytes"}

_ERRORS = "backslashreplace"
_NOBODY = logging.Formatter()  # no handler's
_NOT_COPIED = (  # a copy makes its own
    *("_writer", "_sink", "_append", "_append_now", "_foreign", "_stream"),
    *("_format", "_formatter", "_lockless", "_of_class", "_builtin_open", "_quick"),
)


class MultProcTimedRotatingFileHandler(logging.handlers.BaseRotatingHandler):
    """Any number of processes and threads log to one file, which is rotated by the clock; no record is lost.

    A drop-in for `logging.handlers.TimedRotatingFileHandler`. When a logging call returns, its record is in the
    kernel's hands: whole, once, on a line of its own, in the file of the period of its `record.created`.

    Args:
        filename: of the log; a symbolic link is followed, `{host}` is the machine's name. The rotation lock is `<filename>.lock`.
        when: `S`, `M`, `H`, `D`, `midnight`, `W0` (Monday) to `W6`, `MONTH`, in any case. Aligned to the wall clock,
            whatever the time at which a process starts.
        interval: how many of these units a period has.
        backupCount: how many closed segments are kept; 0 keeps all.
        encoding: None is the locale's, as in the standard library. One with a byte order mark is written without.
        delay: open the file at the first record.
        utc: align to UTC instead of local time.
        debug: write the handler's own decisions to `<filename>.debug`.
        atTime: for D, midnight, W and MONTH: the time of day at which a period begins.
        errors: how characters are written that the encoding does not have.
        escape: control characters in a record's text are spelled out (a line feed as `\\n`), so that each record, a traceback,
            too, is one line; a tab stays.
        tz: align to this zone ("Asia/Shanghai", or a `tzinfo`); None is the system's.
        maxBytes: also split within a period at this size (bytes); 0 never does.
        chmod: mode of log, segments and lock file (`0o640` or "0640"); None leaves it to the umask.
        owner: of these files: "user", "user:group", ids, or a pair.
        mkdir: create missing folders.
        lock_dir: a folder for the lock file; None is beside the log.
        lock_timeout: seconds that a logging call waits at most for the rotation lock.
        locking: "append" relies on atomic appends, as local file systems have them; "record" looks, writes and flushes each
            record under the rotation lock; "auto" does that on network and other odd file systems, and says so once.
        late_grace: seconds after a period's end in which its records still go to its segment. 0: none does after the rename.
        spill_bytes: memory for records that cannot be written because the disk is full (bytes).
        delivery: "direct": when a logging call returns, its record is in the kernel's hands. "buffered": records are gathered in
            memory and written together, which costs less; a SIGKILL may lose those of the last `flush_interval`.
        flush_interval: seconds that a record is in the buffer at most; at the end of a period it is written in any case.
        buffer_bytes: size of the buffer, and of one write, at most (bytes).
        flush_level: a record of this level or above is written, with those before it, before its logging call returns.
        overflow: when the buffer is full: "block" writes it before the logging call returns; "drop" drops and counts records
            while the disk does not keep up.
        compress: "gz", "zst", "xz" or "bz2": closed segments are compressed in the background; None leaves them plain.
        compress_level: from fast to small: 0 to 9 ("gz", "xz"), 1 to 9 ("bz2"), 1 to 22 ("zst"); None is 6, 6, 9 and 3.
        compress_delay: seconds after a period's end and its grace in which its segment stays plain for who still reads it.
        max_age: closed segments whose period ended longer ago are deleted: seconds, "14d", "12h", or a `timedelta`; None or 0
            keeps all.
        max_total_bytes: the closed segments together have at most so many bytes, or "10GB"; None or 0: as many as there are.
        min_free_bytes: so much of the file system is kept free as far as closed segments can be deleted for it (bytes, or
            "5GB"); None or 0: nothing is. All these rules hold together; the oldest period goes first.
        on_seal: is called with each `SealedSegment` once, in the background; also the dotted name of a function.
        fsync: "never" leaves it to the system when data is on the disk; "seal" forces a closed segment there before anything is
            done to it; "always" each record, too (of a buffer: each batch).
        archive: each sealed segment is copied to this URL ("s3://bucket/prefix", "file:///mnt/archive"), and verified.
        archive_delete: the local file goes once its copy is verified.
        rotate_idle: rotate at the boundary also while nothing is logged; else the next record does it.

    Raises:
        ValueError, TypeError: a parameter cannot be used; the message names it, its value and the remedy.
        OSError: the same for a path; or the file cannot be opened. Nothing stays on disk then.
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        when: str = "h",
        interval: int | str = 1,
        backupCount: int | str = 0,
        encoding: str | None = None,
        delay: bool | str = False,
        utc: bool | str = False,
        debug: bool | str = False,
        *,
        atTime: TimeOfDay | str | None = None,
        errors: str | None = "backslashreplace",
        escape: bool | str = False,
        tz: str | tzinfo | None = None,
        maxBytes: int | str = 0,
        chmod: int | str | None = None,
        owner: str | int | tuple[str | int | None, str | int | None] | None = None,
        mkdir: bool | str = False,
        lock_dir: str | os.PathLike[str] | None = None,
        lock_timeout: float | str = 2.0,
        locking: str = "auto",
        late_grace: float | str = 10.0,
        spill_bytes: int | str = 1 << 20,
        delivery: str = "direct",
        flush_interval: float | str = 0.2,
        buffer_bytes: int | str = 1 << 16,
        flush_level: int | str = logging.ERROR,
        overflow: str = "block",
        compress: str | None = None,
        compress_level: int | str | None = None,
        compress_delay: float | str = 300.0,
        max_age: str | float | timedelta | None = None,
        max_total_bytes: int | str | None = None,
        min_free_bytes: int | str | None = None,
        on_seal: Callable[[SealedSegment], object] | str | None = None,
        fsync: str = "never",
        archive: str | None = None,
        archive_delete: bool | str = False,
        rotate_idle: bool | str = False,
    ) -> None:
        given: Parameters = {
            "path": filename, "when": when, "interval": interval, "backup_count": backupCount, "at_time": atTime, "utc": utc,
            "tz": tz, "max_bytes": maxBytes, "encoding": encoding, "errors": _ERRORS if errors is None else errors,
            "debug": debug, "chmod": chmod, "owner": owner, "mkdir": mkdir, "lock_dir": lock_dir, "lock_timeout": lock_timeout,
            "late_grace": late_grace, "spill_bytes": spill_bytes, "delivery": delivery, "flush_interval": flush_interval,
            "buffer_bytes": buffer_bytes, "overflow": overflow, "compress": compress, "compress_level": compress_level,
            "compress_delay": compress_delay, "max_age": max_age, "max_total_bytes": max_total_bytes,
            "min_free_bytes": min_free_bytes, "on_seal": on_seal, "fsync": fsync, "archive": archive,
            "archive_delete": archive_delete, "rotate_idle": rotate_idle, "escape": escape, "locking": locking,
        }  # fmt: skip
        self.flush_level = to_level("flush_level", flush_level)
        self._start(given, open_now=not to_flag("delay", delay))

    def _start(self, given: Parameters, *, open_now: bool) -> None:
        with importing():
            import locale  # what only a program with a log needs is imported here

            from .._engine.buffer import sink
            from .._engine.build import build, lasting, open_or_undo, warn
            from .._engine.place import absolute
        writer = build(given, self.terminator, locale.getpreferredencoding(False), hooks_of(self), teller_of(self), _NAMES)
        self._given = lasting(given)
        self._writer = writer
        self._foreign: io.TextIOBase | None = None
        self._sink: Sink = sink(writer)
        self._buffered = writer.options.delivery.buffered
        self._stream = LogStream(writer, self._sink)
        options, schedule = writer.options, writer.options.schedule
        self._encoding, self._errors = options.encoding, options.errors
        super().__init__(absolute(given["path"]), "a", encoding=options.encoding, delay=True, errors=options.errors)
        self.when = schedule.when
        self.interval = schedule.interval * schedule.unit_seconds  # seconds, as in the standard library
        self.utc = to_flag("utc", given["utc"])
        self.atTime = schedule.at_time
        self.delay, self.debug = not open_now, options.debug
        self.lock_timeout, self.late_grace = options.lock_timeout, options.late_grace
        self.suffix, self.extMatch = schedule.suffix, ext_match(schedule.when)
        if schedule.when.startswith("W"):
            self.dayOfWeek = int(schedule.when[1])
        self._terminator = self.terminator
        self._use(None)
        warn(writer)
        if open_now:
            open_or_undo(writer)

    # writing

    handle = handle
    emit = emit

    def _emit_text(self, record: logging.LogRecord, text: str) -> None:
        """Write what a record was formatted to."""
        if record.process != self._writer.process:
            self._check_process()
        terminator = self.terminator
        if terminator is not self._terminator:
            self._change_terminator(terminator)
        now = self._buffered and (record.levelno or 0) >= self.flush_level  # None: of `makeLogRecord`
        if not now and self._quick is not None and is_ascii(text):
            self._quick.write_text(text, record.created)
        else:
            data = (text + terminator).encode(self._encoding, self._errors)
            (self._append_now if now else self._append)(data, record.created)

    def flush(self) -> None:
        """Write what is in the buffer, and try once more what waits in memory for the disk. Everything else is in the kernel's
        hands already."""
        self._sink.flush()

    def close(self) -> None:
        """Write what waits, as far as possible, and close the files. A record after that opens the log again."""
        self._sink.close()
        self._use(None)
        logging.Handler.close(self)

    # the standard library's surface

    @property
    def lock(self) -> Any:
        """The engine's lock, or with a buffer one of its own, for no logging call waits for the disk then. A new one in a forked
        child. Who has it keeps other threads from writing, so from the first look at it on (`acquire`) all of them take it."""
        self._writer.lanes.bar()
        return self._sink.lock

    @lock.setter
    def lock(self, lock: Any) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """`logging.Handler` makes one of its own; it is not used."""

    @property
    def stream(self) -> Any:
        """A text file's face on the log while it is open, else None."""
        if self._foreign is not None:
            return self._foreign
        if self.terminator is not self._terminator:
            self._change_terminator(self.terminator)
        return None if self._writer.segment is None else self._stream

    @stream.setter
    def stream(self, stream: Any) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Takes what `_open` gave, or None. Any other stream is written to as it is, without rotation, until `close`."""
        self._use(None if stream is self._stream else stream)

    def _open(self) -> Any:
        """Open the log (again); gunicorn's reopen calls it."""
        self._writer.open()
        return self._stream

    @property
    def backupCount(self) -> int:
        """Closed segments that are kept; 0 keeps all. May be set at any time."""
        return self._writer.options.backup_count

    @backupCount.setter
    def backupCount(self, count: int | str) -> None:
        self._change("backup_count", to_count("backupCount", count))

    @property
    def maxBytes(self) -> int:
        """The size at which the log is split within a period (bytes); 0 never does. May be set at any time."""
        return self._writer.options.max_bytes

    @maxBytes.setter
    def maxBytes(self, size: int | str) -> None:
        self._change("max_bytes", to_count("maxBytes", size))

    def _change(self, name: Literal["backup_count", "max_bytes"], value: int) -> None:
        from .._engine.build import change

        change(self._writer, name, value)
        self._given[name] = value  # for copies

    @property
    def rolloverAt(self) -> int:
        """The end of the present period (epoch seconds)."""
        segment = self._writer.segment
        if segment is not None:
            return segment.period.end
        return self._writer.options.schedule.period(self._writer.now()).end

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  the clock decides, never a record
        """Whether the clock says that the log is to be rotated before the next record."""
        return self._writer.due()

    def doRollover(self) -> None:
        """Rotate now, whatever the clock says."""
        self._sink.rotate()

    def computeRollover(self, currentTime: float) -> int:
        """The rollover that follows this time (epoch seconds), by the standard library's rule.

        On the two nights a year when `atTime` lies in the hour that a clock change skips or repeats, that rule names an
        instant of its own; the handler rotates at the schedule's (`rolloverAt`).
        """
        return self._writer.options.schedule.next_rollover(currentTime)

    def getFilesToDelete(self) -> list[str]:
        """The files of the closed segments that `backupCount` and the other rules would delete now, oldest first."""
        return self._writer.excess()

    def stats(self) -> Stats:
        """What this process has done so far."""
        return self._sink.stats()

    def __repr__(self) -> str:
        from .._engine.stats import describe

        writer, level = self._writer, logging.getLevelName(self.level)
        state = describe(writer.options.schedule, writer.stats(locked=False), opened=writer.segment is not None)
        return f"<{type(self).__name__} {self.baseFilename} ({level}) {state}>"

    # copies

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_given": self._given.copy()}
        for name in _NOT_COPIED:
            state.pop(name, None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name in ("namer", "rotator", "terminator"):  # the engine asks for them while it is made
            if name in state:
                setattr(self, name, state[name])
        self._start(state["_given"], open_now=False)
        self.__dict__.update(state)
        self._choose_format()

    def __deepcopy__(self, memo: dict[int, Any]) -> MultProcTimedRotatingFileHandler:
        twin = copy.copy(self)
        twin.filters = list(self.filters)
        memo[id(self)] = twin
        return twin

    def _at_fork_reinit(self) -> None:
        """`logging` would renew the lock in every forked child, also where the forking thread holds it and will release it. It is
        the engine's lock, and the engine's own hook knows that."""

    # between handler and engine

    def _use(self, foreign: Any) -> None:
        self._foreign = foreign
        to: Any = self._sink
        self._append = to.write if foreign is None else self._write_foreign
        buffer = to if self._buffered and foreign is None else None
        self._append_now = self._append if buffer is None else buffer.write_now
        self._quick = buffer if buffer is not None and buffer.takes_text() else None
        self._choose_format()

    def _formatting(self) -> Callable[[logging.LogRecord], str]:
        if self.formatter is not self._formatter or type(self).format is not self._of_class or "format" in self.__dict__:
            self._choose_format()
        return self._format

    def _choose_format(self) -> None:
        """The stock formatter has a shorter way; it tells itself when it must not be taken."""
        formatter = self._formatter = self.formatter
        self._of_class = None if "format" in self.__dict__ else type(self).format  # None: until it is taken back
        self._format: Callable[[logging.LogRecord], str] = self.format
        self._lockless: object = _NOBODY
        if formatter is None or type(formatter) is logging.Formatter:
            stock = is_stock(self._of_class) and (formatter is None or is_untouched(formatter))
            if stock and (self._quick is not None or not self._buffered):
                self._lockless = formatter
            if formatter is not None and is_stock(self._of_class):
                self._format = StockFormat(formatter).format
        if self._writer.options.escape:
            self._format = escaping(self._format, self._encoding, self._errors)

    def _check_process(self) -> None:
        """A record of another process, or a fork that no hook told us of: no lock is asked for, a lost thread may hold it."""
        if self._writer.process != os.getpid():
            if self._sink is not self._writer:
                self._sink.after_fork_in_child()
            self._writer.after_fork_in_child()

    def _change_terminator(self, terminator: str) -> None:
        self._sink.change_terminator(terminator.encode(self._encoding, self._errors))
        self._use(self._foreign)
        self._terminator = terminator  # last: what a signal handler's exception ends is done by the next record

    def _write_foreign(self, data: bytes, created: float) -> None:
        with self._sink.lock:
            foreign = self._foreign
            if foreign is None:
                self._sink.write(data, created)
                return
            foreign.write(data.decode(self._encoding, self._errors))
            if hasattr(foreign, "flush"):
                foreign.flush()


logging.handlers.MultProcTimedRotatingFileHandler = MultProcTimedRotatingFileHandler  # type: ignore[attr-defined]
