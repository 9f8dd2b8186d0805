"""The options of one log as frozen values. Nothing here looks at the disk."""

from __future__ import annotations

from dataclasses import dataclass

from .convert import to_choice, to_count, to_seconds
from .schedule import Schedule

__all__ = ["Access", "Delivery", "Options", "to_delivery"]


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
class Options:
    """What the engine was asked to do, checked and normalised."""

    schedule: Schedule
    encoding: str = "utf-8"
    errors: str = "backslashreplace"
    backup_count: int = 0
    max_bytes: int = 0
    access: Access = Access()
    mkdir: bool = False
    lock_timeout: float = 2.0
    late_grace: float = 10.0
    spill_bytes: int = 1 << 20
    debug: bool = False
    delivery: Delivery = Delivery()


def to_delivery(delivery: object, interval: object, size: object, overflow: object) -> Delivery:
    """The four parameters of delivery; those of the buffer are checked without one, too."""
    return Delivery(
        to_choice("delivery", delivery, "direct", "buffered"),
        to_seconds("flush_interval", interval),
        to_count("buffer_bytes", size, 1),
        to_choice("overflow", overflow, "block", "drop"),
    )
