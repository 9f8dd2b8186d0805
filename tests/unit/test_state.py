"""The state record: its bytes, and what is no state."""

from __future__ import annotations

import pytest

from mpfhandler._pure.facts import FileId
from mpfhandler._pure.schedule import Period
from mpfhandler._pure.state import SIZE, State, pack, unpack

STATE = State(
    FileId(64769, 131_074), 1_763_913_600_123_456_789, Period(1_763_913_600, 1_763_917_200), "0123456789abcdef", 131_073
)


def test_record_is_one_line_of_ascii_of_fixed_size() -> None:
    """`cat app.log.lock` shows one line, and a new record covers an old one in full."""
    data = pack(STATE)
    assert len(data) == SIZE
    assert data.count(b"\n") == 1
    assert data.endswith(b"\n")
    assert data.isascii()
    assert data.startswith(b"mpfhandler-state 1 64769 131074 ")


def test_record_reads_back() -> None:
    """What was packed is unpacked."""
    assert unpack(pack(STATE)) == STATE


def test_largest_numbers_fit() -> None:
    """Device, inode and times of the largest kind still give a record of the fixed size."""
    wide = (1 << 64) - 1
    state = State(FileId(wide, wide), -(1 << 63), Period(-58_800_000_000, 247_000_000_000), "f" * 16, wide)
    assert len(pack(state)) == SIZE
    assert unpack(pack(state)) == state


def test_every_flipped_bit_is_noticed() -> None:
    """One wrong bit anywhere makes it no state."""
    data = pack(STATE)
    damaged = (data[:i] + bytes([data[i] ^ (1 << bit)]) + data[i + 1 :] for i in range(SIZE) for bit in range(8))
    assert [one for one in damaged if unpack(one) is not None] == []


def test_every_truncation_is_noticed() -> None:
    """A record that was cut off anywhere is no state, not even padded with zeros as a file system may do."""
    data = pack(STATE)
    assert [n for n in range(SIZE) if unpack(data[:n]) is not None] == []
    assert [n for n in range(SIZE) if unpack(data[:n].ljust(SIZE, b"\0")) is not None] == []


def test_torn_record_is_noticed() -> None:
    """The head of a new record on the tail of an old one is no state, wherever the seam is."""
    old, new = pack(STATE), pack(State(FileId(64769, 999_999), 5, Period(1_763_917_200, 1_763_920_800), "fedcba9876543210"))
    mixed = [new[:n] + old[n:] for n in range(SIZE)]
    assert [one for one in mixed if one not in {old, new} and unpack(one) is not None] == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * SIZE,
        b"1763913600",
        b"1763913600.123456\n",
        b"2026-11-23_16",
        b"\xff" * SIZE,
        b" " * SIZE,
        pack(STATE) + b" ",
        pack(STATE) * 2,
        b" " + pack(STATE)[:-1],
        pack(STATE).replace(b"state 1 ", b"state 2 "),
        pack(STATE).replace(b" 64769 ", b" +64769 "),
        pack(STATE).replace(b" 64769 ", b" 64_769 "),
        pack(STATE)[:-1] + b" ",
        pack(STATE).rstrip() + b"\n",
    ],
)
def test_anything_else_is_no_state(data: bytes) -> None:
    """Empty, torn, of another version, a bare timestamp of an old release, a number written otherwise: no state."""
    assert unpack(data) is None


def test_file_that_several_machines_see() -> None:
    """Each mount has a device number of its own, so such a record tells the inode alone; any other one both."""
    everywhere = State(FileId(0, 7), 0, Period(0, 60), "0" * 16)
    assert everywhere.shared
    assert everywhere.names(FileId(41, 7))
    assert everywhere.names(FileId(0, 7))
    assert not everywhere.names(FileId(41, 8))
    here = State(FileId(41, 7), 0, Period(0, 60), "0" * 16)
    assert not here.shared
    assert here.names(FileId(41, 7))
    assert not here.names(FileId(42, 7))
