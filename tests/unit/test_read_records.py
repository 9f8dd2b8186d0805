"""Times that users give and that lines have; records that belong together; the places from which a file is read."""

from __future__ import annotations

import gzip
import os
import random
import re
import sys
import threading
import time
from contextlib import nullcontext
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpfhandler._faces.read.moments import Clock, read_time
from mpfhandler._faces.read.records import Sieve, Wanted, shape_of, whole
from mpfhandler._faces.read.source import BACK, Damaged, behind, contents, contents_ahead, first_place, raw
from mpfhandler._pure.errors import InvalidOption
from mpfhandler._pure.moment import read_moment
from mpfhandler._pure.zone import UtcZone, find_zone

UTC = UtcZone()
BERLIN = find_zone(False, "Europe/Berlin")
NOW = 1_795_449_600.0  # 2026-11-23 16:00:00 UTC, a Monday


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("now", NOW),
        ("2h", NOW - 7200),
        ("2h ago", NOW - 7200),
        ("1d 12h", NOW - 129_600),
        ("1h30m", NOW - 5400),
        ("1.5 hours", NOW - 5400),
        ("90 s", NOW - 90),
        ("14:30", NOW - 5400),
        ("16:00", NOW),
        ("16:00:01", NOW + 1 - 86_400),
        ("23:00", NOW - 17 * 3600),
        ("9:05", NOW - 6 * 3600 - 55 * 60),
        ("today", NOW - 16 * 3600),
        ("today 16:30", NOW + 1800),
        ("yesterday", NOW - 40 * 3600),
        ("Yesterday  09:00", NOW - 31 * 3600),
        ("2026-11-23", NOW - 16 * 3600),
        ("2026-11-23 16:00:00.25", NOW + 0.25),
        ("2026-11-23 16:00:00,25", NOW + 0.25),
        ("2026-11-23T16:00", NOW),
        ("2026-11-23T16:00:00Z", NOW),
        ("2026-11-23 17:00:00+01:00", NOW),
        ("1795449600", NOW),
        ("1795449600.5", NOW + 0.5),
    ],
)
def test_time_that_a_user_gives(text: str, wanted: float) -> None:
    """ISO, a time of day, a day with or without one, how long ago, seconds since the epoch."""
    assert read_time("since", text, UTC, NOW) == wanted


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2026-02-30", "2x", "h", "-2h", "yesterday 9", "12", "2026-11-23 16:00 x"])
def test_other_text_is_no_time(text: str) -> None:
    """It is refused with what can be written instead."""
    with pytest.raises(InvalidOption, match="14:30"):
        read_time("since", text, UTC, NOW)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-03-29 02:30", datetime.fromisoformat("2026-03-29T03:00:00+02:00")),  # a gap skips it
        ("2026-10-25 02:30", datetime.fromisoformat("2026-10-25T02:30:00+02:00")),  # it comes twice
        ("2026-07-01", datetime.fromisoformat("2026-07-01T00:00:00+02:00")),
    ],
)
def test_time_of_the_wall_clock(text: str, wanted: datetime) -> None:
    """It is that of the zone; where clocks change, the first instant at which it is reached."""
    assert read_time("since", text, BERLIN, NOW) == wanted.timestamp()


LINES = [
    "2026-11-23 16:00:00,123 INFO x",
    "[2026-11-23T16:00:00.5Z] x",
    "2026-11-23 16:00 x",
    "2026-11-23 16:00:60 x",
    "2026-11-23 16:00:00 +0100 x",
    "2026-11-23 16:00:00+01:30",
    "2026-11-23 16:00:001",
    "2026-02-30 16:00:00 x",
    "2026-10-25 02:30:00 x",
    "1795449600.25 x",
    "1795449600123",
    "12345 x",
    "Traceback (most recent call last):",
    '{"time": "2026-11-23T16:00:00Z"}',
    '{"ts": 1795449600.5}',
    '{"a": 1}',
    "{",
    "",
]


@pytest.mark.parametrize("zone", [UTC, BERLIN], ids=["utc", "berlin"])
@pytest.mark.parametrize("line", LINES)
def test_time_of_a_line_is_that_of_the_slow_reader(line: str, zone: object) -> None:
    """What is remembered of a minute gives the same as reading each line, also the second time."""
    clock, data = Clock(zone), f"first\n{line}\nlast".encode()  # type: ignore[arg-type]
    wanted = read_moment(line, zone)  # type: ignore[arg-type]
    for _ in range(2):
        assert clock.moment(data, 6) == (pytest.approx(wanted) if wanted is not None else None)


def test_line_that_begins_with_a_blank_has_no_time() -> None:
    """It continues the one before, whatever follows the blank."""
    assert Clock(UTC).moment(b"  2026-11-23 16:00:00 x") is None


@pytest.mark.parametrize(
    ("line", "field", "wanted"),
    [
        ('{"a": 1795449600}', "a.b", None),
        ('{"when": "2026-11-23T16:00:00Z", "time": 0}', "when", NOW),
        ('{"a": {"b": 1795449600}}', "a.b", NOW),
        ('{"a.b": 1795449600123}', "a.b", NOW + 0.123),
        ('{"a": 1795449600.25}', "a", NOW + 0.25),
        ('{"a": [1795449600]}', "a", None),
        ('{"a": true}', "a", None),
        ('{"time": 1795449600}', "a", None),
        ('{"a": 1795449600', "a", None),
        ("2026-11-23 16:00:00 x", "a", NOW),
    ],
)
def test_time_field(line: str, field: str, wanted: float | None) -> None:
    """The key that is named and no other; lines that are no objects are read as always."""
    assert Clock(UTC, field).moment(line.encode()) == wanted


STARTS = st.integers(0, 3000).map(
    lambda second: f"2026-11-23 {16 + second // 3600}:{second // 60 % 60:02}:{second % 60:02},000 m"
)
TAILS = st.lists(
    st.sampled_from(["", " needle", "\n  File x", "\nValueError: needle", "\n", "\n{ 2026", "\rx", "\n9"]), max_size=4
)
RECORDS = st.tuples(STARTS, TAILS).map(lambda pair: (pair[0] + "".join(pair[1]) + "\n").encode())


FAR = [  # would see the next records, too
    rb"m(?!.*needle)",
    rb"m(?![\s\S]*needle)",
    rb"m(?=[\s\S]*needle)",
    rb"m(?=\s*2026)",
    rb"(?s)\A(?!.*needle)",
    rb"(?s)m.*needle",
    rb"m(.|\n)*needle",
    rb"m(?s:.)*needle",
    rb"m[^x]*needle",
    rb"(?<!\n)2026",
    rb"9\n\Z",
]
MORE = [
    rb"(n)|(V)e",
    rb"(e)\1dle",
    b"needle\n|Value",
    rb"[^x]+9",
    b"$",
    rb"^\s",
    b" m\n",
    rb"m\s*\n\s+F",
    b"(?i)NEEDLE",
    b".*",
    rb"\n",
    *FAR,
]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # of a machine that is busy otherwise
@given(
    records=st.lists(RECORDS, min_size=1, max_size=30),
    sizes=st.lists(st.integers(1, 200), min_size=1, max_size=20),
    pattern=st.sampled_from([None, b"needle", b"n[e]+dle$", b"m\\s+\\S", b"^V", b"x*", b"le\n2026", *MORE]),
    bounds=st.tuples(st.none() | st.integers(0, 3000), st.none() | st.integers(0, 3000)),
)
def test_sieve_keeps_what_one_record_at_a_time_would(
    records: list[bytes], sizes: list[int], pattern: bytes | None, bounds: tuple[int | None, int | None]
) -> None:
    """However the bytes come in chunks, exactly the records pass that match by themselves and are of the time asked for."""
    since, until = (None if bound is None else NOW + bound for bound in bounds)
    searched = None if pattern is None else re.compile(pattern, re.MULTILINE)
    clock, data = Clock(UTC), b"".join(records)

    def fits(record: bytes) -> bool:
        time = read_moment(record.decode(), UTC)
        assert time is not None
        in_time = (since is None or time >= since) and (until is None or time < until)
        return in_time and (searched is None or searched.search(record) is not None)

    shape = shape_of(records[0], clock)
    cuts = [data[at : at + size] for size in sizes[:1] for at in range(0, len(data), size)]
    for form in ("pieces", "records"):
        sieve = Sieve(Wanted(since, until, searched), shape, clock)
        blocks = list(whole(cuts, shape))
        assert b"".join(blocks) == data
        found = [piece for block in blocks for piece in getattr(sieve, form)(block)]
        text = b"".join(piece if isinstance(piece, bytes) else piece[1] for piece in found)
        if not sieve.over:
            assert text == b"".join(record for record in records if fits(record))


@pytest.mark.parametrize(
    "pattern",
    [b"needle", b"n[e]+dle$", b"le\\s", b"lost", b"(n)|(x)e", rb"(e)\1dle", b"^.", b"(?i)NEEDLE", b"h[^x]*g", b"\\d$|^"],
)
@pytest.mark.parametrize("stamp", ["2026-11-23 16:%02d:00,000 ", "", "{"], ids=["timed", "untimed", "objects"])
def test_many_findings(stamp: str, pattern: bytes) -> None:
    """Where much is found lines are looked at one by one, but for those of records that have several: the same comes of it."""
    more = ["  lost needle\n", *[""] * 699]
    text = [f"{number} {'needle' if number % 3 else 'nothing'}\n" + more[number % 700] for number in range(9000)]
    if stamp == "{":
        objects = ('{"time": "2026-11-23 16:00:00", "is": "' + line.replace("\n", '"}\n', 1) for line in text)
        stamp, text = "", list(objects)
    records = [((stamp % (number // 200) if stamp else "") + line).encode() for number, line in enumerate(text)]
    data, clock = b"".join(records), Clock(UTC)
    shape, searched = shape_of(data[:1000], clock), re.compile(pattern, re.MULTILINE)
    sieve = Sieve(Wanted(pattern=searched), shape, clock)
    found = [piece for block in whole([data[:100_000], data[100_000:]], shape) for piece in sieve.pieces(block)]
    assert b"".join(found) == b"".join(record for record in records if searched.search(record))


@pytest.mark.parametrize(
    "pattern",
    [
        rb"(?s)Trace.*lost$",
        rb"(?s:Trace.*)lost",
        rb"Trace(.|\n)*lost",
        rb"Trace[\s\S]*lost",
        rb"Trace[^;]*lost",
        rb"Trace[^];]+lost",
    ],
)
def test_pattern_of_any_number_of_lines_takes_no_time(pattern: bytes) -> None:
    """It is searched for in one record after the other: from each beginning to the end of a block would take hours."""
    clock = Clock(UTC)
    text = "".join(f"2026-11-23 16:00:00,000 m {number}\nTraceback (last)\n  found\n" for number in range(15_000)).encode()
    data = text + b"  lost\n" + text
    sieve = Sieve(Wanted(pattern=re.compile(pattern, re.MULTILINE)), shape_of(data[:100], clock), clock)
    began = time.process_time()
    found = b"".join(piece for block in whole([data], sieve._shape) for piece in sieve.pieces(block))
    assert found == b"2026-11-23 16:00:00,000 m 14999\nTraceback (last)\n  found\n  lost\n"
    assert time.process_time() - began < 5.0


def test_empty_finding_at_the_end_of_a_file() -> None:
    """Where the last line has no end, what is found behind its last character is found in it."""
    data, clock = b"2026-11-23 16:00:00,000 m\n2026-11-23 16:00:00,000 m", Clock(UTC)
    for pattern in (rb"$", rb"x*$", rb"[^\n]*$", rb"(?s)$"):
        sieve = Sieve(Wanted(pattern=re.compile(pattern, re.MULTILINE)), shape_of(data, clock), clock)
        assert b"".join(sieve.pieces(data)) == data, pattern


def test_lines_without_times_are_records_of_their_own() -> None:
    """But for those that begin with a blank."""
    clock, data = Clock(UTC), b"one\n  needle\ntwo\nthree needle\n"
    shape = shape_of(data, clock)
    assert not shape.timed
    sieve = Sieve(Wanted(pattern=re.compile(b"needle", re.MULTILINE)), shape, clock)
    assert list(sieve.pieces(data)) == [b"one\n  needle\n", b"three needle\n"]


@pytest.mark.parametrize(
    ("wanted", "passes"), [(Wanted(pattern=re.compile(b"m", re.MULTILINE)), ""), (Wanted(until=NOW + 1), "end of x\n")]
)
def test_lines_before_the_first_record(wanted: Wanted, passes: str) -> None:
    """They are no record's that is found."""
    data = b"end of x\n2026-11-23 16:00:00,000 m\n"
    clock = Clock(UTC)
    shape = shape_of(data, clock)
    assert b"".join(Sieve(wanted, shape, clock).pieces(data)).decode() == passes + "2026-11-23 16:00:00,000 m\n"
    assert b"".join(Sieve(Wanted(since=NOW), shape, clock).pieces(data)) == b"2026-11-23 16:00:00,000 m\n"


def test_object_without_a_time_is_of_the_record_before() -> None:
    """By time; by pattern it is one of its own."""
    clock = Clock(UTC)
    data = b'{"time": 1795449600, "a": 1}\n{"b": 2}\n{"time": 1795449700}\n{"b": 3}\n'
    shape = shape_of(data, clock)
    timed = Sieve(Wanted(since=NOW + 50), shape, clock)
    assert b"".join(timed.pieces(data)) == b'{"time": 1795449700}\n{"b": 3}\n'
    assert list(Sieve(Wanted(pattern=re.compile(b"b", re.MULTILINE)), shape, clock).pieces(data)) == [
        b'{"b": 2}\n',
        b'{"b": 3}\n',
    ]


@pytest.mark.parametrize("head", [b"", b"2026-11-23 16:00:00,000 m\n"])
@pytest.mark.parametrize("line", [b"first\n", b'{"b": 2}\n'])
def test_many_records_without_a_time_take_no_time(head: bytes, line: bytes) -> None:
    """None of them is looked at for each of the others."""
    clock, data = Clock(UTC), head + line * 20_000
    begun = time.process_time()
    sieve = Sieve(Wanted(), shape_of(data[:1000], clock), clock)
    found = [at for at, _ in sieve.records(data)]
    assert set(found) == {NOW if head else None}
    assert time.process_time() - begun < 10  # with a look at all that come before it is minutes


def test_endless_line_is_not_kept_in_memory() -> None:
    """Without the end of a line, blocks come all the same."""
    shape = shape_of(bytes(1 << 16), Clock(UTC))
    blocks = list(whole((bytes(1 << 20) for _ in range(20)), shape))
    assert sum(map(len, blocks)) == 20 << 20
    assert max(map(len, blocks)) <= 5 << 20


@pytest.mark.parametrize("late", [0, 5, 50])
def test_place_is_found_by_halves(tmp_path: Path, late: int) -> None:
    """It is not behind any record of that time or later, although lines are out of order by some seconds; and not far before."""
    chance = random.Random(late)
    times = [NOW + at / 20 - chance.choice([0, 0, 0, chance.random() * late]) for at in range(40_000)]
    lines = [f"{time:.3f} some text of a usual length, which is the same in each of them\n".encode() for time in times]
    path = tmp_path / "app.log"
    path.write_bytes(b"".join(lines))
    data = path.read_bytes()
    fd = os.open(path, os.O_RDONLY)
    for since in (NOW - 10, NOW, NOW + 1000, NOW + 1500.5, NOW + 1999, NOW + 99_999):
        place = first_place(fd, len(data), since, Clock(UTC))
        assert place == 0 or data[place - 1 : place] == b"\n"
        before = data[:place].splitlines()
        assert all(float(line.split()[0]) < since for line in before)
        wanted = next((at for at, time in enumerate(times) if time >= since), len(times))
        assert sum(map(len, lines[:wanted])) - place < 4 * BACK + 120 * 20 * len(lines[0])
    os.close(fd)


def test_old_lines_do_not_hide_what_is_before_them(tmp_path: Path) -> None:
    """A process that was stopped for hours writes what it has: the place is not behind any record of that time all the same."""
    path = tmp_path / "app.log"
    lines = [f"{NOW + at / 20:.3f} text\n" + f"{NOW - 9999:.3f} old\n" * (at % 3 == 0) for at in range(60_000)]
    path.write_text("".join(lines))
    data = path.read_bytes()
    fd = os.open(path, os.O_RDONLY)
    for second in range(100, 3000, 100):
        place = first_place(fd, len(data), NOW + second, Clock(UTC))
        wanted = data.index(f"{NOW + second:.3f}".encode())
        assert wanted - 4 * BACK - 60 * 20 * 40 < place <= wanted
    os.close(fd)


def test_line_of_the_future_does_not_end_it() -> None:
    """Records of the time asked for that stand behind it come as well; it ends where there is nothing but later ones."""
    clock = Clock(UTC)
    lines = [f"{NOW + at:.3f} {at}\n".encode() + b"1895449600 future\n" * (at % 100 == 7) for at in range(20_000)]
    shape, blocks = shape_of(lines[0], clock), [b"".join(lines[at : at + 500]) for at in range(0, 20_000, 500)]
    sieve, seen, found = Sieve(Wanted(until=NOW + 5000), shape, clock), 0, b""
    for block in blocks:
        seen += not sieve.over
        found += b"" if sieve.over else b"".join(sieve.pieces(block))
    assert found.count(b"\n") == 5000
    assert seen < 30


@pytest.mark.parametrize("text", [b"\n", b"x\n", b"  File x\n"])
def test_many_short_lines_of_one_record_take_no_time(text: bytes) -> None:
    """The start of the record is found without a look at each of them; and it is the right one."""
    head = b"2026-11-23 16:00:00,000 m\n"
    data = head * 2 + text * (4_000_000 // len(text))
    shape = shape_of(data[:1000], Clock(UTC))
    begun = time.process_time()
    assert [shape.last_start(data, end) for end in range(len(data) - 9, len(data))] == [len(head)] * 9
    assert b"".join(whole([data[:1_000_000], data[1_000_000:]], shape)) == data
    assert time.process_time() - begun < 10  # a line at a time it is a minute


def test_damaged_file_gives_what_can_be_read(tmp_path: Path) -> None:
    """Every byte before the damage, then the error."""
    text = "".join(f"{number} line\n" for number in range(50_000)).encode()
    path = tmp_path / "x.gz"
    packed = gzip.compress(text)
    path.write_bytes(packed[: len(packed) // 2])
    fd, read = os.open(path, os.O_RDONLY), b""
    with pytest.raises(Damaged):
        for piece in contents(fd, "gz"):
            read += piece
    os.close(fd)
    assert text.startswith(read)
    assert len(read) > len(text) * 0.45


@pytest.mark.parametrize("wrong", [-1, -5, -8])
@pytest.mark.parametrize("size", [10, 5000, 800_000])
def test_file_with_a_wrong_end_gives_all_that_comes_before(tmp_path: Path, size: int, wrong: int) -> None:
    """To the byte: where only the check of a gz file is wrong, that is all of its content, as gzip gives it."""
    path = tmp_path / "x.gz"
    text = packed(path, size)
    data = bytearray(path.read_bytes())
    data[wrong] ^= 0xFF
    path.write_bytes(data)
    read = b""
    with path.open("rb") as file, pytest.raises(Damaged):
        for piece in contents(file.fileno(), "gz"):
            read += piece
    assert read == text


def packed(path: Path, size: int) -> bytes:
    """Text that hardly becomes smaller, so that the compressed file is worth a thread; what was packed."""
    source = random.Random(size)
    text = b"".join(b"%d %s\n" % (number, source.randbytes(40).hex().encode()) for number in range(size // 90))
    path.write_bytes(gzip.compress(text, 1))
    return text


@pytest.mark.parametrize("cut", [0, 1, 5000])
def test_big_file_is_unpacked_ahead(tmp_path: Path, cut: int) -> None:
    """Every byte comes, in order, also of one that ends too early; then that is said. The descriptor is not needed meanwhile."""
    path = tmp_path / "big.gz"
    text = packed(path, 5_000_000)
    if cut:
        path.write_bytes(path.read_bytes()[:-cut])
    fd = os.open(path, os.O_RDONLY)
    pieces, got = contents_ahead(fd, "gz"), list[bytes]()
    got.append(next(pieces))
    os.close(fd)
    with pytest.raises(Damaged) if cut else nullcontext():
        got += pieces
    whole = b"".join(got)
    assert whole == text if cut < 5000 else text.startswith(whole) and len(whole) > len(text) - 20_000


@pytest.mark.skipif(sys.platform == "win32", reason="no list of descriptors on Windows")
def test_who_reads_only_the_beginning_leaves_nothing_open(tmp_path: Path) -> None:
    """The thread and its descriptor end with the reader."""
    packed(tmp_path / "big.gz", 3_000_000)
    before = set(os.listdir("/dev/fd"))
    with (tmp_path / "big.gz").open("rb") as file:
        pieces = contents_ahead(file.fileno(), "gz")
        next(pieces)
        pieces.close()
    assert set(os.listdir("/dev/fd")) == before
    assert not [one for one in threading.enumerate() if one.name.startswith("ThreadPool")]


@pytest.mark.parametrize("pattern", [b"needle", b"n[e]{2}dle", b"needle$", rb"needle|y\s\d"])
@pytest.mark.parametrize("head", ["2026-11-23 16:00:00,000 ", ""])
def test_many_findings_after_each_other(pattern: bytes, head: str) -> None:
    """Where most of a log is found it is looked through in another way; what is found stays the same, also in the block in which
    there is less, or none, and in records of more than one line."""
    clock, chance = Clock(UTC), random.Random(1)
    shares = [1.0, 1.0, 0.9, 0.5, 0.0, 0.1, 1.0, 0.01, 1.0]
    records = [f"{head}{number} {'needle' if chance.random() < share else 'hay'}\n" for share in shares for number in range(400)]
    records[1000] += "  needle\n"
    records[1100] = f"{head}hay\n  more\n  needle\n"
    records[1900] += "  more\n"
    blocks = ["".join(records[at : at + 400]).encode() for at in range(0, len(records), 400)]
    blocks[-1] = blocks[-1].rstrip(b"\n")
    sieve = Sieve(Wanted(pattern=re.compile(pattern, re.MULTILINE)), shape_of(blocks[0], clock), clock)
    found = b"".join(piece for block in blocks for piece in sieve.pieces(block))
    assert found.decode().rstrip("\n") == "".join(one for one in records if "needle" in one).rstrip("\n")


@pytest.mark.parametrize("pattern", [rb"needle\s", b"needle\n", rb"needle\n|\Z"])
def test_only_finding_of_a_block_is_its_last_line(pattern: bytes) -> None:
    """Also where its own end is part of what is searched for: there is no other line behind it."""
    hay, clock = b"hay\n" * 300, Clock(UTC)
    sieve = Sieve(Wanted(pattern=re.compile(pattern, re.MULTILINE)), shape_of(hay, clock), clock)
    assert b"".join(sieve.pieces(b"needle\n" * 300)) == b"needle\n" * 300
    assert b"".join(sieve.pieces(b"needle\nneedle\nhay\n")) == b"needle\nneedle\n"
    assert b"".join(sieve.pieces(hay + b"needle\n")) == b"needle\n"
    assert b"".join(sieve.pieces(b"  more\n")) == b"  more\n"


def after_many_findings(pattern: bytes, block: str) -> str:
    """What is wanted of a block, with @ for the time, after some in which each line is."""
    clock, head = Clock(UTC), b"2026-11-23 16:00:00,000"
    before = b"@ needle\n".replace(b"@", head) * 300
    sieve = Sieve(Wanted(pattern=re.compile(pattern, re.MULTILINE)), shape_of(before, clock), clock)
    for _ in range(2):
        assert b"".join(sieve.pieces(before)) == before
    return b"".join(sieve.pieces(block.encode().replace(b"@", head))).replace(head, b"@").decode()


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ("@ needle\n  more\n@ hay\n", "@ needle\n  more\n"),
        ("@ hay\n  needle x\n@ needle\n@ hay\n", "@ hay\n  needle x\n@ needle\n"),
        ("  more\n@ needle\n", "  more\n@ needle\n"),
        ("@ hay\n@ needle\n  more", "@ needle\n  more"),
    ],
)
def test_records_of_several_lines_among_many_findings(block: str, found: str) -> None:
    """They are whole, wherever in them the pattern is, and whether it goes on in the next line."""
    for pattern in (rb"needle\b", rb"needle\s"):
        assert after_many_findings(pattern, block) == found


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ("@ hay\n  more\n@ needle\n", "@ hay\n  more\n@ needle\n"),
        ("@ hay\n@ needle\n@ hay\n  less\n@ needle\n", "@ needle\n@ needle\n"),
        ("@ hay\n@ x\n  more\n@ needle\n", "@ needle\n"),
    ],
)
def test_pattern_of_several_lines_among_many_findings(block: str, found: str) -> None:
    """It is found in a record that has them all."""
    assert after_many_findings(rb"needle\n|hay\n.*\n?  m", block) == found


def test_end_of_a_record_that_began_in_another_block() -> None:
    """It goes with what was found before it, and is found where it has the pattern itself."""
    clock, head = Clock(UTC), b"2026-11-23 16:00:00,000 "
    sieve = Sieve(Wanted(pattern=re.compile(b"x", re.MULTILINE)), shape_of(head, clock), clock)
    assert list(sieve.pieces(head + b"x\n")) == [head + b"x\n"]
    assert list(sieve.pieces(b"more\n" + head + b"y\n")) == [b"more\n"]
    assert list(sieve.pieces(b"more\n")) == []
    assert list(sieve.pieces(b"more x\n")) == [b"more x\n"]
    assert list(sieve.pieces(b"")) == []


@pytest.mark.parametrize("last", ["needle", "hay"])
def test_end_of_a_record_after_many_findings(last: str) -> None:
    """It goes with the last record of the block before, whether that was found or not."""
    block, clock = (b"needle\n" * 3000 + last.encode() + b"\n"), Clock(UTC)
    sieve = Sieve(Wanted(pattern=re.compile(b"needle")), shape_of(block, clock), clock)
    for _ in range(3):  # from the second one on, line by line
        assert b"".join(sieve.pieces(block)) == b"needle\n" * (3000 + (last == "needle"))
    assert b"".join(sieve.pieces(b"  more\nhay\n")) == (b"  more\n" if last == "needle" else b"")


def test_no_records_in_nothing() -> None:
    """Neither of all, nor of those with a time."""
    clock = Clock(UTC)
    shape = shape_of(b"2026-11-23 16:00:00 x", clock)
    for wanted in (Wanted(), Wanted(since=NOW)):
        assert list(Sieve(wanted, shape, clock).records(b"")) == []


def test_file_that_gets_shorter_while_it_is_read(tmp_path: Path) -> None:
    """What is left of it comes, and it does not wait for the rest."""
    (tmp_path / "x").write_bytes(b"abc")
    with (tmp_path / "x").open("rb") as file:
        assert b"".join(raw(file.fileno(), 1, 1000)) == b"bc"


def test_what_stands_behind_some_bytes() -> None:
    """Wherever the pieces end."""
    pieces = [b"ab", b"cd", b"", b"efg"]
    for offset in range(9):
        assert b"".join(behind(pieces, offset)) == b"abcdefg"[offset:]


def test_place_in_a_file_without_times(tmp_path: Path) -> None:
    """All of it is read: a place in it cannot be told."""
    for text in ((b"no time " * 10_000 + b"\n") * 50, b"x" * 4_000_000):
        (tmp_path / "x").write_bytes(text)
        with (tmp_path / "x").open("rb") as file:
            assert first_place(file.fileno(), len(text), NOW, Clock(UTC)) == 0


def test_more_minutes_than_are_remembered() -> None:
    """Each of them is read all the same."""
    clock = Clock(UTC)
    for minute in range(10_000):
        stamp = datetime.fromtimestamp(NOW + minute * 60, timezone.utc)
        assert clock.moment(f"{stamp:%Y-%m-%d %H:%M}:30 x".encode()) == NOW + minute * 60 + 30
