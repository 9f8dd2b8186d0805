"""The simulated kernel is checked against the real one: the same random calls, the same answers, the same files at the end.

On tmpfs, on ext4 on a loop device, and on whatever the test's folder is on. What cannot be the same is compared by its
structure: which of the names and descriptors there are now are one file, which calls have changed a file's times, which files
have a number that was another one's before. The times of folders are not compared: the simulation does not keep them.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from _kernel import BLOCK, EXCLUSIVE, SHARED, UNLOCK, Kernel, Stat, Table
from _sides import IS_ROOT, NAMES, Call, Real, Side, Simulated, answer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.simulation

EXAMPLES = int(os.environ.get("MPFHANDLER_PROOF_EXAMPLES", "300"))
OWNERS = (-1, 0, 1234) if IS_ROOT else (-1,)
FLAGS = (
    os.O_RDONLY,
    os.O_RDWR,
    os.O_WRONLY | os.O_APPEND,
    os.O_RDWR | os.O_CREAT,
    os.O_WRONLY | os.O_APPEND | os.O_CREAT,
    os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL,
    os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
)

NEW = ("open", "a", FLAGS[3])  # or once more

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
    st.tuples(st.just("fchown"), handles, st.sampled_from(OWNERS), st.sampled_from(OWNERS)),
    st.tuples(st.just("touch"), handles),
    st.tuples(st.just("utimens"), handles, st.sampled_from([0, 1_600_000_000_123_456_789])),
    st.tuples(st.just("fsync"), handles),
    st.tuples(st.just("sync_folder"), st.sampled_from([".", "sub", "missing", "a"])),
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


def compare(folder: Path, sequence: list[Call]) -> None:
    """The same calls on both sides."""
    real, simulated = Real(folder), Simulated()
    try:
        for position, call in enumerate(sequence):
            told = answer(real, call), answer(simulated, call)
            assert told[0] == told[1], f"call {position} {call}: the kernel says {told[0]}, the simulation {told[1]}"
    finally:
        files = real.end()
    assert files == simulated.end()


Place = Callable[[], AbstractContextManager[Path]]


@pytest.fixture(scope="module", params=["here", "tmpfs", "ext4"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Makes empty folders on a file system of this kind, which are gone afterwards."""
    base = tmp_path_factory.mktemp("conformance")
    mounted = request.param != "here"
    if mounted:
        _mount(request.param, base)
    counter = iter(range(1 << 30))

    @contextmanager
    def empty() -> Iterator[Path]:
        folder = base / f"{next(counter)}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    yield empty
    if mounted:
        subprocess.run(["umount", str(base)], check=True)


def _mount(kind: str, folder: Path) -> None:
    if not IS_ROOT:
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


def examples(count: int) -> settings:
    """So many random sequences; an ordinary run is the same each time."""
    return settings(
        deadline=None,
        max_examples=count,
        derandomize="MPFHANDLER_PROOF_EXAMPLES" not in os.environ,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@examples(EXAMPLES)
@given(sequence=st.lists(calls, min_size=1, max_size=40))
@example(sequence=[NEW, ("fchown", 0, OWNERS[-1], -1), ("fchown", 0, -1, OWNERS[-1]), ("fstat", 0)])
@example(sequence=[NEW, ("sync_folder", "a"), ("sync_folder", "missing"), ("sync_folder", ".")])
def test_simulation_answers_as_the_kernel(place: Place, sequence: list[Call]) -> None:
    """Random calls give the same results, errors and files on both."""
    with place() as folder:
        compare(folder, sequence)


own = st.one_of(
    st.tuples(st.just("open"), st.sampled_from(NAMES[:2]), st.sampled_from(FLAGS[3:5])),
    st.tuples(st.just("close"), handles),
    st.tuples(st.just("dup"), handles),
    st.tuples(st.just("write"), handles, st.sampled_from([1, 7])),
    st.tuples(st.just("lseek"), handles, st.integers(0, 3), st.sampled_from([0, 1])),
    st.tuples(st.just("flock"), handles, st.sampled_from([EXCLUSIVE, SHARED, UNLOCK])),
    st.tuples(st.just("fork")),
    st.tuples(st.just("exit"), handles),
)
of_child = st.tuples(st.just("child"), handles, own)
of_grandchild = st.tuples(st.just("child"), handles, of_child)
LOCK, TRY = ("flock", 0, EXCLUSIVE), ("flock", 1, EXCLUSIVE)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # of the test runner's threads
@examples(max(EXAMPLES // 10, 100))
@given(sequence=st.lists(st.one_of(own, of_child, of_grandchild), max_size=25))
@example(sequence=[("write", 0, 7), ("child", 0, ("lseek", 0, 0, 1)), ("child", 0, ("write", 0, 7)), ("lseek", 0, 0, 1)])
@example(sequence=[LOCK, ("child", 0, ("close", 0)), NEW, TRY, ("close", 0), ("flock", 0, EXCLUSIVE)])
@example(sequence=[LOCK, ("close", 0), NEW, ("flock", 0, EXCLUSIVE), ("exit", 0), ("flock", 0, EXCLUSIVE)])
@example(sequence=[LOCK, NEW, ("child", 0, ("flock", 0, UNLOCK)), TRY, ("child", 0, ("flock", 0, EXCLUSIVE))])
@example(sequence=[NEW, LOCK, ("child", 0, ("flock", 0, SHARED)), ("flock", 1, SHARED), ("child", 0, ("flock", 0, EXCLUSIVE))])
def test_forked_processes_share_what_is_open(place: Place, sequence: list[Call]) -> None:
    """A child has its parent's positions and locks: its close leaves a lock, its unlock ends it; what it opens is its own."""
    with place() as folder:
        compare(folder, [NEW, ("fork",), *sequence])


def stamps(side: Side) -> dict[int, Stat]:
    """Every file there is, by its number."""
    return {found.inode: found for _, found in side.look() if found.regular}


def changed(side: Side, before: dict[int, Stat]) -> list[tuple[object, ...]]:
    """For each name and descriptor: whether the file is new, or which of its times have changed; and which one is later."""
    told: list[tuple[object, ...]] = []
    for one, now in side.look():
        if now.regular:
            then = before.get(now.inode)
            times = (then.mtime_ns != now.mtime_ns, then.ctime_ns != now.ctime_ns) if then is not None else ("new",)
            told.append((one, *times, (now.mtime_ns > now.ctime_ns) - (now.mtime_ns < now.ctime_ns)))
    return told


def pass_a_tick(probe: Path) -> None:
    """Until a file that is changed now gets a time that no file has. The clock for that may go in steps of some milliseconds."""
    probe.touch()
    before = probe.stat().st_mtime_ns
    probe.touch()
    while probe.stat().st_mtime_ns == before:
        time.sleep(0.001)
        probe.touch()


@examples(max(EXAMPLES // 40, 60))
@given(sequence=st.lists(calls, min_size=8, max_size=20))
@example(
    sequence=[("link", "a", "c"), ("rename", "b", "a"), ("write", 0, 7), ("write", 0, 0), ("fchmod", 0, 0o600), ("touch", 0)]
)
@example(sequence=[("link", "a", "c"), ("unlink", "a"), ("open", "c", FLAGS[6]), ("fchown", 0, -1, -1), ("pwrite", 0, 7, 0)])
def test_the_same_calls_change_times(place: Place, sequence: list[Call]) -> None:
    """A call changes mtime and ctime of the same files on both, if it comes at a time of its own."""
    with place() as folder, place() as beside:
        real, simulated = Real(folder), Simulated()
        try:
            for position, call in enumerate([NEW, ("open", "b", FLAGS[4]), *sequence]):
                if any(call == ("truncate", one, found.size) for one, found in simulated.look()):
                    continue  # the times stay on tmpfs then, and change on ext4
                before = stamps(real), stamps(simulated)
                pass_a_tick(beside / "probe")
                simulated.kernel.uptime_ns += simulated.kernel.tick_ns
                assert answer(real, call) == answer(simulated, call)
                told = changed(real, before[0]), changed(simulated, before[1])
                assert told[0] == told[1], f"call {position} {call}: the kernel says {told[0]}, the simulation {told[1]}"
        finally:
            real.end()


one_folder = st.sampled_from(NAMES[:3])  # ext4 takes the lowest free number of the folder's group of blocks
comings_and_goings = st.one_of(
    st.tuples(st.just("open"), one_folder, st.sampled_from(FLAGS[3:5])),
    st.tuples(st.just("close"), handles),
    st.tuples(st.just("dup"), handles),
    st.tuples(st.just("open_again"), handles, st.just(os.O_RDONLY)),
    st.tuples(st.just("write"), handles, sizes),
    st.tuples(st.just("rename"), one_folder, one_folder),
    st.tuples(st.just("link"), one_folder, one_folder),
    st.tuples(st.just("unlink"), one_folder),
    st.tuples(st.just("fsync"), handles),
    st.tuples(st.just("sync_folder"), st.just(".")),
)


@pytest.mark.parametrize("place", ["ext4"], indirect=True)
@examples(max(EXAMPLES // 3, 300))
@given(sequence=st.lists(comings_and_goings, min_size=3, max_size=40))
@example(sequence=[NEW, ("unlink", "a"), ("open", "b", FLAGS[3]), ("close", 0), ("open", "c", FLAGS[3])])
@example(sequence=[NEW, ("close", 0), ("sync_folder", "."), ("unlink", "a"), ("open", "b", FLAGS[3])])
@example(sequence=[NEW, ("open", "b", FLAGS[3]), *[("close", 0)] * 2, ("unlink", "a"), ("unlink", "b"), ("open", "c", FLAGS[3])])
def test_inode_numbers_come_back_as_on_ext4(place: Place, sequence: list[Call]) -> None:
    """A new file has the number of the same earlier one on both, or of none."""
    with place() as folder:
        real, simulated = Real(folder), Simulated()
        numbers: dict[int, int] = {}  # of the simulation, and of the kernel
        try:
            for position, call in enumerate(sequence):
                assert answer(real, call) == answer(simulated, call)
                for (_, one), (_, other) in zip(real.look(), simulated.look(), strict=True):
                    told = f"call {position} {call}: {one.inode} is {other.inode} in the simulation; so far {numbers}"
                    assert numbers.setdefault(other.inode, one.inode) == one.inode, told
                assert len(set(numbers.values())) == len(numbers), (
                    f"call {position} {call}: one is two in the simulation, {numbers}"
                )
        finally:
            real.end()


@pytest.mark.parametrize("place", ["tmpfs"], indirect=True)
def test_inode_numbers_do_not_come_back_on_tmpfs(place: Place) -> None:
    """What is fixed by a number that comes back is never seen there: the simulation is as ext4 is."""
    with place() as folder:
        numbers = set()
        for _ in range(20):
            (folder / "a").touch()
            numbers.add((folder / "a").stat().st_ino)
            (folder / "a").unlink()
        assert len(numbers) == 20


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_full_disk_takes_what_fits(tmp_path: Path, blocks: int) -> None:
    """On a full tmpfs a write is cut at the end of the last block, and the next one fails: on both."""
    if not IS_ROOT:
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


def test_power_cut_leaves_no_number_to_two_files() -> None:
    """Of two folders one was synced: a deleted file is back, and another one has had its number meanwhile."""
    kernel, table = Kernel(), Table()
    kernel.mkdir("/d")
    kernel.close(table, kernel.open(table, "/a", FLAGS[4]))
    kernel.sync()
    number = kernel.stat("/a").inode
    kernel.unlink("/a")
    kernel.close(table, kernel.open(table, "/d/b", FLAGS[4]))
    assert kernel.stat("/d/b").inode == number
    kernel.sync_folder("/d")
    kernel.power_cut([table])
    assert len({kernel.stat(name).inode for name in ("/a", "/d/b")}) == 2


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
