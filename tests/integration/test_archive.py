"""Archiving against a real S3 server process with its storage on disk, and by way of fsspec."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from _s3 import KEYS, PATIENCE, Server

from mpfhandler._protocols.archive import Archive
from mpfhandler._pure.errors import InvalidOption
from mpfhandler._pure.naming import SegmentName
from mpfhandler._resources.stores import to_archive

NAME = "app.log.2026-11-23_16"
PERIOD = SegmentName(datetime(2026, 11, 23, 16))
BIG = random.Random(7).randbytes(21 << 20)  # three parts

pytestmark = pytest.mark.integration
with_obstore = pytest.mark.skipif(importlib.util.find_spec("obstore") is None, reason="not installed: obstore")
with_fsspec = pytest.mark.skipif(importlib.util.find_spec("fsspec") is None, reason="not installed: fsspec")


@dataclass
class Segment:
    """What `store` looks at."""

    path: str


def store(archive: Archive, path: Path) -> dict[str, object]:
    """Store what has the name of the period."""
    return archive.store(Segment(str(path)), PERIOD)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that runs, and an environment that leads to it."""
    made = Server(tmp_path / "s3")
    made.start()
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": made.url}.items():
        monkeypatch.setenv(name, value)
    yield made
    made.stop()


def segment(folder: Path, data: bytes, name: str = NAME) -> Path:
    """A sealed one."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    return path


def archive_of(folder: Path, host: str = "web") -> Archive:
    """The archive of the log in this folder."""
    return Archive("s3://logs/some/prefix", host, str(folder / "app.log"))


@with_obstore
@pytest.mark.parametrize("data", [b"", b"a record\n" * 1000, BIG], ids=["empty", "small", "in parts"])
def test_stored_once(data: bytes, server: Server, tmp_path: Path) -> None:
    """Under host and name, whole, with evidence; the same content is not uploaded twice, other content is not written over."""
    path = segment(tmp_path / "logs", data)
    archive = archive_of(tmp_path / "logs")
    evidence = store(archive, path)
    key = f"some/prefix/web/app.log/{NAME}"
    assert evidence["url"] == f"s3://logs/{key}"
    assert server.objects() == {key: data}
    where = server.folder / "logs" / f"{key}._S3rver_object"
    before = where.stat().st_mtime_ns
    assert store(archive_of(tmp_path / "logs"), path) == evidence
    assert where.stat().st_mtime_ns == before
    other = data[:-1] + b"?"
    path.write_bytes(other)
    assert store(archive, path)["url"] == f"s3://logs/{key}.1"
    assert server.objects() == {key: data, f"{key}.1": other}
    assert len(os.listdir("/proc/self/task")) == 1, "no thread of a library's is left in the program"
    assert "obstore" not in sys.modules


@with_obstore
def test_two_machines_of_one_name(server: Server, tmp_path: Path) -> None:
    """The one that comes second has a folder of its own, although this server writes over whatever it is told to."""
    first = store(archive_of(tmp_path / "one"), segment(tmp_path / "one", b"of the one"))
    second = store(archive_of(tmp_path / "two"), segment(tmp_path / "two", b"of the two"))
    third = store(archive_of(tmp_path / "one", "db"), segment(tmp_path / "one", b"of the one"))
    own = (tmp_path / "two" / ".app.log.owner").read_text().strip()
    keys = [f"some/prefix/{place}/{NAME}" for place in ("web/app.log", f"web/app.log-{own}", "db/app.log")]
    assert [one["url"] for one in (first, second, third)] == [f"s3://logs/{key}" for key in keys]
    assert server.objects() == dict(zip(keys, [b"of the one", b"of the two", b"of the one"], strict=True))


@with_obstore
def test_down_and_up(server: Server, tmp_path: Path) -> None:
    """While the endpoint is down it is said soon, and nothing is lost; then everything is caught up."""
    paths = [segment(tmp_path / "logs", f"{hour}".encode(), f"app.log.2026-11-23_{hour}") for hour in range(10, 13)]
    archive = archive_of(tmp_path / "logs")
    store(archive, paths[0])
    server.stop()
    begin = time.monotonic()
    for path in paths[1:]:
        with pytest.raises(OSError, match=r"^s3://logs/some/prefix: ") as caught:
            store(archive, path)
        assert "S3RVER" not in str(caught.value)
        assert "\n" not in str(caught.value)
    assert time.monotonic() - begin < PATIENCE
    server.start()
    for path in paths:
        store(archive, path)
    assert sorted(server.objects().values()) == [b"10", b"11", b"12"]


@with_obstore
def test_an_endpoint_that_hangs(server: Server, tmp_path: Path) -> None:
    """It takes the connection and never answers: a stop is obeyed all the same."""
    path = segment(tmp_path / "logs", b"a record\n")
    server.freeze()
    until = time.monotonic() + 3
    with pytest.raises(InterruptedError):
        archive_of(tmp_path / "logs").store(Segment(str(path)), PERIOD, lambda: time.monotonic() > until)


@with_obstore
def test_what_is_wrong_is_told(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that is not there, and credentials that are refused, by their names and without the credentials."""
    path = segment(tmp_path / "logs", b"a record\n")
    with pytest.raises(FileNotFoundError, match="NoSuchBucket"):
        store(Archive("s3://nobody", "web", str(tmp_path / "logs" / "app.log")), path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    with pytest.raises(OSError) as caught:
        store(archive_of(tmp_path / "logs"), path)
    assert "AKIAIOSFODNN7EXAMPLE" not in str(caught.value)
    assert "403" in str(caught.value)
    assert server.objects() == {}


IN_MEMORY = """
import obstore.store
from mpfhandler._resources.content import Content
from mpfhandler._resources.store_object import ObjectStore
from mpfhandler._pure.target import parse_target
store = ObjectStore(parse_target("archive", "s3://logs"))
store._store = obstore.store.MemoryStore()
for size in (5, 20 << 20):
    content = Content(size, lambda: iter([b"x" * size]))
    store.create(f"a/{size}", content)
    assert store.facts(f"a/{size}").size == size
    assert b"".join(store.blocks(f"a/{size}")) == b"".join(content.blocks())
try:
    store.create("a/5", Content(1, lambda: iter([b"?"])))
except FileExistsError:
    print("refused", b"".join(store.blocks("a/5")))
"""


@with_obstore
def test_a_store_that_can_refuse() -> None:
    """Of obstore's own: an object is created only where there is none, if the store can tell. (s3rver cannot.)"""
    environment = {**os.environ, **KEYS}
    done = subprocess.run([sys.executable, "-c", IN_MEMORY], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout == "refused b'xxxxx'\n", done.stderr


HOST = """
import sys
from datetime import datetime
from mpfhandler._protocols.archive import Archive
from mpfhandler._pure.naming import SegmentName
class Segment: path = sys.argv[1] + "/app.log.2026-11-23_16"
archive = Archive("s3://logs/some/prefix", "web", sys.argv[1] + "/app.log")
print(archive.store(Segment, SegmentName(datetime(2026, 11, 23, 16))), flush=True)
"""


def helpers() -> list[int]:
    """The processes that upload something, of whomever."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                line = Path("/proc", name, "cmdline").read_bytes()
            except OSError:
                continue
            if line.endswith(b"(mpfhandler._faces.upload)\0"):
                found.append(int(name))
    return found


@with_obstore
@pytest.mark.slow
@pytest.mark.parametrize("who", ["the program", "the helper", "the server"])
def test_killed_in_the_middle_of_an_upload(who: str, server: Server, tmp_path: Path) -> None:
    """SIGKILL while parts are under way: no object is there in part, nothing goes on uploading, the next program stores it."""
    data = random.Random(8).randbytes(200 << 20)
    path = segment(tmp_path / "logs", data)
    key = f"some/prefix/web/app.log/{NAME}"
    for _ in range(3):
        command = [sys.executable, "-c", HOST, str(tmp_path / "logs")]
        program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + PATIENCE
        known = set(server.parts())
        while not set(server.parts()) - known:
            assert program.poll() is None, program.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if who == "the server":
            server.stop()
        else:
            os.kill(program.pid if who == "the program" else helpers()[0], signal.SIGKILL)
        out, err = program.communicate(timeout=PATIENCE)
        assert (program.returncode, out) == (-signal.SIGKILL if who == "the program" else 1, b""), err
        while helpers():
            assert time.monotonic() < deadline + PATIENCE, "it goes on"
            time.sleep(0.01)
        if who == "the server":
            server.start()
        assert key not in server.objects()
    evidence = store(archive_of(tmp_path / "logs"), path)
    assert evidence["url"] == f"s3://logs/{key}"
    assert server.objects() == {key: data}


@with_fsspec
def test_by_fsspec(tmp_path: Path) -> None:
    """Any URL that fsspec knows: once, whole, over nothing, nothing hidden left."""
    (tmp_path / "mnt").mkdir()
    path = segment(tmp_path / "logs", b"a record\n" * 500_000)
    url = to_archive("archive", f"local://{tmp_path}/mnt/")
    assert url is not None
    archive = Archive(url, "web", str(tmp_path / "logs" / "app.log"))
    first = store(archive, path)
    assert store(archive, path) == first
    path.write_bytes(b"other")
    store(archive, path)
    found = {str(one.relative_to(tmp_path / "mnt")): one.stat().st_size for one in (tmp_path / "mnt").rglob("*") if one.is_file()}
    assert found == {"web/app.log/.owner": 33, f"web/app.log/{NAME}": 4_500_000, f"web/app.log/{NAME}.1": 5}


@with_fsspec
@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("nonsense://x/y", "is not known to fsspec either"),
        ("sftp://host/logs", "needs the library paramiko .*; install .*pip install paramiko"),
        ("adl://x/y", "needs the library adlfs"),
    ],
)
def test_schemes_of_fsspec(url: str, problem: str) -> None:
    """Known ones whose library is missing, and unknown ones, are told at construction."""
    with pytest.raises(InvalidOption, match=problem):
        to_archive("archive", url)
