"""Packing and unpacking: the programs can read it, and what is torn or broken is told as far as it can be read."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpfhandler._resources.codec import CHUNK, MAGIC, Malformed, Torn, packer, unpacked

METHODS = ["gz", "zst", "xz", "bz2"]
PROGRAMS = {"gz": "zcat", "zst": "zstdcat", "xz": "xzcat", "bz2": "bzcat"}
LEVELS = [("gz", 0), ("gz", 1), ("gz", 9), ("zst", 1), ("zst", 19), ("xz", 0), ("xz", 9), ("bz2", 1), ("bz2", 9)]
RECORDS = b"".join(b"2026-11-23 16:00:00,%03d record %d\n" % (number % 1000, number) for number in range(5000))


def packed(method: str, content: bytes, level: int | None = None, modified: int = 0, chunk: int = CHUNK) -> bytes:
    """All of it."""
    stream = packer(method, level, modified)
    parts = [stream.compress(content[at : at + chunk]) for at in range(0, len(content), chunk)]
    return b"".join([*parts, stream.flush()])


@pytest.mark.parametrize(("method", "level", "megabytes"), [("gz", 9, 24), ("zst", 19, 3), ("xz", 6, 3), ("bz2", 9, 4)])
def test_other_threads_go_on_while_a_chunk_is_packed(method: str, level: int, megabytes: int) -> None:
    """The interpreter's lock is let go: no pause of theirs is as long as the call."""
    content, took = random.Random(1).randbytes(megabytes * 1_000_000) + RECORDS * 10, list[float]()

    def work() -> None:
        stream = packer(method, level, 0)
        begun = time.monotonic()
        stream.compress(content)
        stream.flush()
        took.append(time.monotonic() - begun)

    worker = threading.Thread(target=work)
    worker.start()
    longest, before = 0.0, time.monotonic()
    while worker.is_alive():
        time.sleep(0.001)
        longest, before = max(longest, time.monotonic() - before), time.monotonic()
    assert longest < took[0] / 2


def reader(data: bytes, chunk: int = CHUNK) -> Callable[[], bytes]:
    """Gives the data chunk by chunk."""
    chunks: Iterator[bytes] = (data[at : at + chunk] for at in range(0, len(data), chunk))
    return lambda: next(chunks, b"")


def read(method: str, data: bytes, chunk: int = CHUNK) -> tuple[bytes, type[Malformed] | None]:
    """What can be read, and how it ends."""
    found = b""
    try:
        for piece in unpacked(method, reader(data, chunk)):
            assert 0 < len(piece) <= CHUNK
            found += piece
    except Malformed as error:
        return found, type(error)
    return found, None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("content", [b"", b"x", RECORDS, bytes(3 * CHUNK + 1), random.Random(1).randbytes(2 * CHUNK)])
@pytest.mark.parametrize("chunk", [999, CHUNK])
def test_what_is_packed_is_unpacked(method: str, content: bytes, chunk: int) -> None:
    """Whatever the content, in pieces of bounded size."""
    assert read(method, packed(method, content), chunk) == (content, None)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("content", [b"", RECORDS], ids=["empty", "records"])
def test_programs_read_it(method: str, content: bytes) -> None:
    """`zcat` and its like give the content back, and the file passes their own test."""
    program = shutil.which(PROGRAMS[method])
    if program is None:
        pytest.skip(f"no {PROGRAMS[method]} here")
    assert subprocess.run([program], input=packed(method, content), capture_output=True, check=True).stdout == content


@pytest.mark.parametrize(("method", "level"), LEVELS)
def test_levels_are_taken(method: str, level: int) -> None:
    """From the fastest to the smallest."""
    assert read(method, packed(method, RECORDS, level)) == (RECORDS, None)


@pytest.mark.parametrize("method", METHODS)
def test_usual_level_is_the_programs(method: str) -> None:
    """gzip 6, zstd 3, xz 6, bzip2 9; another level gives other bytes."""
    usual = {"gz": 6, "zst": 3, "xz": 6, "bz2": 9}[method]
    assert packed(method, RECORDS) == packed(method, RECORDS, usual)
    assert packed(method, RECORDS) != packed(method, RECORDS, 1)


@pytest.mark.parametrize(("modified", "told"), [(1_795_449_600, 1_795_449_600), (0, 0), (-1, 0), (1 << 32, 0)])
def test_gzip_header_tells_the_time_and_no_name(modified: int, told: int) -> None:
    """RFC 1952: no flags, the time of the content in 32 bits, or none."""
    assert struct.unpack("<3sBLBB", packed("gz", RECORDS, 6, modified)[:10]) == (MAGIC["gz"], 0, told, 0, 3)


def test_zstd_has_a_checksum() -> None:
    """RFC 8878: the flag in the frame's header."""
    assert packed("zst", RECORDS)[4] & 0b100


@pytest.mark.parametrize("method", METHODS)
def test_several_streams_are_one(method: str) -> None:
    """As `cat a.gz b.gz` makes them."""
    data = packed(method, b"a\n") + packed(method, RECORDS) + packed(method, b"")
    assert read(method, data) == read(method, data, 7) == (b"a\n" + RECORDS, None)


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_padding_is_no_damage(piece: int) -> None:
    """Zeros behind a stream, as tapes leave them, end nothing for the programs: of xz four at a time, also between two."""
    xz, gz = packed("xz", RECORDS), packed("gz", RECORDS)
    assert read("xz", xz + bytes(4), piece) == read("gz", gz + bytes(5), piece) == (RECORDS, None)
    assert read("xz", xz + bytes(2000) + xz + bytes(8), piece) == (RECORDS * 2, None)
    for wrong in (xz + bytes(3), xz + bytes(5) + xz, xz + bytes(4) + b"x"):
        assert read("xz", wrong, piece)[1] is not None
    assert read("gz", gz + bytes(5) + gz, piece)[1] is not None
    for data, program in ((xz + bytes(4) + xz + bytes(4), "xz"), (gz + bytes(5), "gzip")):
        if shutil.which(program) is not None:
            assert subprocess.run([program, "-dc"], input=data, capture_output=True, check=True).stdout.startswith(RECORDS)


@pytest.mark.parametrize("method", METHODS)
def test_torn_stream_gives_its_start(method: str) -> None:
    """Cut off anywhere it is told as torn, and what comes out is the content's start."""
    whole = packed(method, RECORDS)
    for end in {1, 5, 9, len(whole) // 2, len(whole) - 1}:
        found, how = read(method, whole[:end])
        assert how is Torn
        assert RECORDS.startswith(found)
    assert read(method, b"") == (b"", Torn)


@pytest.mark.parametrize("method", METHODS)
def test_broken_stream_is_told(method: str) -> None:
    """Another bit anywhere, zeros from somewhere on, bytes behind the end, or another format."""
    whole = packed(method, RECORDS)
    for at in range(12, len(whole), len(whole) // 50):
        damaged = whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]
        found, how = read(method, damaged)
        assert how is not None or found == RECORDS
    half = len(whole) // 2
    assert read(method, whole[:half] + bytes(len(whole) - half))[1] is not None
    assert read(method, whole + b"something else")[1] is not None
    assert read(method, RECORDS) == (b"", Malformed)


def test_small_pieces_show_all_that_can_be_read() -> None:
    """What comes before the broken place within one chunk."""
    whole = packed("gz", RECORDS)
    half = len(whole) // 2
    broken, found = whole[:half] + b"\xff" * half, b""
    with pytest.raises(Malformed):
        for piece in unpacked("gz", reader(broken, 256), 256):
            found += piece
    assert RECORDS[: len(RECORDS) // 3] == found[: len(RECORDS) // 3]


@pytest.mark.parametrize("method", METHODS)
def test_error_of_reading_goes_through(method: str) -> None:
    """A disk that fails is no broken stream."""

    def fail() -> bytes:
        raise OSError(5, "of the disk")

    with pytest.raises(OSError, match="of the disk"):
        next(unpacked(method, fail))


@settings(deadline=None, max_examples=60)
@given(method=st.sampled_from(METHODS), content=st.binary(max_size=5000), chunk=st.integers(1, 5000))
def test_any_content_in_any_chunks(method: str, content: bytes, chunk: int) -> None:
    """Packed and unpacked it is the same."""
    assert read(method, packed(method, content, chunk=chunk), chunk) == (content, None)
