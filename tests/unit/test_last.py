"""The last records of a file that has to be read from its start, since it is compressed."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from mpfhandler._faces.read import last, source
from mpfhandler._faces.read.asked import Asked
from mpfhandler._faces.read.files import LogFile
from mpfhandler._faces.read.last import last_of
from mpfhandler._faces.read.moments import Clock
from mpfhandler._faces.read.records import Wanted
from mpfhandler._pure.facts import FileId
from mpfhandler._pure.zone import UtcZone

UTC = UtcZone()
BEGIN = 1_795_449_600  # 2026-11-23 16:00:00 UTC
RECORDS = [
    f"2026-11-23 16:{number // 1000:02}:{number // 17 % 60:02} {'needle' if number % 5 == 0 else 'hay'} {number}\n"
    + ("Traceback:\n  needle\n" if number % 700 == 0 else "")
    for number in range(40_000)
]


class Counting(Clock):
    """Counts the lines in which a time is looked for."""

    looks = 0

    def moment(self, data: bytes, at: int = 0) -> float | None:
        """See `Clock`."""
        self.looks += 1
        return super().moment(data, at)


def last_records(path: Path, most: int, wanted: Wanted, clock: Clock) -> list[str]:
    """Those of a packed file."""
    file = LogFile(str(path), None, None, None, 0, FileId(0, 0), 0.0, "gz")
    with path.open("rb") as opened:
        found = last_of(file, opened.fileno(), path.stat().st_size, most, Asked("tail", wanted, UTC, ""), clock)
        return [record.decode() for record in found]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All the records in one file."""
    path = tmp_path_factory.mktemp("log") / "app.log.gz"
    path.write_bytes(gzip.compress("".join(RECORDS).encode(), 1))
    return path


@pytest.mark.parametrize("kept", [1, 100_000, 4 << 20])
@pytest.mark.parametrize("most", [0, 1, 10, 9_000, 50_000])
@pytest.mark.parametrize("pattern", [None, "needle", "Traceback"])
@pytest.mark.parametrize("until", [None, 1800])
def test_last_of_a_packed_file(
    packed: Path, monkeypatch: pytest.MonkeyPatch, kept: int, most: int, pattern: str | None, until: int | None
) -> None:
    """As many as are asked for, whole and in their order, whenever it is looked which pieces are still needed."""
    monkeypatch.setattr(last, "_KEPT", kept)
    searched = None if pattern is None else re.compile(pattern.encode(), re.MULTILINE)
    wanted = Wanted(until=None if until is None else BEGIN + until, pattern=searched)
    fitting = [one for one in RECORDS if (pattern or "") in one and (until is None or int(one[14:16]) * 60 < until)]
    assert last_records(packed, most, wanted, Clock(UTC)) == fitting[max(len(fitting) - most, 0) :]


@pytest.mark.parametrize("pattern", [None, b"needle"])
def test_what_is_not_among_the_last_goes_by_in_big_pieces(
    packed: Path, monkeypatch: pytest.MonkeyPatch, pattern: bytes | None
) -> None:
    """Not record by record, which would take much longer."""
    monkeypatch.setattr(last, "_KEPT", 1)
    monkeypatch.setattr(source, "CHUNK", 1 << 16)
    clock = Counting(UTC)
    wanted = Wanted(pattern=None if pattern is None else re.compile(pattern, re.MULTILINE))
    assert len(last_records(packed, 10, wanted, clock)) == 10
    assert clock.looks < sum((pattern or b"").decode() in one for one in RECORDS) / 2
