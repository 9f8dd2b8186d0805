"""What is archived: read once through one descriptor, and summed up as stores do it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mpfhandler._platform import OPERATIONS
from mpfhandler._resources import content as module
from mpfhandler._resources.content import Content, FileContent, part_size


def never() -> bool:
    """Nobody asks to stop."""
    return False


def of(data: bytes) -> Content:
    """Content in memory, in odd blocks."""
    return Content(len(data), lambda: (data[at : at + 1000] for at in range(0, len(data), 1000)))


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 12288, 20000])
def test_sums(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """SHA-256, and the e-tags of an upload at once and of one in parts, by S3's rule."""
    monkeypatch.setattr(module, "_PART", 4096)
    monkeypatch.setattr(module, "part_size", lambda _size: 4096)
    data = os.urandom(size)
    parts = [hashlib.md5(data[at : at + 4096]).digest() for at in range(0, size, 4096)] or [hashlib.md5().digest()]
    sums = of(data).sums()
    assert (sums.size, sums.sha256) == (size, hashlib.sha256(data).hexdigest())
    assert sums.e_tags == {hashlib.md5(data).hexdigest(), f"{hashlib.md5(b''.join(parts)).hexdigest()}-{len(parts)}"}


def test_no_md5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system forbids MD5 there are no e-tags to compare, and no error."""

    def forbidden(*_: object, **__: object) -> None:
        raise ValueError("[digital envelope routines] unsupported")

    monkeypatch.setattr(hashlib, "md5", forbidden)
    assert of(b"x" * 5000).sums().e_tags == frozenset()


@pytest.mark.parametrize("size", [0, 1, 8 << 20, 72_000 << 20, (72_000 << 20) + 1, 1 << 40])
def test_parts(size: int) -> None:
    """8 MiB at least, whole MiB, and never more than S3's 10,000 of them."""
    part = part_size(size)
    assert part >= 8 << 20
    assert part % (1 << 20) == 0
    assert size <= part * 9000


def test_a_file(tmp_path: Path) -> None:
    """Its content by the descriptor: another file with its name later changes nothing."""
    path = tmp_path / "f"
    path.write_bytes(b"a" * 600_000)
    path.chmod(0o604)
    with FileContent(OPERATIONS, str(path), never) as content:
        path.unlink()
        path.write_bytes(b"other")
        assert b"".join(content.blocks()) == b"a" * 600_000
        assert b"".join(content.blocks()) == b"a" * 600_000
        assert (content.size, content.mode) == (600_000, 0o604)


@pytest.mark.parametrize("change", [100, 2_000_000])
def test_a_file_that_changes(tmp_path: Path, change: int) -> None:
    """Longer or shorter than at first: an error, never something in between."""
    path = tmp_path / "f"
    path.write_bytes(b"a" * 600_000)
    with FileContent(OPERATIONS, str(path), never) as content:
        os.truncate(path, change)
        with pytest.raises(OSError, match="has changed"):
            content.sums()


def test_stopped(tmp_path: Path) -> None:
    """Within a block of being asked to."""
    path = tmp_path / "f"
    path.write_bytes(b"a" * 1_000_000)
    asked = iter([False, False, True, True])
    with FileContent(OPERATIONS, str(path), lambda: next(asked)) as content, pytest.raises(InterruptedError):
        content.sums()


def test_descriptors(tmp_path: Path) -> None:
    """None is left, whatever fails; a fifo or a folder is no content."""
    os.mkfifo(tmp_path / "fifo")
    open_now = len(os.listdir("/proc/self/fd"))
    for name in ("fifo", "."):
        with pytest.raises(OSError, match="is no regular file"), FileContent(OPERATIONS, str(tmp_path / name), never):
            pass

    def fails(_fd: int) -> None:
        raise OSError("stat")

    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(OSError, match="stat"), FileContent(replace(OPERATIONS, stat_fd=fails), str(tmp_path / "f"), never):
        pass
    assert len(os.listdir("/proc/self/fd")) == open_now
