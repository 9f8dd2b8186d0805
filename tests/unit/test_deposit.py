"""Archiving by the rules D1 to D5: once, whole, over nothing; in a folder, and in stores of several kinds of honesty."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from mpfhandler._platform import OPERATIONS, Operations
from mpfhandler._platform.renaming import take_and_rename
from mpfhandler._protocols.archive import Archive
from mpfhandler._protocols.deposit import Job, deposit
from mpfhandler._pure.naming import Names, SegmentName
from mpfhandler._pure.target import parse_target
from mpfhandler._resources.content import Content
from mpfhandler._resources.store import Facts, Store
from mpfhandler._resources.store_folder import FolderStore

SUFFIX = "%Y-%m-%d_%H"
DATA = b"2026-11-23 16:00:00 a record\n" * 20_000
TARGET = parse_target("archive", "s3://bucket/p")
NAME = "app.log.2026-11-23_16"
PERIOD = SegmentName(datetime(2026, 11, 23, 16))


@dataclass
class Segment:
    """What `store` looks at."""

    path: str


@dataclass
class Memory:
    """An object store in memory. Real ones tell an MD5 sum, or something else; some cannot refuse to write over."""

    refuses: bool = True
    e_tag: Callable[[bytes], str | None] = lambda data: hashlib.md5(data).hexdigest()
    objects: dict[str, bytes] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    spoil: Callable[[bytes], bytes] = lambda data: data
    before_create: Callable[[str], None] = lambda key: None

    def facts(self, key: str) -> Facts | None:
        self.log.append(f"facts {key}")
        data = self.objects.get(key)
        return None if data is None else Facts(len(data), self.e_tag(data))

    def blocks(self, key: str) -> Iterator[bytes]:
        self.log.append(f"blocks {key}")
        yield self.objects[key]

    def create(self, key: str, content: Content) -> None:
        self.log.append(f"create {key}")
        self.before_create(key)
        if self.refuses and key in self.objects:
            raise FileExistsError(key)
        self.objects[key] = b"".join(content.blocks()) if key.endswith(".owner") else self.spoil(b"".join(content.blocks()))


class Forgetful(Memory):
    """Takes everything, keeps nothing."""

    def create(self, key: str, content: Content) -> None:
        """Reads it all the same."""
        assert b"".join(content.blocks())


def job(folder: Path, name: str = NAME, data: bytes = DATA, host: str = "web", **changes: Any) -> Job:
    """A segment on disk that is to be stored."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    found = Names(str(folder / "app.log"), SUFFIX).read(str(folder / name))
    assert found is not None
    made = Job(
        TARGET.url, host, "app.log", str(folder / name), name, found.index, found.compression, str(folder / ".app.log.owner")
    )
    return replace(made, **changes)


def run(store: Store, one: Job, ops: Operations = OPERATIONS) -> dict[str, object]:
    """Store it, unhindered."""
    return deposit(ops, store, TARGET, one, lambda: False)


@pytest.fixture(params=["md5", "opaque", "none"])
def store(request: pytest.FixtureRequest) -> Memory:
    """Stores whose e-tags are sums, something else, or missing."""
    kinds: dict[str, Callable[[bytes], str | None]] = {
        "md5": lambda data: hashlib.md5(data).hexdigest(),
        "opaque": lambda data: hashlib.md5(b"secret" + data).hexdigest(),
        "none": lambda _: None,
    }
    return Memory(e_tag=kinds[request.param])


def test_stored(store: Memory, tmp_path: Path) -> None:
    """Below host and log by the segment's name, with evidence, and the claim beside it."""
    evidence = run(store, job(tmp_path))
    assert evidence == {"url": f"s3://bucket/p/web/app.log/{NAME}", "size": len(DATA), "sha256": hashlib.sha256(DATA).hexdigest()}
    assert store.objects == {f"web/app.log/{NAME}": DATA, "web/app.log/.owner": (tmp_path / ".app.log.owner").read_bytes()}


def test_the_same_content_is_not_stored_twice(store: Memory, tmp_path: Path) -> None:
    """D3: a process that died before it wrote the evidence down gets the same again."""
    first = run(store, job(tmp_path))
    store.log.clear()
    assert run(store, job(tmp_path)) == first
    assert not [line for line in store.log if line.startswith("create")]


def test_an_e_tag_that_is_a_sum_saves_reading_back(tmp_path: Path) -> None:
    """D5: a gigabyte is not fetched back from a store that has told its MD5 sum, neither after storing nor when it is found."""
    store = Memory()
    run(store, job(tmp_path))
    run(store, job(tmp_path))
    assert f"blocks web/app.log/{NAME}" not in store.log


def test_nothing_is_written_over(store: Memory, tmp_path: Path) -> None:
    """D3: the same name with other content gets the next number, also of the same length, and each is found again later."""
    contents = [DATA, DATA[:-1] + b"!", b"", b"short"]
    urls = [run(store, job(tmp_path, data=data))["url"] for data in contents]
    assert urls == [f"s3://bucket/p/web/app.log/{NAME}{number}" for number in ("", ".1", ".2", ".3")]
    assert [run(store, job(tmp_path, data=data))["url"] for data in contents] == urls
    assert [store.objects[f"web/app.log/{NAME}{number}"] for number in ("", ".1", ".2", ".3")] == contents


@pytest.mark.parametrize("refuses", [True, False])
def test_another_hosts_is_left_alone(refuses: bool, store: Memory, tmp_path: Path) -> None:
    """D2: two machines of one name have folders of their own in the archive."""
    store.refuses = refuses
    first = run(store, job(tmp_path / "one", data=b"of the one"))
    second = run(store, job(tmp_path / "two", data=b"of the two"))
    own = (tmp_path / "two" / ".app.log.owner").read_text().strip()
    assert first["url"] == f"s3://bucket/p/web/app.log/{NAME}"
    assert second["url"] == f"s3://bucket/p/web/app.log-{own}/{NAME}"
    assert store.objects[f"web/app.log/{NAME}"] == b"of the one"
    again = run(store, job(tmp_path / "two", "app.log.2026-11-23_17", b"more"))
    assert again["url"] == f"s3://bucket/p/web/app.log-{own}/app.log.2026-11-23_17"


@pytest.mark.parametrize("refuses", [True, False])
def test_a_claim_in_the_same_moment(refuses: bool, store: Memory, tmp_path: Path) -> None:
    """D2: who claims second goes elsewhere; in a store that cannot refuse, who claimed first does, from the next time on."""
    store.refuses = refuses
    other = job(tmp_path / "two", data=b"of the two")

    def meanwhile(_key: str) -> None:
        store.before_create = lambda _: None
        run(store, other)

    store.before_create = meanwhile
    run(store, job(tmp_path / "one", data=b"of the one"))
    owner = store.objects["web/app.log/.owner"]
    mine = {(tmp_path / name / ".app.log.owner").read_bytes(): name for name in ("one", "two")}[owner]
    assert mine == ("two" if refuses else "one")
    for name in ("one", "two"):
        run(store, job(tmp_path / name, "app.log.2026-11-23_17", f"more of {name}".encode()))
    assert store.objects["web/app.log/app.log.2026-11-23_17"] == f"more of {mine}".encode()
    everything = [data for key, data in store.objects.items() if not key.endswith(".owner")]
    assert sorted(everything) == sorted([b"of the one", b"of the two", b"more of one", b"more of two"])


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: data[:-1] + b"?"], ids=["shorter", "other"])
def test_what_arrives_otherwise_is_no_success(spoil: Callable[[bytes], bytes], store: Memory, tmp_path: Path) -> None:
    """D5: an error; the next try leaves the bad object alone and stores the segment beside it."""
    store.spoil = spoil
    with pytest.raises(OSError, match="arrived otherwise"):
        run(store, job(tmp_path))
    store.spoil = lambda data: data
    assert str(run(store, job(tmp_path))["url"]).endswith(f"{NAME}.1")
    assert store.objects[f"web/app.log/{NAME}.1"] == DATA


def test_an_object_that_comes_in_the_same_moment(store: Memory, tmp_path: Path) -> None:
    """D4: created between look and creation by somebody who follows no rules: not written over, and told."""

    def meanwhile(key: str) -> None:
        if not key.endswith(".owner"):
            store.objects[key] = b"somebody else's"

    store.before_create = meanwhile
    with pytest.raises(OSError, match="arrived otherwise"):
        run(store, job(tmp_path))
    assert store.objects[f"web/app.log/{NAME}"] == b"somebody else's"


def test_an_object_that_vanishes(store: Memory, tmp_path: Path) -> None:
    """D5: a store that forgets at once is told as such."""
    one = job(tmp_path)
    run(store, one)
    store.objects.pop(f"web/app.log/{NAME}")
    with pytest.raises(OSError, match="not there after"):
        run(Forgetful(objects=store.objects), one)


def test_odd_names(store: Memory, tmp_path: Path) -> None:
    """Whatever a host and a log are called; a folder that a `namer` chose stays one."""
    one = replace(job(tmp_path), host="web/ä", log="my app%.log", name="2026-11/app log")
    assert run(store, one)["url"] == "s3://bucket/p/web%2F%C3%A4/my%20app%25.log/2026-11/app%20log"


def test_one_process_at_a_time(store: Memory, tmp_path: Path) -> None:
    """D1: who comes second waits for the lock of the log's number, until it is asked to stop."""
    one = job(tmp_path)
    run(store, one)
    store.log.clear()
    asked: list[int] = []

    def stop() -> bool:
        asked.append(len(store.log))
        return len(asked) > 8  # three for the blocks of the sums, the others while it waits

    with Path(one.owner_file).open("rb") as held:
        import fcntl

        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InterruptedError):
            deposit(OPERATIONS, store, TARGET, one, stop)
    assert store.log == []
    run(store, one)


def test_nobody_waits_for_long(store: Memory, tmp_path: Path) -> None:
    """D1: the other process may be uploading for hours; then it is this one's turn another time."""
    one = job(tmp_path)
    hand = [0.0]

    def sleep(seconds: float) -> None:
        hand[0] += seconds
        assert hand[0] < 60

    with Path(one.owner_file).open("wb") as held:
        import fcntl

        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InterruptedError, match="another process"):
            run(store, one, replace(OPERATIONS, sleep=sleep, monotonic=lambda: hand[0]))
    assert 29 < hand[0] < 31


def test_the_number_is_made_once(store: Memory, tmp_path: Path) -> None:
    """D1: of many that begin at once, and after one that was killed while it wrote the number."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / ".app.log.owner").write_bytes(b"0123456789abcdef")  # a part of one: it was never used
    jobs = [job(folder, f"{NAME}.{number}", f"{number}".encode()) for number in range(1, 9)]
    threads = [threading.Thread(target=run, args=(store, one)) for one in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([key for key in store.objects if key.endswith(".owner")]) == 1
    assert len(store.objects) == 9
    assert len((folder / ".app.log.owner").read_bytes()) == 33


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to give files away")
def test_who_may_read_the_number(store: Memory, tmp_path: Path) -> None:
    """Who may read the segment: a worker of another user's archives it, too, and locks what it may only read."""
    one = job(tmp_path)
    os.chmod(one.file, 0o640)
    os.chown(one.file, 1234, 2345)
    run(store, one)
    found = os.stat(one.owner_file)
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (0o640, 1234, 2345)


@pytest.mark.parametrize("text", [b"somebody's notes", b"0" * 40, b"0" * 31 + b"\n", b"0" * 32 + b"\nmore"])
def test_a_file_of_somebody_else(text: bytes, store: Memory, tmp_path: Path) -> None:
    """P4: what stands where the number would is neither used nor written over."""
    one = job(tmp_path)
    Path(one.owner_file).write_bytes(text)
    with pytest.raises(FileExistsError, match="is no file of mpfhandler's"):
        run(store, one)
    assert Path(one.owner_file).read_bytes() == text


def test_the_file_of_the_number_is_deleted(store: Memory, tmp_path: Path) -> None:
    """D1: a lock of a file without a name is none; the next number has a folder of its own."""
    one = job(tmp_path)
    ops = OPERATIONS
    deleted: list[str] = []

    def lock(fd: int, exclusive: bool) -> bool:
        found = ops.try_lock(fd, exclusive)
        if not deleted:
            deleted.append(one.owner_file)
            os.unlink(one.owner_file)
        return found

    run(store, one, replace(ops, try_lock=lock))
    assert deleted
    assert store.objects["web/app.log/.owner"] == Path(one.owner_file).read_bytes()


def folder_archive(root: Path, logs: Path, ops: Operations = OPERATIONS, host: str = "web") -> Archive:
    """An archive in a folder."""
    return Archive(Path(root).as_uri(), host, str(logs / "app.log"), ops=ops)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where it is."""
    (tmp_path / "mnt").mkdir()
    return tmp_path / "mnt"


def files(root: Path) -> dict[str, bytes]:
    """What is in it, but for the claims."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != ".owner"
    }


def test_a_folder(root: Path, tmp_path: Path) -> None:
    """Stored with the segment's mode, once, over nothing."""
    one = job(tmp_path / "logs")
    os.chmod(one.file, 0o604)
    archive = folder_archive(root, tmp_path / "logs")
    evidence = archive.store(Segment(one.file), PERIOD)
    assert unquote(str(evidence["url"])) == unquote(f"{Path(root).as_uri()}/web/app.log/{NAME}")
    assert files(root) == {f"web/app.log/{NAME}": DATA}
    stored = root / "web/app.log" / NAME
    before = stored.stat()
    assert before.st_mode & 0o777 == 0o604
    assert archive.store(Segment(one.file), PERIOD) == evidence
    assert stored.stat() == before
    Path(one.file).write_bytes(b"other")
    archive.store(Segment(one.file), PERIOD)
    assert files(root) == {f"web/app.log/{NAME}": DATA, f"web/app.log/{NAME}.1": b"other"}


def test_a_compressed_segment(root: Path, tmp_path: Path) -> None:
    """Its number goes before the ending, whether the name that comes with it tells of the compression or not."""
    archive = folder_archive(root, tmp_path / "logs")
    for data, name in ((b"one", PERIOD), (b"two", PERIOD), (b"three", replace(PERIOD, compression="gz"))):
        archive.store(Segment(job(tmp_path / "logs", f"{NAME}.gz", data).file), name)
    assert files(root) == {
        f"web/app.log/{NAME}{end}": data for end, data in ((".gz", b"one"), (".1.gz", b"two"), (".2.gz", b"three"))
    }


def test_a_folder_of_the_namers(root: Path, tmp_path: Path) -> None:
    """It is one in the archive, too, from the log's own on, or from what it has in common with that: the period may stand in the
    folder alone, and one name has a limited number of followers."""
    for folder in (tmp_path / "logs" / "2026-11", tmp_path / "elsewhere" / "2026-11", tmp_path):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "16.log").write_bytes(folder.name.encode())
        folder_archive(root, tmp_path / "logs").store(Segment(str(folder / "16.log")), PERIOD)
    names = ("2026-11/16.log", "elsewhere/2026-11/16.log", "16.log")
    assert files(root).keys() == {f"web/app.log/{name}" for name in names}


@pytest.mark.skipif(os.sep != "/", reason="paths of POSIX systems")
@pytest.mark.parametrize("folder", ["/", "/var/log"])
def test_where_a_segment_lies_in_the_archive(folder: str) -> None:
    """Also for a log in the root folder, or a segment there."""
    archive = Archive("file:///mnt", "web", os.path.join(folder, "app.log"))
    names = {path: archive._job(path, PERIOD).name for path in ("/x", "/var/log/x", "/var/log2/2026/x")}
    beside = {"/x": "x", "/var/log/x": "x", "/var/log2/2026/x": "log2/2026/x"}
    assert names == (beside if folder != "/" else {path: path[1:] for path in names})


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """What is not mounted is not made: nobody wants the logs on the disk below."""
    one = job(tmp_path / "logs")
    archive = folder_archive(tmp_path / "gone", tmp_path / "logs")
    with pytest.raises(FileNotFoundError, match="mount"):
        archive.store(Segment(one.file), PERIOD)
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("kind", ["folder", "link", "fifo"])
def test_something_else_has_the_name(kind: str, root: Path, tmp_path: Path) -> None:
    """P4: a folder, a symbolic link or a fifo in the place of the object is left alone."""
    one = job(tmp_path / "logs")
    place = root / "web" / "app.log" / NAME
    place.parent.mkdir(parents=True)
    {"folder": place.mkdir, "fifo": lambda: os.mkfifo(place), "link": lambda: place.symlink_to(tmp_path / "elsewhere")}[kind]()
    evidence = folder_archive(root, tmp_path / "logs").store(Segment(one.file), PERIOD)
    assert str(evidence["url"]).endswith(f"{NAME}.1")
    assert not (tmp_path / "elsewhere").exists()


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


CALLS = [
    one.name
    for one in fields(Operations)
    if one.name not in {"fault", "forbidden", "now", "monotonic", "sleep", "pid", "threads", "close"}
]


def counting(ends: Callable[[int, str], bool], error: Callable[[], BaseException]) -> tuple[Operations, list[str]]:
    """Operations that end at one of the calls, and what was called. After a kill nothing works but closing: the kernel does."""
    called: list[str] = []
    dead: list[bool] = []

    def wrap(name: str) -> Callable[..., Any]:
        real = getattr(OPERATIONS, name)

        def call(*args: Any) -> Any:
            called.append(name)
            if dead or ends(len(called), name):
                made = error()
                if isinstance(made, Killed):
                    dead.append(True)
                raise made
            return real(*args)

        return call

    return replace(OPERATIONS, **{name: wrap(name) for name in CALLS}), called


def calls_of_one_run(tmp_path: Path) -> int:
    """How many operations storing takes."""
    (tmp_path / "count").mkdir()
    ops, called = counting(lambda *_: False, Killed)
    one = job(tmp_path / "count-logs")
    folder_archive(tmp_path / "count", tmp_path / "count-logs", ops).store(Segment(one.file), PERIOD)
    return len(called)


@pytest.mark.parametrize("way", ["killed", "EIO", "ENOSPC"])
def test_any_call_may_be_the_last(way: str, root: Path, tmp_path: Path) -> None:
    """D4: at whatever operation the process dies or the disk fails, no object is there in part; the next process stores it once,
    and neither a temporary file nor a descriptor is left."""
    total = calls_of_one_run(tmp_path)
    assert total > 25
    open_now = len(os.listdir("/proc/self/fd"))
    for number in range(1, total + 1):
        logs, place = tmp_path / f"logs{number}", root / f"{number}"
        place.mkdir()
        one = job(logs)
        made = {"killed": Killed, "EIO": lambda: OSError(errno.EIO, "disk"), "ENOSPC": lambda: OSError(errno.ENOSPC, "full")}[way]
        ops, _ = counting(lambda count, _name, number=number: count == number, made)  # type: ignore[misc]
        try:
            folder_archive(place, logs, ops).store(Segment(one.file), PERIOD)
        except (Killed, OSError):
            pass
        assert all(data == DATA for name, data in files(place).items() if not name.rpartition("/")[2].startswith("."))
        folder_archive(place, logs).store(Segment(one.file), PERIOD)
        assert files(place) == {f"web/app.log/{NAME}": DATA}, number
        assert Path(one.file).read_bytes() == DATA
    assert len(os.listdir("/proc/self/fd")) == open_now


@pytest.mark.parametrize("inside", ["app.log.2026-11-23_17", "2026-12/app.log"])
def test_what_a_killed_process_has_left_goes_with_any_segment_that_follows(inside: str, root: Path, tmp_path: Path) -> None:
    """Its own may never be stored: a rule has deleted it meanwhile, or it has another name since it was compressed."""
    one, dead = job(tmp_path / "logs"), list[bool]()

    def kill(source: str, target: str) -> bool:
        if not target.endswith(NAME):
            return OPERATIONS.rename_once(source, target)
        dead.append(True)
        raise Killed

    def unlink(path: str) -> None:
        if not dead:
            OPERATIONS.unlink(path)

    ops = replace(OPERATIONS, rename_once=kill, unlink=unlink)
    with pytest.raises(Killed):
        folder_archive(root, tmp_path / "logs", ops).store(Segment(one.file), PERIOD)
    assert [data for path, data in files(root).items() if path.endswith(".tmp")] == [DATA]
    Path(one.file).unlink()
    next_one = tmp_path / "logs" / inside
    next_one.parent.mkdir(exist_ok=True)
    next_one.write_bytes(b"next")
    folder_archive(root, tmp_path / "logs").store(Segment(str(next_one)), PERIOD)
    assert files(root) == {f"web/app.log/{inside}": b"next"}


@pytest.mark.skipif(os.sep != "/", reason="of POSIX systems")
@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_object_gets_its_name_in_one_step(root: Path, tmp_path: Path, links: bool, there: bool) -> None:
    """D4: where the kernel has no rename that overwrites nothing (network drives), by a link: a kill at any call leaves no object
    that is not whole, and the next one finds that or makes it, over nothing. A file system may have no links either."""
    for at in range(1, 100):
        folder = tmp_path / str(at)
        one = job(folder)
        (root / str(at)).mkdir()
        archive = partial(folder_archive, root / str(at), folder)
        if there:
            (root / str(at) / "web" / "app.log").mkdir(parents=True)
            (root / str(at) / "web" / "app.log" / NAME).write_bytes(b"another's")
        calls, went = itertools.count(1), list[str]()

        def doomed(call: Callable[..., Any], name: str, at: int = at, calls: Any = calls, went: list[str] = went) -> Any:
            def run(*arguments: Any) -> Any:
                if went or next(calls) == at:
                    went.append(name)
                    raise Killed
                return call(*arguments)

            return run

        def no(*_: object) -> bool:
            raise OSError(errno.EPERM, "no links here")

        entries = {"rename_once": lambda *_: False, "rename_new": partial(take_and_rename, OPERATIONS)}
        entries["link"] = OPERATIONS.link if links else no
        names = ["rename_once", "link", "rename_over", "unlink", "open_new_private", "write", "fsync", "close"]
        ops = replace(OPERATIONS, **entries)
        ops = replace(ops, **{name: doomed(getattr(ops, name), name) for name in names})
        if links:
            ops = replace(ops, rename_new=partial(take_and_rename, ops))
        try:
            archive(ops).store(Segment(one.file), PERIOD)
        except Killed:
            pass
        objects = [data for path, data in files(root / str(at)).items() if not path.endswith(".tmp")]
        assert set(objects) <= {DATA, b"another's"}, went
        archive().store(Segment(one.file), PERIOD)
        objects = [data for path, data in files(root / str(at)).items() if not path.endswith(".tmp")]
        assert sorted(objects) == sorted([DATA, b"another's"] if there else [DATA]), went
        if not went:
            return
    raise AssertionError("there is no end of calls")


@pytest.mark.skipif(os.sep != "/", reason="of POSIX systems")
def test_a_disk_that_returns_other_bytes(root: Path, tmp_path: Path) -> None:
    """D5: what reads back otherwise never gets its name."""
    one = job(tmp_path / "logs")

    def read(fd: int, count: int, offset: int) -> bytes:
        found = OPERATIONS.read_at(fd, count, offset)
        return found[:-1] + b"?" if os.readlink(f"/proc/self/fd/{fd}").endswith("/.segment.tmp") and found else found

    with pytest.raises(OSError, match="reads back otherwise"):
        folder_archive(root, tmp_path / "logs", replace(OPERATIONS, read_at=read)).store(Segment(one.file), PERIOD)
    assert files(root) == {}


def test_stopped_in_the_middle(root: Path, tmp_path: Path) -> None:
    """A stop is answered within a block, and leaves nothing."""
    one = job(tmp_path / "logs", data=b"x" * 3_000_000)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(0)
        return len(asked) > 18  # in the second reading, which is the copy

    with pytest.raises(InterruptedError):
        folder_archive(root, tmp_path / "logs").store(Segment(one.file), PERIOD, stop)
    assert files(root) == {}


def test_child_that_is_forked_while_it_is_archived_has_nothing_of_it(tmp_path: Path) -> None:
    """Else it keeps the archive's lock, and the space of a segment that is deleted, for as long as it lives."""
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / NAME
    path.write_bytes(DATA)
    (tmp_path / "archive").mkdir()
    codes: list[int] = []

    def stop() -> bool:
        child = os.fork()
        if child == 0:
            links = [os.path.join("/proc/self/fd", number) for number in os.listdir("/proc/self/fd")]
            os._exit(len([link for link in links if os.path.islink(link) and os.readlink(link).startswith(str(tmp_path))]))
        codes.append(os.waitpid(child, 0)[1] >> 8)
        return False

    archive = Archive((tmp_path / "archive").as_uri(), "web", str(tmp_path / "logs" / "app.log"))
    archive.store(Segment(str(path)), PERIOD, stop)
    assert len(codes) > 1
    assert set(codes) == {0}


def test_both_claims_are_somebody_elses(tmp_path: Path) -> None:
    """D2: a folder that says that it is another log's is not written to, whoever has made it so; nothing is stored."""
    store, one = Memory(), job(tmp_path)
    run(store, one)
    own = (tmp_path / ".app.log.owner").read_text().strip()
    store.objects = {f"web/app.log{end}/.owner": b"0" * 32 + b"\n" for end in ("", f"-{own}")}
    before = dict(store.objects)
    with pytest.raises(FileExistsError, match=rf"^web/app.log-{own}/.owner names another owner"):
        run(store, one)
    assert store.objects == before


def test_every_name_is_taken_by_other_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """D3: nothing is written over, and it is told which name it is."""
    monkeypatch.setattr("mpfhandler._pure.target._NAMES", 3)
    store = Memory()
    for number in range(3):
        run(store, job(tmp_path, data=b"%d" % number))
    before = dict(store.objects)
    with pytest.raises(FileExistsError, match=f"^web/app.log/{NAME}: .*taken by other content"):
        run(store, job(tmp_path, data=b"one more"))
    assert store.objects == before
    assert len(before) == 4


def test_id_that_is_not_written_in_full_is_no_id(tmp_path: Path) -> None:
    """A disk that is full: an error, and nothing is claimed in the archive. The next try makes another one."""
    store, one = Memory(), job(tmp_path)
    short = replace(OPERATIONS, write_at=lambda fd, data, offset: OPERATIONS.write_at(fd, data[:9], offset))
    with pytest.raises(OSError, match="could not be written in full"):
        run(store, one, short)
    assert store.objects == {}
    run(store, one)
    assert len((tmp_path / ".app.log.owner").read_bytes()) == 33
    assert store.objects["web/app.log/.owner"] == (tmp_path / ".app.log.owner").read_bytes()


def test_folder_that_gives_nothing_up_again(tmp_path: Path) -> None:
    """A disk that fails, and then does not even let the hidden file go: the first error is the one that is told, nothing has the
    segment's name, and the next try writes anew."""
    (tmp_path / "mnt").mkdir()

    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def not_now(_path: str) -> None:
        raise OSError(errno.EIO, "input/output error")

    broken = FolderStore(replace(OPERATIONS, write=full, unlink=not_now), str(tmp_path / "mnt"))
    content = Content(4, lambda: iter((b"mine",)))
    with pytest.raises(OSError, match="No space left"):
        broken.create("web/app.log/one", content)
    assert [path.name for path in (tmp_path / "mnt/web/app.log").iterdir()] == [".segment.tmp"]
    FolderStore(OPERATIONS, str(tmp_path / "mnt")).create("web/app.log/one", content)
    assert {path.name: path.read_bytes() for path in (tmp_path / "mnt/web/app.log").iterdir()} == {"one": b"mine"}
