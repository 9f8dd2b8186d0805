"""Worlds in which compressed segments are copied into a folder that is an archive, verified, and removed, by processes that log
and by commands, while others still want to write to them.

Each world ends with a process that nobody disturbs, long after: then every segment is in the archive, whole and once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from _choices import Choices
from _kernel import Inode
from _oracle import Violation
from _process import Process
from _sealing import SealingSpec, SealingWorld
from _sealing_oracle import ENDING, SealingLedger, unpack
from _world import See, World

from mpfhandler._pure.options import Archive, Options

ARCHIVE = "/archive"
_OWNER = "/logs/.app.log.owner"
_OBJECT = re.compile(re.escape(ARCHIVE) + r"/[^/]+/app\.log/(app\.log\.[^/]+)")


@dataclass(frozen=True)
class ArchivingSpec(SealingSpec):
    """What such a world is like."""

    def world(self, choices: Choices, see: See | None = None, *, traced: bool = False, plain: float = 0.8) -> World:
        return ArchivingWorld(self, choices, see, traced=traced, plain=plain)


@dataclass
class ArchivingLedger(SealingLedger):
    """What is in the archive, too: a segment that is there and nowhere else stands for the one that it was."""

    def created(self, process: Process, inode: Inode) -> None:
        """What is in the archive is no segment of the log."""
        if not _is_apart(self._name_of(inode)):
            super().created(process, inode)

    def _is_hidden(self, inode: Inode) -> bool:
        return _is_apart(self._name_of(inode)) or super()._is_hidden(inode)

    def deleting(self, process: Process, path: str) -> None:
        """Nothing goes from the archive but what is not written to its end, and no segment that is not in it, on the disk."""
        inode = self.kernel.names.get(path)
        if inode is None:
            return
        if _is_apart(path):
            if not re.fullmatch(r".*/\.[^/]*\.tmp", path):
                self.broken.append(f"P4: {process.name} removes {path}")
        elif self._is_whole_segment(path):
            if not self._has_lock(process, inode):
                self.broken.append(f"S4: {process.name} removes {path}, on which it has no lock")
            content = _plain(path, bytes(inode.data))
            objects = [(name, one) for name, one in self.kernel.names.items() if _OBJECT.fullmatch(name)]
            same = [one for name, one in objects if _plain(name, bytes(one.data)) == content]
            if not any(one.synced == one.data for one in same):
                self.broken.append(f"S4: {process.name} removes {path}, which is not in the archive, or not on its disk")
        else:
            super().deleting(process, path)

    def _is_whole_segment(self, path: str) -> bool:
        """Whether there is nothing else of this segment, plain or compressed. What could not be compressed is archived plain."""
        plain = path.removesuffix(ENDING)
        return self._order_of(plain) is not None and not ({plain, plain + ENDING} - {path}) & set(self.kernel.names)

    def _objects(self) -> list[tuple[str, bytes]]:
        """By the path of the segment that each was made of."""
        found = [(_OBJECT.fullmatch(name), inode) for name, inode in sorted(self.kernel.names.items())]
        return [(f"/logs/{one[1]}", bytes(inode.data)) for one, inode in found if one is not None]

    def _contents(self) -> list[tuple[str, bytes]]:
        """With what is in the archive and not here any more. By content: the next segment of this name may be here, and has
        another name there."""
        found = [one for one in super()._contents() if not _is_apart(one[0])]
        here = {data for _, data in found}
        gone = [(path.removesuffix(ENDING), _plain(path, data)) for path, data in self._objects()]
        return found + [one for one in gone if one[1] not in here]

    def check(self) -> None:
        """Each object is there whole, from the moment on at which it has its name.

        Raises:
            Violation: with the promise that is broken.
        """
        if broken := [path for path, data in self._objects() if path.endswith(ENDING) and not unpack(data)[1]]:
            raise Violation(f"D4: the objects of {broken} are not whole")
        super().check()

    def check_archived(self) -> None:
        """Nobody had a segment any more, and nothing failed.

        Raises:
            Violation: one is still here, or is there twice.
        """
        if self.broken:
            raise Violation(self.broken[0])
        left = [
            name for name in self.kernel.names if self._is_packed(name) or (self._order_of(name) and name not in self.foreign)
        ]
        if left:
            raise Violation(f"S4: {left} are not archived, or still here")
        self._check_exactly_once(self._places())


def _plain(path: str, data: bytes) -> bytes:
    return unpack(data)[0] if path.endswith(ENDING) else data


def _is_apart(name: str) -> bool:
    return name.startswith(ARCHIVE + "/") or name == _OWNER


class ArchivingWorld(SealingWorld):
    """One run of it."""

    ledger: ArchivingLedger

    def make_ledger(self) -> ArchivingLedger:
        spec = self.spec
        repeats = spec.budget.kills + spec.budget.faults
        return ArchivingLedger(self.kernel, spec.when, spec.late_grace, spec.zone, may_repeat=repeats)

    def options_of(self, process: Process) -> Options:
        """With the archive; the segment goes."""
        return replace(super().options_of(process), archive=Archive(f"file://{ARCHIVE}", delete=True))

    def _furnish(self) -> None:
        """The log's number is there already: a new one would be another one in each run."""
        self.kernel.mkdir(ARCHIVE)
        self._put(_OWNER, b"0123456789abcdef" * 2 + b"\n")
        super()._furnish()

    def afterwards(self) -> None:
        super().afterwards()
        self.ledger.check_archived()
