"""What has become of each file of a log: active, closed, sealed, compressed, archived, waiting."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ..._platform import OPERATIONS
from ..._protocols.markers import Marker, read_marker
from ..._pure.closing import closing
from ..._pure.facts import FileId
from ..._pure.naming import SegmentName
from .files import Log, LogFile
from .folder import denied
from .holders import Holder, Holders, Locks, holders

__all__ = ["STATES", "Known", "Survey", "survey"]

STATES = {
    "active": "is written to",
    "closed": "may still get late records, or somebody has it",
    "sealed": "nothing is written to it any more",
    "compressed": "sealed and packed",
    "archived": "sealed and stored in the archive",
    "waiting": "is handed to the program's rotator",
}
_ARCHIVE = "archive"  # the step's name in a marker


@dataclass(frozen=True)
class Known:
    """A file of a log, or what is left to know of one.

    Attributes:
        file: of the log; one that is gone has the size, and the last write, that its marker tells.
        state: one of `STATES`.
        held: who has it open.
        gone: only the archive has it.
        first, last: times of records that its marker tells (epoch seconds).
    """

    file: LogFile
    state: str
    held: tuple[Holder, ...] = ()
    gone: bool = False
    first: float | None = None
    last: float | None = None


@dataclass
class Survey:
    """All of them, in the order of the records.

    Attributes:
        files: of the log.
        holders: who has them.
    """

    files: list[Known] = field(default_factory=list[Known])
    holders: Holders = field(default_factory=Holders)


def survey(log: Log, now: float, grace: float) -> Survey:
    """Look at the files of a log.

    Args:
        log: with its files.
        now: wall clock (epoch seconds).
        grace: seconds after a period's end in which late records come.

    Raises:
        OSError: a file or the folder cannot be looked at.
    """
    open_now, locks = holders(one.inode for one in log.files), Locks()
    open_now.elsewhere = log.state is not None and log.state.shared
    markers = dict(_markers(log))
    closed: list[Known] = []
    active: list[Known] = []
    for file in log.files:
        held = tuple(open_now.by_file.get(file.inode, ()))
        taken = bool(locks.of(file.inode, held)) if locks.told else bool(held)
        if file.name is None:
            active.append(Known(file, "active", held))
            continue
        marker = markers.pop(replace(file.name, compression=""), None)
        closed.append(Known(file, _state(log, file, marker, now, grace, taken=taken), held))
    lost = [_gone(log, name, marker) for name, marker in markers.items() if _ARCHIVE in marker.done]
    if lost:
        closed = sorted([*closed, *lost], key=_order)
    return Survey([*closed, *active], open_now)


def _state(log: Log, file: LogFile, marker: Marker | None, now: float, grace: float, *, taken: bool) -> str:
    if file.waiting or file.name is None:
        return "waiting"
    if marker is not None and _ARCHIVE in marker.done and _tells_of(marker, file):
        return "archived"
    if file.compression:
        return "compressed"
    try:
        over = closing(log.schedule, log.names, file.name, file.mtime, grace).over
    except (OverflowError, ValueError):
        over = file.mtime + grace
    return "closed" if taken or now < over else "sealed"


def _markers(log: Log) -> Iterator[tuple[SegmentName, Marker]]:
    """What is written down about segments; what cannot be read is as none."""
    try:
        files = os.listdir(log.names.folder)
    except PermissionError:
        raise denied(log.names.folder) from None
    for text in files:
        name = log.names.read_marker(text)
        if name is not None:
            try:
                marker = read_marker(OPERATIONS, os.path.join(log.names.folder, text))
            except OSError:
                continue
            if marker is not None:
                yield name, marker


def _tells_of(marker: Marker, file: LogFile) -> bool:
    try:
        return marker.tells_of(OPERATIONS.stat_link(file.path), packed=bool(file.compression))
    except OSError:
        return False


def _gone(log: Log, name: SegmentName, marker: Marker) -> Known:
    period = log.period(name, marker.mtime_ns)
    start, end = (None, None) if period is None else (float(period.start), float(period.end))
    path = os.path.join(log.names.folder, marker.file) if marker.file else log.names.write(name)
    file = LogFile(path, name, start, end, marker.size, FileId(0, 0), marker.mtime_ns / 1e9)
    return Known(file, "archived", gone=True, first=marker.first, last=marker.last)


def _order(one: Known) -> tuple[float, int]:
    return one.file.start or 0.0, one.file.name.index if one.file.name else 0
