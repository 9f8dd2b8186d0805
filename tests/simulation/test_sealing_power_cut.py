"""Sealing on the simulated kernel, with a power cut at every system call: the content that was safe before is there once in the
end, whatever part of the rest the disk has kept."""

from __future__ import annotations

import gzip
import os
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("greenlet", reason="simulated processes are greenlets")

from _kernel import EXCLUSIVE, SHARED, UNLOCK, Kernel, Table
from _process import file_stat

from mpfhandler._platform import Operations
from mpfhandler._platform.posix import POSIX
from mpfhandler._protocols.duties import Sealing, Step
from mpfhandler._protocols.sealing import seal_all
from mpfhandler._pure.naming import Names
from mpfhandler._pure.options import Access, Compression
from mpfhandler._pure.schedule import Schedule
from mpfhandler._resources.report import Reporter
from mpfhandler._resources.tracefile import Trace

pytestmark = pytest.mark.simulation

HOUR = Schedule.create("H", utc=True)
AT = 1_795_449_600  # 2026-11-23 16:00:00 UTC
PLAIN, PACKED = "/d/app.log.2026-11-23_16", "/d/app.log.2026-11-23_16.gz"
CONTENT = b"".join(b"2026-11-23 16:00:00,000 %d\n" % number for number in range(40))
BLOCK = 64  # bytes that the disk writes at once


class PowerCut(BaseException):
    """The machine is off."""


class Machine:
    """A simulated kernel, and the table of one process on it."""

    def __init__(self) -> None:
        self.kernel = Kernel(AT + 1800.0)
        self.table = Table()
        self.writer = Table()  # another process, which has records for the segment
        self.kernel.mkdir("/d")
        self.write(PLAIN, CONTENT)
        self.kernel.sync()
        self.kernel.step(86400)
        self.calls = 0
        self.cut_at = -1

    def write(self, path: str, data: bytes) -> None:
        """A file."""
        fd = self.kernel.open(self.table, path, os.O_WRONLY | os.O_CREAT)
        self.kernel.write(self.table, fd, data)
        self.kernel.close(self.table, fd)

    def date(self, path: str, modified_ns: int) -> None:
        """A file was written last then."""
        fd = self.kernel.open(self.table, path, os.O_RDWR)
        self.kernel.utimens(self.table, fd, modified_ns)
        self.kernel.close(self.table, fd)

    def cut(self, pick: Callable[[int], int]) -> None:
        """The power fails, and comes back."""
        self.kernel.power_cut([self.table, self.writer], pick, BLOCK)
        self.table, self.writer, self.cut_at = Table(), Table(), -1

    def ops(self) -> Operations:
        """What a process has."""
        kernel, table = self.kernel, self.table
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        entries: dict[str, Callable[..., Any]] = {
            "open_side": lambda path: kernel.open(table, path, os.O_RDWR),
            "open_read": lambda path: kernel.open(table, path, os.O_RDONLY),
            "open_new_private": lambda path: kernel.open(table, path, flags, 0o600),
            "close": lambda fd: kernel.close(table, fd),
            "write": lambda fd, data: kernel.write(table, fd, data),
            "write_at": lambda fd, data, at: kernel.pwrite(table, fd, data, at),
            "read_at": lambda fd, count, at: kernel.pread(table, fd, count, at),
            "stat_link": lambda path: file_stat(kernel.stat(path)),
            "stat_fd": lambda fd: file_stat(kernel.fstat(table, fd)),
            "set_mode": lambda fd, mode: kernel.fchmod(table, fd, mode),
            "set_owner": lambda fd, uid, gid: kernel.fchown(table, fd, uid, gid),
            "accessed": lambda _fd: 0,
            "set_times": lambda fd, _accessed, modified: kernel.utimens(table, fd, modified),
            "fsync": lambda fd: kernel.fsync(table, fd),
            "fsync_folder": kernel.sync_folder,
            "rename_new": lambda source, target: kernel.rename(source, target, replace=False),
            "rename_once": lambda source, target: kernel.rename(source, target, replace=False) is None,
            "link": kernel.link,
            "rename_over": kernel.rename,
            "unlink": kernel.unlink,
            "names": kernel.listdir,
            "try_lock": self._try_lock,
            "unlock": lambda fd: kernel.flock(table, fd, UNLOCK),
        }
        return replace(POSIX, **{name: self._counted(call) for name, call in entries.items()})

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self.may_be_cut()
            return call(*arguments)

        return counted

    def may_be_cut(self) -> None:
        """One call more, unless the power fails before it."""
        if 0 <= self.cut_at <= self.calls:
            raise PowerCut
        self.calls += 1

    def _try_lock(self, fd: int, exclusive: bool) -> bool:
        try:
            self.kernel.flock(self.table, fd, EXCLUSIVE if exclusive else SHARED)
        except BlockingIOError:
            return False
        return True

    def seal(self, rules: Sealing) -> None:
        """A process seals."""
        errors: list[Exception] = []
        report = Reporter(Trace(POSIX, "", Access(), enabled=False), errors.append)
        names = Names("/d/app.log", HOUR.suffix)
        seal_all(self.ops(), names, "/d", HOUR, rules, report, lambda: False, now=self.kernel.wall())
        assert errors == []

    def seen(self) -> dict[str, bytes]:
        """What can be seen, unpacked."""
        files = self.kernel.files().items()
        return {path: gzip.decompress(data) if path.endswith(".gz") else data for path, data in files if "/." not in path}


def twin(machine: Machine, data: bytes, *, safe: bool) -> None:
    """A process was killed, or the power failed, after it had named its compressed file."""
    machine.write(PACKED, data)
    machine.date(PACKED, machine.kernel.stat(PLAIN).mtime_ns)
    if safe:
        machine.kernel.sync()


PACKED_CONTENT = gzip.compress(CONTENT)
BEFORE: dict[str, Callable[[Machine], None]] = {
    "nothing": lambda _machine: None,
    "equal twin": lambda machine: twin(machine, PACKED_CONTENT, safe=True),
    "equal twin that is not on the disk": lambda machine: twin(machine, PACKED_CONTENT, safe=False),
    "half a twin": lambda machine: twin(machine, PACKED_CONTENT[:100], safe=False),
    "half a twin and zeros": lambda machine: twin(machine, PACKED_CONTENT[:100] + bytes(100), safe=True),
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("archived", [False, True])
def test_power_cut_at_any_call(before: str, archived: bool) -> None:
    """The plain segment goes only when its content is safe under another name, or the archive has it."""
    stored: list[bytes] = []

    def store(*_: object) -> dict[str, object]:
        stored.append(b"".join(machine.seen().values()))
        return {}

    step = Step("archive", store)
    rules = Sealing(10.0, Compression("gz", None, 0.0), "never", (step,), "archive" if archived else None)
    cut_at, ended = 0, False
    while not ended:
        for seed in range(3):
            stored.clear()
            machine = Machine()
            BEFORE[before](machine)
            machine.cut_at = cut_at
            try:
                machine.seal(rules)
                ended = True
            except PowerCut:
                pass
            machine.cut(random.Random(seed).randrange if seed else lambda _count: 0)
            left = machine.kernel.files()
            whole = left.get(PLAIN) == CONTENT or (PACKED in left and gzip.decompress(left[PACKED]) == CONTENT)
            assert whole or CONTENT in stored, f"cut before call {cut_at}, seed {seed}: {sorted(left)}"
            machine.seal(rules)
            assert machine.seen() == ({} if archived else {PACKED: CONTENT}), f"cut before call {cut_at}, seed {seed}"
            assert stored[-1] == CONTENT
            assert not [path for path in machine.kernel.files() if path.endswith(".tmp")]
        cut_at += 1
    assert cut_at > 20


class LateWriter:
    """A process that has a lease on the segment, writes late records to it and gives the lease up."""

    def __init__(self, machine: Machine, *, syncs: bool) -> None:
        self.machine = machine
        self.syncs = syncs
        self.written = b""
        self.safe = CONTENT  # what is certainly on the disk
        self.fd = machine.kernel.open(machine.writer, PLAIN, os.O_RDWR | os.O_APPEND)
        machine.kernel.flock(machine.writer, self.fd, SHARED)

    def write(self, number: int) -> None:
        """One late record."""
        machine, line = self.machine, b"2026-11-23 16:59:59,999 late %d\n" % number
        machine.may_be_cut()
        machine.kernel.write(machine.writer, self.fd, line)
        self.written += line
        if self.syncs:
            machine.may_be_cut()
            machine.kernel.fsync(machine.writer, self.fd)
            self.safe = CONTENT + self.written

    def end(self) -> None:
        """It lets the segment go."""
        self.machine.may_be_cut()
        self.machine.kernel.close(self.machine.writer, self.fd)


@pytest.mark.parametrize("syncs", [False, True], ids=["as the system likes", "each record on the disk"])
def test_power_cut_beside_a_late_writer(syncs: bool) -> None:
    """A segment stays plain as long as somebody writes to it, whatever a sealer does meanwhile. What was safe stays, and once the
    segment is compressed, so is what nobody had forced to the disk."""
    rules = Sealing(10.0, Compression("gz", None, 0.0))
    cut_at, ended = 0, False
    while not ended:
        for seed in range(4):
            machine = Machine()
            writer = LateWriter(machine, syncs=syncs)
            machine.cut_at = cut_at
            try:
                for number in range(3):
                    machine.seal(rules)
                    assert list(machine.seen()) == [PLAIN]
                    writer.write(number)
                writer.end()
                machine.seal(rules)
                assert machine.seen() == {PACKED: CONTENT + writer.written}
                ended = True
            except PowerCut:
                pass
            machine.cut(random.Random(seed).randrange if seed else lambda _count: 0)
            left = machine.kernel.files()
            whole = CONTENT + writer.written
            packed = PACKED in left and gzip.decompress(left[PACKED]) if PLAIN not in left else whole
            assert packed == whole, f"cut before call {cut_at}, seed {seed}: {sorted(left)}"
            assert left.get(PLAIN, whole).startswith(writer.safe), f"cut before call {cut_at}, seed {seed}"
            machine.seal(rules)
            (content,) = machine.seen().values()
            assert list(machine.seen()) == [PACKED]
            assert content.startswith(writer.safe), f"cut before call {cut_at}, seed {seed}: {content!r}"
            assert not [path for path in machine.kernel.files() if path.endswith(".tmp")]
        cut_at += 1
    assert cut_at > 30
