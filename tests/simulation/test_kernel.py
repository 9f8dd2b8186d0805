"""The simulated kernel is checked against the real one: the same random calls, the same answers, the same files at the end.

On tmpfs, on ext4 on a loop device, and on whatever the test's folder is on. What cannot be the same is compared by its
structure: which of the names and descriptors there are now are one file. Times are not compared.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from _kernel import BLOCK, EXCLUSIVE, SHARED, UNLOCK, Kernel, Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpfhandler._platform.posix import POSIX

pytestmark = pytest.mark.simulation

ROOT = "/d"
NAMES = ("a", "b", "c", "sub/a", "missing/a")
LOCKS = {EXCLUSIVE: fcntl.LOCK_EX, SHARED: fcntl.LOCK_SH, UNLOCK: fcntl.LOCK_UN}
FLAGS = (
    os.O_RDONLY,
    os.O_RDWR,
    os.O_WRONLY | os.O_APPEND,
    os.O_RDWR | os.O_CREAT,
    os.O_WRONLY | os.O_APPEND | os.O_CREAT,
    os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL,
    os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
)

names = st.sampled_from(NAMES)
anything = st.sampled_from((*NAMES, "sub"))  # a folder, too: folders are never renamed
handles = st.integers(0, 5)  # the how many-th of the descriptors that are open
sizes = st.sampled_from([0, 1, 7, 100, BLOCK - 1, BLOCK, BLOCK + 1])
calls = st.one_of(
    st.tuples(st.just("open"), names, st.sampled_from(FLAGS)),
    st.tuples(st.just("open"), anything, st.sampled_from(FLAGS[1:])),  # a folder that is open for reading is nothing to compare
    st.tuples(st.just("close"), handles),
    st.tuples(st.just("dup"), handles),
    st.tuples(st.just("open_again"), handles, st.sampled_from((os.O_RDONLY, os.O_WRONLY | os.O_APPEND, os.O_RDWR))),
    st.tuples(st.just("write"), handles, sizes),
    st.tuples(st.just("pwrite"), handles, sizes, st.integers(0, 200)),
    st.tuples(st.just("pread"), handles, sizes, st.integers(0, 200)),
    st.tuples(st.just("lseek"), handles, st.integers(-10, 200), st.sampled_from([0, 1, 2])),
    st.tuples(st.just("flock"), handles, st.sampled_from([EXCLUSIVE, SHARED, UNLOCK])),
    st.tuples(st.just("fstat"), handles),
    st.tuples(st.just("fchmod"), handles, st.sampled_from([0o600, 0o644])),
    st.tuples(st.just("stat"), anything),
    st.tuples(st.just("rename"), names, names),
    st.tuples(st.just("rename_new"), names, names),
    st.tuples(st.just("link"), names, names),
    st.tuples(st.just("unlink"), anything),
    st.tuples(st.just("truncate"), anything, sizes),
    st.tuples(st.just("listdir"), st.sampled_from([".", "sub", "missing", "a"])),
    st.tuples(st.just("mkdir"), st.sampled_from(["sub", "missing/sub"])),
    st.tuples(st.just("rmdir"), st.sampled_from(["sub", "a"])),
)


class Real:
    """The calls on the kernel."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fds: list[int] = []

    def call(self, name: str, *arguments: Any) -> Any:
        return getattr(self, name)(*arguments)

    def _path(self, name: str) -> str:
        return str(self.folder / name)

    def _fd(self, handle: int) -> int:
        return self.fds[handle % len(self.fds)] if self.fds else -1

    def open(self, name: str, flags: int) -> None:
        self.fds.append(os.open(self._path(name), flags, 0o666))

    def close(self, handle: int) -> None:
        fd = self._fd(handle)
        os.close(fd)
        self.fds.remove(fd)

    def dup(self, handle: int) -> None:
        self.fds.append(os.dup(self._fd(handle)))

    def open_again(self, handle: int, flags: int) -> None:
        self.fds.append(os.open(f"/proc/self/fd/{self._fd(handle)}", flags))

    def write(self, handle: int, size: int) -> int:
        return os.write(self._fd(handle), filler(size))

    def pwrite(self, handle: int, size: int, offset: int) -> int:
        return os.pwrite(self._fd(handle), filler(size), offset)

    def pread(self, handle: int, size: int, offset: int) -> bytes:
        return os.pread(self._fd(handle), size, offset)

    def lseek(self, handle: int, offset: int, whence: int) -> int:
        return os.lseek(self._fd(handle), offset, whence)

    def flock(self, handle: int, kind: str) -> None:
        fd = self._fd(handle)
        if fd < 0:
            raise OSError(errno.EBADF, "")
        fcntl.flock(fd, LOCKS[kind] | fcntl.LOCK_NB)

    def fstat(self, handle: int) -> Any:
        return os.fstat(self._fd(handle))

    def fchmod(self, handle: int, mode: int) -> None:
        os.fchmod(self._fd(handle), mode)

    def stat(self, name: str) -> Any:
        return os.stat(self._path(name))

    def rename(self, source: str, target: str) -> None:
        os.rename(self._path(source), self._path(target))

    def rename_new(self, source: str, target: str) -> None:
        POSIX.rename_new(self._path(source), self._path(target))

    def link(self, source: str, target: str) -> None:
        os.link(self._path(source), self._path(target))

    def unlink(self, name: str) -> None:
        os.unlink(self._path(name))

    def truncate(self, name: str, size: int) -> None:
        os.truncate(self._path(name), size)

    def listdir(self, name: str) -> list[str]:
        return sorted(os.listdir(self._path(name)))

    def mkdir(self, name: str) -> None:
        os.mkdir(self._path(name))

    def rmdir(self, name: str) -> None:
        os.rmdir(self._path(name))

    def end(self) -> dict[str, bytes]:
        for fd in self.fds:
            os.close(fd)
        return {str(p.relative_to(self.folder)): p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}


class Simulated:
    """The same calls on the simulation."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.kernel.mkdir(ROOT)
        self.table = Table()
        self.fds: list[int] = []

    def call(self, name: str, *arguments: Any) -> Any:
        return getattr(self, name)(*arguments)

    def _path(self, name: str) -> str:
        return ROOT if name == "." else f"{ROOT}/{name}"

    def _fd(self, handle: int) -> int:
        return self.fds[handle % len(self.fds)] if self.fds else -1

    def open(self, name: str, flags: int) -> None:
        self.fds.append(self.kernel.open(self.table, self._path(name), flags))

    def close(self, handle: int) -> None:
        fd = self._fd(handle)
        self.kernel.close(self.table, fd)
        self.fds.remove(fd)

    def dup(self, handle: int) -> None:
        self.fds.append(self.kernel.dup(self.table, self._fd(handle)))

    def open_again(self, handle: int, flags: int) -> None:
        self.fds.append(self.kernel.open_again(self.table, self._fd(handle), flags))

    def write(self, handle: int, size: int) -> int:
        return self.kernel.write(self.table, self._fd(handle), filler(size))

    def pwrite(self, handle: int, size: int, offset: int) -> int:
        return self.kernel.pwrite(self.table, self._fd(handle), filler(size), offset)

    def pread(self, handle: int, size: int, offset: int) -> bytes:
        return self.kernel.pread(self.table, self._fd(handle), size, offset)

    def lseek(self, handle: int, offset: int, whence: int) -> int:
        return self.kernel.lseek(self.table, self._fd(handle), offset, whence)

    def flock(self, handle: int, kind: str) -> None:
        self.kernel.flock(self.table, self._fd(handle), kind)

    def fstat(self, handle: int) -> Any:
        return self.kernel.fstat(self.table, self._fd(handle))

    def fchmod(self, handle: int, mode: int) -> None:
        self.kernel.fchmod(self.table, self._fd(handle), mode)

    def stat(self, name: str) -> Any:
        return self.kernel.stat(self._path(name))

    def rename(self, source: str, target: str) -> None:
        self.kernel.rename(self._path(source), self._path(target))

    def rename_new(self, source: str, target: str) -> None:
        self.kernel.rename(self._path(source), self._path(target), replace=False)

    def link(self, source: str, target: str) -> None:
        self.kernel.link(self._path(source), self._path(target))

    def unlink(self, name: str) -> None:
        self.kernel.unlink(self._path(name))

    def truncate(self, name: str, size: int) -> None:
        self.kernel.truncate(self._path(name), size)

    def listdir(self, name: str) -> list[str]:
        return self.kernel.listdir(self._path(name))

    def mkdir(self, name: str) -> None:
        self.kernel.mkdir(self._path(name))

    def rmdir(self, name: str) -> None:
        self.kernel.rmdir(self._path(name))

    def end(self) -> dict[str, bytes]:
        self.kernel.exit(self.table)
        return {name.removeprefix(ROOT + "/"): data for name, data in self.kernel.files().items()}


def filler(size: int) -> bytes:
    """Bytes that tell where they come from."""
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


def same(side: Real | Simulated, inode: int) -> tuple[list[str], list[int]]:
    """The names and descriptors that are this file now. Only files that live at the same time are compared: tmpfs does not use
    the number of one that is gone again, ext4 does."""
    found = []
    for name in NAMES:
        try:
            found += [name] if number(side.stat(name)) == inode else []
        except OSError:
            continue
    return found, [handle for handle in range(len(side.fds)) if number(side.fstat(handle)) == inode]


def number(result: Any) -> int:
    """The inode number in what stat(2) tells."""
    found: int = result.st_ino if isinstance(result, os.stat_result) else result.inode
    return found


def answer(side: Real | Simulated, call: tuple[Any, ...]) -> Any:
    """What a call gives, in a form that both sides share."""
    try:
        result = side.call(*call)
    except OSError as error:
        return "error", errno.errorcode[error.errno or 0]
    if call[0] not in {"stat", "fstat"}:
        return result
    if isinstance(result, os.stat_result):
        folder = not os.path.stat.S_ISREG(result.st_mode)  # type: ignore[attr-defined]
        size, links, mode = result.st_size, result.st_nlink, result.st_mode & 0o7777
    else:
        folder, size, links, mode = not result.regular, result.size, result.links, result.mode
    return ("folder",) if folder else ("file", size, links, mode, same(side, number(result)))


def compare(folder: Path, sequence: list[tuple[Any, ...]]) -> None:
    """The same calls on both sides."""
    real, simulated = Real(folder), Simulated()
    try:
        for position, call in enumerate(sequence):
            told = answer(real, call), answer(simulated, call)
            assert told[0] == told[1], f"call {position} {call}: the kernel says {told[0]}, the simulation {told[1]}"
    finally:
        files = real.end()
    assert files == simulated.end()


Place = Callable[[], Path]


@pytest.fixture(scope="module", params=["here", "tmpfs", "ext4"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Makes empty folders on a file system of this kind."""
    base = tmp_path_factory.mktemp("conformance")
    mounted = request.param != "here"
    if mounted:
        _mount(request.param, base)
    counter = iter(range(1 << 30))

    def empty() -> Path:
        folder = base / f"{next(counter)}"
        folder.mkdir()
        return folder

    yield empty
    if mounted:
        subprocess.run(["umount", str(base)], check=True)


def _mount(kind: str, folder: Path) -> None:
    if os.geteuid():
        pytest.skip("only root mounts file systems")
    image = folder.parent / f"{folder.name}.img"
    if kind == "tmpfs":
        commands = [["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]]
    else:
        image.write_bytes(b"")
        os.truncate(image, 64 << 20)
        commands = [["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop", str(image), str(folder)]]
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"{' '.join(command)}: {error}")


@settings(
    deadline=None,
    max_examples=int(os.environ.get("MPFHANDLER_PROOF_EXAMPLES", "300")),
    derandomize="MPFHANDLER_PROOF_EXAMPLES" not in os.environ,  # an ordinary run is the same each time
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=st.lists(calls, min_size=1, max_size=40))
def test_simulation_answers_as_the_kernel(place: Place, sequence: list[tuple[Any, ...]]) -> None:
    """Random calls give the same results, errors and files on both."""
    folder = place()
    try:
        compare(folder, sequence)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_full_disk_takes_what_fits(tmp_path: Path, blocks: int) -> None:
    """On a full tmpfs a write is cut at the end of the last block, and the next one fails: on both."""
    if os.geteuid():
        pytest.skip("only root mounts file systems")
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={blocks * BLOCK}", "tmpfs", str(tmp_path)], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no tmpfs: {error}")
    try:
        real, simulated = Real(tmp_path), Simulated()
        simulated.kernel.capacity = blocks * BLOCK
        calls = [("open", "a", FLAGS[4]), *[("write", 0, BLOCK - 1)] * (blocks + 2)]
        told = [[answer(side, call) for call in calls] for side in (real, simulated)]
        assert told[0] == told[1]
        assert ("error", "ENOSPC") in told[0]
        real.end()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_times_are_coarse_and_inode_numbers_come_back() -> None:
    """Both are so on ext4, and the protocol has to live with them."""
    kernel, table = Kernel(tick_ns=4_000_000), Table()
    first = kernel.open(table, "/a", FLAGS[4])
    number = kernel.fstat(table, first).inode
    kernel.uptime_ns += 1_000_000
    kernel.write(table, first, b"x")
    assert kernel.fstat(table, first).mtime_ns % 4_000_000 == 0
    kernel.close(table, first)
    kernel.unlink("/a")
    assert kernel.fstat(table, kernel.open(table, "/b", FLAGS[4])).inode == number


def test_power_cut_leaves_what_was_synced() -> None:
    """Data goes with fsync of the file, names with fsync of the folder."""
    kernel, table = Kernel(), Table()
    fd = kernel.open(table, "/a", FLAGS[4])
    kernel.write(table, fd, b"safe")
    kernel.fsync(table, fd)
    kernel.sync_folder("/")
    kernel.write(table, fd, b" lost")
    kernel.rename("/a", "/b")
    kernel.power_cut([table])
    assert kernel.files() == {"/a": b"safe"}


def test_power_cut_leaves_any_part() -> None:
    """Names as they were after one of their changes; of a file what was synced and some lines or blocks, or zeros behind them."""
    found: set[tuple[tuple[str, bytes], ...]] = set()
    for seed in range(300):
        kernel, table = Kernel(), Table()
        fd = kernel.open(table, "/a", FLAGS[4])
        kernel.write(table, fd, b"safe\n")
        kernel.sync()
        kernel.write(table, fd, b"ab\ncdef\n")
        kernel.rename("/a", "/b")
        kernel.open(table, "/a", FLAGS[4])
        kernel.power_cut([table], random.Random(seed).randrange, block=4)
        found.add(tuple(sorted(kernel.files().items())))
    assert {tuple(name for name, _ in files) for files in found} == {("/a",), ("/b",), ("/a", "/b")}
    ends = {b"safe\n", b"safe\nab\n", b"safe\nab\ncdef\n", b"safe\nab\ncdef\n"[:12]}
    zeros = {end + bytes(13 - len(end)) for end in ends}
    assert {data for files in found for _, data in files} == ends | zeros | {b""}
