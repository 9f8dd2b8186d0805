"""What must be true of closed segments while and after they are compressed, told without the package: gzip files are read by
zlib alone.

A compressed segment stands for the plain one that it was made of. Where both stand, because somebody was killed in between, the
plain one counts, and the other one has the same content or a beginning of it.
"""

from __future__ import annotations

import functools
import re
import zlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from _kernel import Inode
from _oracle import LOG, SUFFIX, UNIT, Ledger, Violation
from _process import Process

ENDING = ".gz"
_HIDDEN = re.compile(r"/logs/\.app\.log\.(\d{4}[-_\d]*)((?:\.[1-9]\d*)?(?:\.gz\.tmp|\.sealed|\.sealed\.tmp))")


@functools.lru_cache(maxsize=1024)
def unpack(data: bytes) -> tuple[bytes, bool]:
    """The content of a gzip file as far as it can be read, and whether that is one whole stream and nothing else."""
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        content = stream.decompress(data)
    except zlib.error:
        return b"", False
    return content, stream.eof and not stream.unused_data


@dataclass
class SealingLedger(Ledger):
    """What happened to closed segments, too.

    Attributes:
        may_repeat: how often a step may be done again because a process was killed before that was written down.
    """

    may_repeat: int = 0
    made: list[Inode] = field(default_factory=list)  # files that are to become compressed segments
    sealed: dict[str, Inode] = field(default_factory=dict)  # what the plain segments were, by their names
    handed: Counter[str] = field(default_factory=Counter)  # names that the hook was called with

    # what happens to files

    def created(self, process: Process, inode: Inode) -> None:
        """Who begins to compress a segment has the lock on it, and nobody can write to it any more."""
        name = self._name_of(inode)
        if not _HIDDEN.fullmatch(name):
            super().created(process, inode)
            return
        if not name.endswith(".tmp") or name.endswith(".sealed.tmp"):
            return
        self.made.append(inode)
        self._check_due(process, name.replace("/.", "/").removesuffix(ENDING + ".tmp"), "compressed")

    def written(self, process: Process, inode: Inode, *, over: bool = False) -> None:
        """To a segment that somebody is at nothing is written; what is written to hidden files are no records."""
        if self._is_hidden(inode):
            return
        if inode.writer is not None and not self.is_lock(inode) and inode.writer not in process.table.open.values():
            self.broken.append(f"P1: {process.name} writes to {self._name_of(inode)} while it is sealed")
        super().written(process, inode, over=over)

    def incomplete(self, process: Process, inode: Inode, data: bytes) -> None:
        """The same for a write that was cut off."""
        if not self._is_hidden(inode):
            super().incomplete(process, inode, data)

    def deleting(self, process: Process, path: str) -> None:
        """A plain segment goes for its compressed form, a hidden file because nobody writes it any more, a compressed one because
        it is a part of the plain one."""
        inode = self.kernel.names.get(path)
        if inode is None:
            return
        if _HIDDEN.fullmatch(path):
            if path.endswith(ENDING + ".tmp") and not self._has_lock(process, inode):
                self.broken.append(f"P4: {process.name} removes {path} without the lock on it")
        elif path.endswith(ENDING):
            plain, (content, _) = self.kernel.names.get(path.removesuffix(ENDING)), unpack(bytes(inode.data))
            whole = b"" if plain is None else bytes(plain.data)
            if path in self.foreign or content == whole or not whole.startswith(content):
                self.broken.append(f"P4: {process.name} removes {path}, which is no beginning of a segment beside it")
        elif path + ENDING in self.kernel.names:
            self._check_twin(path, inode, self.kernel.names[path + ENDING])
            self._check_due(process, path, "removed")
            self.sealed[path] = inode
        else:
            super().deleting(process, path)

    def hand(self, process: Process, path: str) -> None:
        """The hook was called."""
        self.handed[path.removesuffix(ENDING)] += 1
        inode = self.kernel.names.get(path)
        if inode is None or not self._has_lock(process, inode):
            self.broken.append(f"S3: {process.name} hands {path} over, on which it has no lock")
        if path.endswith(ENDING) and path.removesuffix(ENDING) in self.kernel.names:
            self.broken.append(f"S3: {process.name} hands {path} over while the plain segment stands")

    def check_let_go(self, process: Process, active: int, since: float) -> None:
        """A process that has looked after its files has no lease on a closed segment whose grace was over by then: nobody else
        could seal it.

        Args:
            process: that has done so.
            active: inode of what it has open as the log; it may not know yet that it was renamed.
            since: when it began to (epoch seconds).
        """
        for name, inode in self.kernel.names.items():
            closed = self._order_of(name) is not None and inode.number != active and self._over(name) <= since
            if closed and any(one in inode.shared for one in process.table.open.values()):
                self.broken.append(f"S2: {process.name} keeps its lease on {name}")

    def _check_due(self, process: Process, path: str, what: str) -> None:
        """Its grace is over, nobody may write to it, and no other process is at it."""
        inode = self.kernel.names.get(path)
        if inode is None or not self._has_lock(process, inode):
            self.broken.append(f"S2: {path} is {what} by {process.name}, which has no lock on it")
        over = self._over(path)
        if not self.clock_was_set and self.kernel.wall() < over:
            self.broken.append(f"S2: {path} is {what} at {self.kernel.wall()}, its grace ends at {over}")

    def _check_twin(self, path: str, plain: Inode, packed: Inode) -> None:
        content, whole = unpack(bytes(packed.data))
        if not whole or content != plain.data:
            self.broken.append(f"K1: {path} is removed, and its compressed form has another content")
        if packed.synced != packed.data:
            self.broken.append(f"K1: {path} is removed, and its compressed form is not on the disk")
        if (packed.mtime_ns, packed.mode) != (plain.mtime_ns, plain.mode):
            self.broken.append(f"S2: the compressed form of {path} has another time or mode")

    def _has_lock(self, process: Process, inode: Inode) -> bool:
        return inode.writer is not None and inode.writer in process.table.open.values()

    def _over(self, path: str) -> float:
        """The end of the grace of the first period with this name."""
        text = path[len(LOG) + 1 :].partition(".")[0]
        start = datetime.strptime(text, SUFFIX[self.when]).replace(tzinfo=ZoneInfo(self.zone)).timestamp()
        return start + UNIT[self.when] + self.grace

    def _name_of(self, inode: Inode) -> str:
        return next((name for name, there in self.kernel.names.items() if there is inode), "")

    def _is_hidden(self, inode: Inode) -> bool:
        return any(one is inode for one in self.made) or bool(_HIDDEN.fullmatch(self._name_of(inode)))

    def verdict_state(self) -> tuple[object, ...]:
        """What is remembered of segments that are gone, too."""
        remembered = self.straddling, self.mistaken, self.unrecorded
        sealed = tuple(
            (name, one.number, *(any(other is one for other in files) for files in remembered))
            for name, one in sorted(self.sealed.items())
        )
        packed = frozenset((one.number, one.synced == one.data) for one in self.made if one.links or one.openings)
        return *super().verdict_state(), sealed, packed, frozenset(self.handed.items())

    # the verdict

    def check(self) -> None:
        """Everything, at the end.

        Raises:
            Violation: with the promise that is broken.
        """
        self._check_packed()
        super().check()

    def check_sealed(self, errors: list[Exception]) -> None:
        """Everything that can be compressed is, once somebody has come to it who was not disturbed, and that was all.

        Raises:
            Violation: with the promise that is broken.
        """
        if self.broken:
            raise Violation(self.broken[0])
        names = self.kernel.names
        plain = [name for name in names if self._order_of(name) and name not in self.foreign]
        if left := [name for name in plain if name + ENDING not in self.foreign]:
            raise Violation(f"S2: {left} stay plain ({errors})")
        if errors and not plain:
            raise Violation(f"P5: though nothing is in the way: {errors}")
        hidden = [name for name in names if _HIDDEN.fullmatch(name) and name.endswith(".tmp")]
        hidden += [name for name in names if name.endswith(".sealed") and not self._has_segment(name)]
        if hidden:
            raise Violation(f"S2: {hidden} are left")
        self._check_handed(plain)
        self.check_foreign()
        self._check_packed()
        self._check_exactly_once(self._places())

    def _has_segment(self, marker: str) -> bool:
        path = marker.replace("/.", "/").removesuffix(".sealed")
        return path in self.kernel.names or path + ENDING in self.kernel.names

    def _check_handed(self, plain: list[str]) -> None:
        """L2: a step is done once for each segment."""
        segments = {name.removesuffix(ENDING) for name in self.kernel.names if self._is_packed(name)} | set(plain)
        wrong = {name: count for name, count in self.handed.items() if count > 1}
        missing = segments - set(self.handed) if self.handed else set()
        if missing or sum(wrong.values()) - len(wrong) > self.may_repeat:
            raise Violation(f"L2: the hook was called {wrong} times, and not for {missing}")

    def _check_packed(self) -> None:
        """Each compressed segment is one whole gzip file; a plain one beside it has everything that it has."""
        for name in [one for one in self.kernel.names if self._is_packed(one)]:
            content, whole = unpack(bytes(self.kernel.names[name].data))
            plain = self.kernel.names.get(name.removesuffix(ENDING))
            if not whole or (plain is not None and not plain.data.startswith(content)):
                raise Violation(f"P1: {name} is no whole gzip file, or has what the plain one has not")

    def _is_packed(self, name: str) -> bool:
        """Whether this is a compressed segment."""
        return name.endswith(ENDING) and name not in self.foreign and self._order_of(name.removesuffix(ENDING)) is not None

    def _contents(self) -> list[tuple[str, bytes]]:
        """A compressed segment by the name and with the content that it had."""
        found: list[tuple[str, bytes]] = []
        for name, data in super()._contents():
            if not self._is_packed(name):
                found += [] if _HIDDEN.fullmatch(name) else [(name, data)]
            elif name.removesuffix(ENDING) not in self.kernel.names:
                found.append((name.removesuffix(ENDING), unpack(data)[0]))
        return found

    def _file_of(self, name: str) -> Inode | None:
        return super()._file_of(name) or self.sealed.get(name)
