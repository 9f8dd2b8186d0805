"""`Chunks`: from pieces of a stream to whole lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpfhandler._faces.pipe.chunks import Chunks


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """The same bytes in pieces of these sizes, the last one whatever is left."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [piece for piece in (*pieces, data) if piece]


@given(
    st.lists(st.binary(max_size=12)), st.sampled_from([b"\n", b"\r\n", b"\0", b"aab"]), st.lists(st.integers(1, 9)), st.binary()
)  # fmt: skip
def test_pieces_become_the_same_lines(lines: list[bytes], end: bytes, sizes: list[int], last: bytes) -> None:
    """Whatever the pieces, what is given out is whole lines, and all together the input, ended if it was not."""
    data = b"".join(line + end for line in lines) + last
    chunks = Chunks(end, 1 << 20)
    blocks = [chunks.feed(piece) for piece in cut(data, sizes)]
    assert all(block.endswith(end) for block in blocks if block)
    whole = b"".join(blocks)
    assert whole == data[: data.rfind(end) + len(end)] if end in data else not whole
    assert whole + chunks.rest() == (data if data.endswith(end) or not data else data + end)
    assert chunks.rest() == b""
    assert chunks.cuts == 0


def test_line_is_given_out_as_soon_as_it_is_whole() -> None:
    """Nothing but the unfinished line is kept back."""
    chunks = Chunks(b"\n", 100)
    assert [chunks.feed(piece) for piece in (b"on", b"e\ntwo\nthr", b"ee", b"\n")] == [b"", b"one\ntwo\n", b"", b"three\n"]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_endless_line_is_cut(size: int) -> None:
    """A line without an end needs memory for `most` bytes: each time there are more, so many become a line."""
    chunks = Chunks(b"\n", 10)
    data = bytes(range(48, 48 + 35))
    blocks = [chunks.feed(piece) for piece in cut(data, [size] * 40)]
    assert len(chunks._kept) <= 10
    assert b"".join(blocks) + chunks.rest() == b"\n".join([data[:10], data[10:20], data[20:30], data[30:]]) + b"\n"
    assert chunks.cuts == 3


def test_line_that_fits_is_not_cut() -> None:
    """One of exactly so many bytes is whole, however it comes."""
    chunks = Chunks(b"\n", 10)
    assert b"".join(chunks.feed(piece) for piece in (b"12345", b"67890", b"\n")) == b"1234567890\n"
    assert chunks.cuts == 0
