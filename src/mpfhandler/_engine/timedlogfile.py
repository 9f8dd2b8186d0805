"""`TimedLogFile`: the engine as a file that anything can write to, without `logging`."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import time as TimeOfDay  # noqa: N812  (a class)
from datetime import timedelta, tzinfo
from types import TracebackType
from typing import TYPE_CHECKING

from .._platform import OPERATIONS
from .._protocols.hooks import Hooks
from .._pure.convert import to_encoding, to_flag, to_terminator
from .._pure.errors import InvalidOptionType
from .._pure.escaping import escaped_record
from .._pure.sealed import SealedSegment
from .buffer import Buffer, sink
from .build import Parameters, build, lasting, open_or_undo, warn
from .stats import Stats, describe

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["TimedLogFile"]


class TimedLogFile:
    """A log file that any number of processes and threads write to, rotated by the clock.

    Has the `write` and `flush` that structlog's `WriteLogger`, loguru's sinks and `print(text, file=…)` call. Each call
    of `write` is one record and gets a line of its own. After a fork parent and child go on with the same object; a copy, also
    by pickle, is another engine of the same log.

    `print` calls `write` once for each of its arguments and separators: with several arguments, or with an `end` of its own, each
    of them becomes a record. Join them first: `print(" ".join(texts), file=log)`.

    Args:
        path: of the log; a symbolic link is followed, and `{host}` is the machine's name.
        when: `S`, `M`, `H`, `D`, `midnight`, `W0` (Monday) to `W6`, `MONTH`, in any case. Aligned to the wall clock.
        interval: how many of these units a period has.
        backup_count: how many closed segments are kept; 0 keeps all.
        at_time: for D, W and MONTH: the time of day at which a period begins.
        utc: align to UTC instead of local time.
        tz: align to this zone ("Asia/Shanghai", or a `tzinfo`); None is the system's.
        max_bytes: also split within a period at this size (bytes); 0 never does.
        encoding: for text that is written.
        errors: how characters are written that the encoding does not have.
        escape: control characters in a record are spelled out (a line feed as `\\n`), so that each record is one line; a tab
            stays.
        terminator: what ends a record; added where it is missing.
        delay: open the file at the first record.
        debug: write decisions to `<path>.debug`.
        chmod: mode of the files (`0o640` or "0640"); None leaves it to the umask.
        owner: of the files: "user", "user:group", ids, or a pair.
        mkdir: create missing folders.
        lock_dir: a folder for the lock file; None is beside the log.
        lock_timeout: seconds that a call waits at most for the rotation lock.
        locking: "append" relies on atomic appends, as local file systems have them; "record" looks, writes and flushes each
            record under the rotation lock; "auto" does that on network and other odd file systems, and says so once.
        late_grace: seconds after a period's end in which a record of it still goes to its own segment.
        spill_bytes: memory for records that cannot be written (bytes).
        delivery: "direct", or "buffered": records are gathered in memory and written together, which costs less; a SIGKILL may
            lose those of the last `flush_interval`.
        flush_interval: seconds that a record is in the buffer at most; at the end of a period it is written in any case.
        buffer_bytes: size of the buffer, and of one write, at most (bytes).
        overflow: when the buffer is full: "block" writes it before `write` returns; "drop" drops and counts records while the
            disk does not keep up.
        compress: "gz", "zst", "xz" or "bz2": closed segments are compressed in the background; None leaves them plain.
        compress_level: from fast to small: 0 to 9 with "gz" (usually 6) and "xz" (6), 1 to 9 with "bz2" (9), 1 to 22 with "zst"
            (3); None is the usual one.
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
        on_error: is called with each new kind of failure; what it raises is ignored.

    Raises:
        ValueError, TypeError: a parameter cannot be used; the message names it, its value and the remedy.
        OSError: the same for a path; or the file cannot be opened.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        when: str = "h",
        interval: int | str = 1,
        *,
        backup_count: int = 0,
        at_time: TimeOfDay | str | None = None,
        utc: bool = False,
        tz: str | tzinfo | None = None,
        max_bytes: int = 0,
        encoding: str = "utf-8",
        errors: str = "backslashreplace",
        escape: bool = False,
        terminator: str | bytes = "\n",
        delay: bool = False,
        debug: bool = False,
        chmod: int | str | None = None,
        owner: str | int | tuple[str | int | None, str | int | None] | None = None,
        mkdir: bool = False,
        lock_dir: str | os.PathLike[str] | None = None,
        lock_timeout: float = 2.0,
        locking: str = "auto",
        late_grace: float = 10.0,
        spill_bytes: int = 1 << 20,
        delivery: str = "direct",
        flush_interval: float = 0.2,
        buffer_bytes: int = 1 << 16,
        overflow: str = "block",
        compress: str | None = None,
        compress_level: int | None = None,
        compress_delay: float = 300.0,
        max_age: str | float | timedelta | None = None,
        max_total_bytes: int | str | None = None,
        min_free_bytes: int | str | None = None,
        on_seal: Callable[[SealedSegment], object] | str | None = None,
        fsync: str = "never",
        archive: str | None = None,
        archive_delete: bool = False,
        rotate_idle: bool = False,
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        if on_error is not None and not callable(on_error):
            raise InvalidOptionType("on_error", on_error, "cannot be called", "use a function of one argument, the exception")
        open_now = not to_flag("delay", delay)
        ending = to_terminator("terminator", terminator, to_encoding("encoding", encoding, errors, "utf-8")[0])
        given = Parameters(
            path=path, when=when, interval=interval, backup_count=backup_count, at_time=at_time, utc=utc, tz=tz,
            max_bytes=max_bytes, encoding=encoding, errors=errors, escape=escape, debug=debug, chmod=chmod, owner=owner,
            mkdir=mkdir, lock_dir=lock_dir, lock_timeout=lock_timeout, late_grace=late_grace, spill_bytes=spill_bytes,
            delivery=delivery, flush_interval=flush_interval, buffer_bytes=buffer_bytes, overflow=overflow,
            compress=compress, compress_level=compress_level, compress_delay=compress_delay, max_age=max_age,
            max_total_bytes=max_total_bytes, min_free_bytes=min_free_bytes, on_seal=on_seal, fsync=fsync, archive=archive,
            archive_delete=archive_delete, rotate_idle=rotate_idle, locking=locking,
        )  # fmt: skip
        self._start(given, ending, on_error)
        if open_now:
            open_or_undo(self._writer)

    def _start(self, given: Parameters, terminator: str, on_error: Callable[[Exception], None] | None) -> None:
        self._writer = build(given, terminator, "utf-8", Hooks(), on_error, {})
        self._made_of = lasting(given), terminator, on_error
        self._encoding, self._errors = self._writer.options.encoding, self._writer.options.errors
        self._terminator = self._writer.terminator
        self._now = OPERATIONS.now
        self._sink = sink(self._writer)
        append = self._sink.write_anywhere if isinstance(self._sink, Buffer) else self._writer.write
        self._append = self._escaping(append) if self._writer.options.escape else append
        warn(self._writer)

    def _escaping(self, append: Callable[[bytes, float], None]) -> Callable[[bytes, float], None]:
        end, encoding = self._terminator, self._encoding
        return lambda data, created: append(escaped_record(data, end, encoding), created)

    def __getstate__(self) -> tuple[Parameters, str, Callable[[Exception], None] | None]:
        """A copy, here or in another process, is an engine of its own, which opens the log at its first record."""
        return self._made_of

    def __setstate__(self, state: tuple[Parameters, str, Callable[[Exception], None] | None]) -> None:
        self._start(*state)

    @property
    def name(self) -> str:
        """The path of the log."""
        return self._writer.place.log

    def write(self, data: bytes | str, created: float | None = None) -> int:
        """Write one record; when this returns it is in the kernel's hands, or waits in memory: for a disk that is full, or in the
        buffer of `delivery="buffered"`.

        Args:
            data: the record, in full: what is left for the next call is another record. The terminator is added if it is
                missing. An empty one, or a terminator alone, writes nothing: `print(text, file=log)` gives one line.
            created: when it was made (epoch seconds); None is now. It goes to the file of that time's period.

        Returns:
            The length of `data`, as file objects do.

        Raises:
            TypeError: `data` is neither bytes nor text. Never an `OSError`.
        """
        raw = data.encode(self._encoding, self._errors) if isinstance(data, str) else bytes(memoryview(data))
        if raw and raw != self._terminator:
            if not raw.endswith(self._terminator):
                raw += self._terminator
            self._append(raw, self._now() if created is None else float(created))
        return len(data)

    def rotate(self) -> bool:
        """Close the present segment now and begin a new one; True if that was done."""
        return self._sink.rotate()

    def flush(self) -> None:
        """Write what is in the buffer, and try once more what waits in memory for the disk. Everything else is in the kernel's
        hands already."""
        self._sink.flush()

    def close(self) -> None:
        """Write what waits, as far as possible, and close the files. A later `write` opens the log again."""
        self._sink.close()

    def stats(self) -> Stats:
        """What this process has done so far."""
        return self._sink.stats()

    def fileno(self) -> int:
        """The append descriptor, for programs that must leave it open; it changes with every rotation.

        Raises:
            ValueError: nothing is open.
        """
        segment = self._writer.segment
        if segment is None:
            raise ValueError(f"{self.name}: not open")
        return segment.fileno()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        writer = self._writer
        state = describe(writer.options.schedule, writer.stats(locked=False), opened=writer.segment is not None)
        return f"<TimedLogFile {self.name} {state}>"
