"""The options of one log as frozen values. Nothing here looks at the disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .convert import to_choice, to_count, to_seconds, to_word
from .errors import InvalidOption
from .naming import COMPRESSIONS
from .quantity import to_age, to_size
from .schedule import Schedule
from .sealed import SealedSegment

__all__ = [
    "LEVELS", "Access", "Archive", "Compression", "Delivery", "Options", "Retention",
    "to_compression", "to_delivery", "to_fsync", "to_locking", "to_retention",
]  # fmt: skip

# By method: the levels that it knows; from fast to small.
LEVELS = {"gz": range(10), "zst": range(1, 23), "xz": range(10), "bz2": range(1, 10)}


@dataclass(frozen=True)
class Access:
    """Who may do what with the files of a log; None leaves it to the system (umask, the process's own user)."""

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None

    @property
    def wanted(self) -> bool:
        """Whether anything at all is asked for."""
        return (self.mode, self.uid, self.gid) != (None, None, None)


@dataclass(frozen=True)
class Delivery:
    """How records get to the disk.

    Attributes:
        buffered: they are gathered in memory, and written together.
        interval: seconds that a record is in the buffer at most.
        size: of the buffer (bytes).
        drops: what does not fit into a full buffer is dropped and counted; else its logging call waits for the disk.
    """

    buffered: bool = False
    interval: float = 0.2
    size: int = 65536
    drops: bool = False


@dataclass(frozen=True)
class Compression:
    """How closed segments are compressed.

    Attributes:
        method: "gz", "zst", "xz" or "bz2"; None leaves them plain.
        level: one of `LEVELS`; None is the method's usual one.
        delay: seconds after the end of the period and its grace, in which a segment stays plain for who still reads it.
    """

    method: str | None = None
    level: int | None = None
    delay: float = 300.0


@dataclass(frozen=True)
class Retention:
    """By which rules, beside `backup_count`, closed segments are deleted, the oldest period first; 0 is no such rule.

    Attributes:
        max_age: seconds since the end of a segment's period.
        max_total_bytes: of all closed segments together.
        min_free_bytes: that the file system keeps free for an unprivileged user.
    """

    max_age: float = 0.0
    max_total_bytes: int = 0
    min_free_bytes: int = 0

    @property
    def wanted(self) -> bool:
        """Whether there is any rule."""
        return bool(self.max_age or self.max_total_bytes or self.min_free_bytes)


@dataclass(frozen=True)
class Archive:
    """Where sealed segments are copied to.

    Attributes:
        url: of the archive; None: nowhere.
        delete: the local file goes once its copy is verified.
    """

    url: str | None = None
    delete: bool = False


@dataclass(frozen=True)
class Options:
    """What the engine was asked to do, checked and normalised."""

    schedule: Schedule
    encoding: str = "utf-8"
    errors: str = "backslashreplace"
    escape: bool = False  # control characters in records are spelled out
    backup_count: int = 0
    max_bytes: int = 0
    access: Access = Access()
    mkdir: bool = False
    lock_timeout: float = 2.0
    late_grace: float = 10.0
    spill_bytes: int = 1 << 20
    debug: bool = False
    delivery: Delivery = Delivery()
    compression: Compression = Compression()
    retention: Retention = Retention()
    on_seal: Callable[[SealedSegment], object] | None = None  # gets each sealed segment
    fsync: str = "never"  # "seal": a closed segment, before anything is done to it; "always": also each record, or batch
    archive: Archive = Archive()
    rotate_idle: bool = False
    locking: str = "append"  # "record": each record is written under the rotation lock

    @property
    def locks_records(self) -> bool:
        """Whether appends are under the rotation lock."""
        return self.locking == "record"

    @property
    def is_plain(self) -> bool:
        """Whether an append is a write and nothing else, so that a signal handler's may come in between."""
        return self.late_grace > 0 and not self.locks_records

    @property
    def hides(self) -> bool:
        """Whether a closed file gets a hidden name until nobody writes to it any more, also without a rotator."""
        return not self.late_grace and not self.locks_records

    @property
    def deletes(self) -> bool:
        """Whether any rule has closed segments deleted."""
        return self.backup_count > 0 or self.retention.wanted

    @property
    def seals(self) -> bool:
        """Whether anything is done to a segment that is sealed."""
        wanted = (self.compression.method, self.archive.url, self.on_seal) != (None, None, None)
        return wanted or self.fsync != "never"

    @property
    def prunes(self) -> bool:
        """Whether segments are deleted by a rule that time alone may make apply."""
        return self.retention.wanted

    @property
    def keeps_house(self) -> bool:
        """Whether there is work that comes due without a record: then a thread waits for it."""
        return self.seals or self.prunes or self.rotate_idle


def to_delivery(delivery: object, interval: object, size: object, overflow: object) -> Delivery:
    """The four parameters of delivery; those of the buffer are checked without one, too."""
    return Delivery(
        to_choice("delivery", delivery, "direct", "buffered"),
        to_seconds("flush_interval", interval),
        to_count("buffer_bytes", size, 1),
        to_choice("overflow", overflow, "block", "drop"),
    )


def to_compression(method: object, level: object, delay: object) -> Compression:
    """The three parameters of compression; the delay is checked without a method, too."""
    word = None if method is None else to_word("compress", method, *COMPRESSIONS)
    number = None if level is None else _to_level(level, word)
    if word is None and number is not None:
        problem = "there is no compression that it would be the level of"
        raise InvalidOption("compress_level", level, problem, 'set compress="gz", "zst", "xz" or "bz2", or leave it out')
    return Compression(word, number, to_seconds("compress_delay", delay))


def _to_level(level: object, method: str | None) -> int:
    known = range(min(levels.start for levels in LEVELS.values()), max(levels.stop for levels in LEVELS.values()))
    levels = known if method is None else LEVELS[method]
    remedy = f"use {levels.start} to {levels.stop - 1}, or None for the usual one"
    try:
        number = to_count("compress_level", level)
    except InvalidOption as error:
        raise type(error)("compress_level", level, "is not a level", remedy) from None
    if number not in levels:
        raise InvalidOption("compress_level", level, f"is no level of {method or 'any method'}", remedy)
    return number


def to_retention(age: object, total: object, free: object) -> Retention:
    """The three rules beside `backup_count`."""
    return Retention(to_age("max_age", age), to_size("max_total_bytes", total), to_size("min_free_bytes", free))


def to_locking(value: object) -> str:
    """What is under the rotation lock."""
    return to_word("locking", value, "auto", "append", "record")


def to_fsync(value: object) -> str:
    """When what was written is forced to the disk."""
    return to_word("fsync", value, "never", "seal", "always")
