"""Archiving a sealed segment from within a host program.

A folder is written to by the calling thread. Everything else is spoken to by a helper process (`_platform/helper.py`): obstore
starts threads of its own that never end. A program that has them is warned about at each of its forks by Python 3.12, and a child
that is forked after the first use hangs for ever in the next one (measured). A process can also be ended at once, when a fork or
the end of the program is due, whatever the network is doing.

Calling sequence: the caller has the exclusive lock on the segment and keeps it. `store` returns evidence, or raises; waiting
longer and longer before the next try is the caller's part.
"""

from __future__ import annotations

import json
import os.path
from collections.abc import Callable
from typing import Protocol, cast

from .._platform import OPERATIONS, Operations
from .._platform.helper import Helper, command, search_path
from .._platform.host import host_name
from .._pure.naming import COMPRESSIONS, SegmentName
from .._pure.options import Access
from .._pure.target import parse_target
from .._resources import fork
from .._resources.held import HeldDescriptors
from .._resources.owner_id import OwnerId
from .._resources.stores import needs_helper, open_store
from .deposit import Job, deposit

__all__ = ["Archive"]

_PROGRAM = "mpfhandler._faces.upload"
_KINDS = {kind.__name__: kind for kind in (FileExistsError, FileNotFoundError, InterruptedError, PermissionError, TimeoutError)}
_PATIENCE, _SLOWEST = 900.0, 50_000  # seconds that storing one segment may take, and one more for so many bytes
_TAIL = 300  # characters of what a helper that failed otherwise has said


class Segment(Protocol):
    """What is looked at of a sealed segment."""

    @property
    def path(self) -> str:
        """Of its file."""
        ...


def _never() -> bool:
    return False


class Archive:
    """The archive of one log. One thread at a time.

    Args:
        url: as `to_archive` gives it.
        host: the machine's name, under which the segments lie; "" for the system's own.
        log: the path of the log.
        ops: the system calls.

    Raises:
        InvalidOption: the URL is none.
    """

    def __init__(self, url: str, host: str, log: str, *, ops: Operations = OPERATIONS) -> None:
        self._target = parse_target("archive", url)
        self._host = host or host_name()
        self._log = log
        self._folder, self._base = os.path.split(log)
        self._owner_file = os.path.join(self._folder, f".{self._base}.owner")
        self._ops = HeldDescriptors(ops).table()
        self._helper: Helper | None = None
        fork.register(self)

    def store(self, segment: Segment, name: SegmentName, stop: Callable[[], bool] = _never) -> dict[str, object]:
        """Have a segment in the archive, verified. Safe to repeat, and to lose at any point: the object is there whole or not at
        all, once, and nothing that is there is written over.

        Args:
            segment: is locked, so that nobody writes to it or deletes it.
            name: of the segment, with or without the compression of the file at `path`.
            stop: is asked often; a stop leaves the rest for the next time.

        Returns:
            The evidence: `url` of the object, `size` (bytes), `sha256` (hexadecimal).

        Raises:
            InterruptedError: `stop` said so, or another process is storing a segment of this log: no failure, and not to be told.
            TimeoutError: the store does not come to an end.
            OSError: why it could not be stored. The text has no credentials in it.
        """
        job = self._job(segment.path, name)
        if needs_helper(self._target):
            return self._helped(job, stop)
        return deposit(self._ops, open_store(self._ops, self._target), self._target, job, stop)

    def prepare(self) -> bool:
        """Make the log's number, so that a disk that is full before the first segment is stored does not keep those that are
        to make room; whether it is there. What fails now is told by `store`."""
        try:
            log = self._ops.stat_path(self._log)
            with OwnerId(self._ops, self._owner_file, Access(log.mode | 0o600, log.uid, log.gid), lambda: True):
                return True
        except InterruptedError:
            return True  # another process has it
        except OSError:
            return False

    def _job(self, path: str, name: SegmentName) -> Job:
        common = os.path.commonpath([self._folder, os.path.dirname(path)])
        inside = path[len(common) :].lstrip(os.sep).replace(os.sep, "/")
        ending = path.rpartition(".")[2]
        packed = name.compression or (ending if ending in COMPRESSIONS else "")
        return Job(self._target.url, self._host, self._base, path, inside, name.index, packed, self._owner_file)

    def _helped(self, job: Job, stop: Callable[[], bool]) -> dict[str, object]:
        fields = {key: _text(value) if isinstance(value, str) else value for key, value in job.fields().items()}
        line = json.dumps({"path": [_text(path) for path in search_path()], "parent": self._ops.pid(), "segment": fields})
        until = self._ops.monotonic() + _PATIENCE + self._ops.stat_path(job.file).size / _SLOWEST
        helper = self._helper = Helper(command(_PROGRAM), line)
        try:
            answer = helper.answer(lambda: stop() or self._late(until))
        finally:
            self._helper = None
            helper.end()
        return self._understood(answer)

    def _late(self, until: float) -> bool:
        if self._ops.monotonic() < until:
            return False
        raise TimeoutError(f"{self._target.url}: storing a segment has not come to an end in time")

    def _understood(self, answer: bytes) -> dict[str, object]:
        """The last line tells; before it a library may have said something."""
        text = answer.decode("utf-8", "replace").strip()
        found = _fields(text.rpartition("\n")[2])
        if isinstance(found.get("url"), str) and isinstance(found.get("size"), int) and isinstance(found.get("sha256"), str):
            return found
        failed = found.get("failed")
        if isinstance(failed, dict):
            told = cast("dict[str, object]", failed)
            raise _KINDS.get(str(told.get("kind")), OSError)(f"{self._target.url}: {told.get('text')}")
        raise OSError(f"{self._target.url}: the helper process has ended without an answer: {text[-_TAIL:] or 'it said nothing'}")

    def prepare_fork(self) -> None:
        """The housekeeper's thread is asked to stop, and asks `stop` here."""

    def before_fork(self) -> None:
        """The same."""

    def after_fork_in_parent(self) -> None:
        """The same."""

    def after_fork_in_child(self) -> None:
        """A helper process that has not ended in time is the parent's."""
        helper, self._helper = self._helper, None
        if helper is not None:
            helper.forget()


def _fields(line: str) -> dict[str, object]:
    try:
        found: object = json.loads(line)
    except ValueError:
        return {}
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}


def _text(path: str) -> str:
    """A path as the helper, which takes names for UTF-8, knows it."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")
