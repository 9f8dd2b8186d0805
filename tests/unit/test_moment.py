"""The time that a line begins with: the usual forms are read, nothing else is taken for one."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpfhandler._pure.moment import Head, Tail, first_moment, last_moment, read_moment
from mpfhandler._pure.zone import FixedZone, UtcZone, find_zone

UTC = UtcZone()
SHANGHAI = find_zone(False, "Asia/Shanghai")
BERLIN = find_zone(False, "Europe/Berlin")
AT = 1_795_449_600.0  # 2026-11-23 16:00:00 UTC


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("2026-11-23 16:00:00,123 INFO started", AT + 0.123),
        ("2026-11-23 16:00:00.5 INFO", AT + 0.5),
        ("2026-11-23 16:00:00", AT),
        ("  2026-11-23 16:00:00 indented", AT),
        ("[2026-11-23 16:00:00,250] app: x", AT + 0.25),
        ("2026-11-23 16:00 short", AT),
        ("2026-11-23T16:00:00Z x", AT),
        ("2026-11-23T17:30:00+01:30 x", AT),
        ("2026-11-23T17:00:00+01 x", AT),
        ("2026-11-23T12:00:00.000000001-0400", AT),
        ("2026-11-23 16:00:00 UTC x", AT),
        ("1795449600.25 x", AT + 0.25),
        ("1795449600 x", AT),
        ("[1795449600] x", AT),
        ("1795449600123 x", AT + 0.123),
        ("1795449600123456 x", AT + 0.123456),
        ('{"level": "INFO", "time": "2026-11-23T16:00:00Z"}', AT),
        ('{"timestamp": 1795449600.5}', AT + 0.5),
        ('{"ts": 1795449600}', AT),
        ('{"@timestamp": "2026-11-23T16:00:00.000+00:00"}', AT),
        ('{"created": 1795449600000}', AT),
        ('{"asctime": "2026-11-23 16:00:00,750"}', AT + 0.75),
    ],
)
def test_usual_forms_are_read(line: str, wanted: float) -> None:
    """The time stands at the start of the line, or under a usual key of its object."""
    assert read_moment(line, UTC) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "   ",
        "INFO 2026-11-23 16:00:00",
        "2026-13-23 16:00:00",
        "2026-02-30 16:00:00",
        "2026-11-23 25:00:00",
        "2026-11-23",
        "2026-11-23 16:00:00:00",
        "2026-11-23 16:000",
        "٢٠٢٦-11-23 16:00:00",
        "12345 requests",
        "1795449600abc",
        "192.168.100.200 - - GET",
        "1795449600-77 an order",
        "20261123160000000000 too many digits",
        "20261123160000 a date",
        "{not json",
        '{"time": true}',
        '{"time": -5}',
        '{"time": 5}',
        '{"time": NaN}',
        '{"time": null}',
        '{"message": "2026-11-23T16:00:00Z"}',
        '{"time": "yesterday"}',
        '{"time": ["2026-11-23T16:00:00Z"]}',
        "[1, 2]",
        "Traceback (most recent call last):",
    ],
)
def test_anything_else_is_no_time(line: str) -> None:
    """What does not read in full is told as unknown, never as a wrong time."""
    assert read_moment(line, UTC) is None


def test_time_without_zone_is_the_logs() -> None:
    """The wall clock of the schedule's zone; one with a zone of its own keeps that."""
    assert read_moment("2026-11-24 00:00:00,000", SHANGHAI) == AT
    assert read_moment("2026-11-23T16:00:00Z", SHANGHAI) == AT


def test_hour_that_comes_twice_and_hour_that_never_comes() -> None:
    """The first of two; none where the wall clock was put forward."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=timezone.utc).timestamp()
    assert read_moment("2026-10-25 02:30:00", BERLIN) == first
    assert read_moment("2026-03-29 02:30:00", BERLIN) is None


def test_first_and_last_line_with_a_time_count() -> None:
    """A banner before and a traceback behind are passed over, and so is a line that was cut off."""
    data = b"\xef\xbb\xbfbanner\n2026-11-23 16:00:00 a\n2026-11-23 16:00:01 b\nTraceback:\n  File\nValueError\n"
    assert first_moment(data, UTC) == AT
    assert last_moment(data, UTC) == AT + 1
    assert first_moment("\ufeff2026-11-23 16:00:00 a\n".encode(), UTC) == AT
    assert first_moment(b"", UTC) is last_moment(b"\n\n", UTC) is None
    assert last_moment("2026-11-23 16:00:00\n".encode("utf-16"), UTC) is None


@given(st.lists(st.binary(max_size=200_000), max_size=5))
def test_start_and_end_are_kept_from_any_chunks(chunks: list[bytes]) -> None:
    """However the content comes, its first and last bytes are there at the end, and its size."""
    head, tail, whole = Head(), Tail(), b"".join(chunks)
    for chunk in chunks:
        head.add(chunk)
        tail.add(chunk)
    assert head.data == whole[: 1 << 13]
    assert tail.data == whole[-(1 << 16) :]
    assert tail.size == len(whole)


@given(st.text(max_size=60) | st.text('0123456789-:.,T Z+{}"time', max_size=60))
def test_any_line_is_taken(line: str) -> None:
    """Nothing that stands in a log is an error, and a time is a number."""
    found = read_moment(line, BERLIN)
    assert found is None or found == found + 0.0


class Nowhere(FixedZone):
    """A zone whose rules cannot be read any more."""

    def offset(self, instant: int) -> int:
        raise OSError("the zone's file is gone")


def test_time_in_a_zone_that_is_not_to_be_had() -> None:
    """A time without an offset cannot be told then, and no line is given up for it; one with an offset needs no zone."""
    nowhere = Nowhere(0)
    assert read_moment("2026-11-23 16:00:00 INFO", nowhere) is None
    assert read_moment("2026-11-23 16:00:00Z INFO", nowhere) == AT
