"""Counts the lines of one log over all of its files, without any help from the handler that wrote them.

Each line carries the record's own creation time, so the file that it belongs in is known from the line alone: the
local time, floored to two seconds, formatted as the standard library names a file rotated by the second.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Verdict", "inspect", "table"]

# The second word is the process; before the request there may be the client's address.
_LINE = re.compile(rb'(\d+\.\d+) \d+ (?:\S+ - ")?GET /log/(\d+) (begun|served|HTTP/1\.[01]"? (?:200|-))')
_GONE = "-"  # of hypercorn's records: the client had gone; another one, with the status, follows or not
_SUFFIX = re.compile(r"(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)(?:\.\d+)?")
_COMPANIONS = {"lock", "debug"}


@dataclass(frozen=True)
class Verdict:
    """What was found for one log. `strangers` are files beside it that are neither its segments nor its companions."""

    log: str
    files: int = 0
    lines: int = 0
    lost: int = 0
    doubled: int = 0
    unasked: int = 0
    torn: int = 0
    misfiled: int = 0
    strangers: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether every answered request is there once, whole, in the file of its period."""
        return not (self.lost or self.doubled or self.unasked or self.torn or self.misfiled or self.strangers)


@dataclass
class _Tally:
    records: Counter[tuple[int, str]] = field(default_factory=Counter)
    torn: int = 0
    misfiled: int = 0
    newest: str = ""
    unnamed: list[list[str]] = field(default_factory=list)


def inspect(
    folder: Path,
    log: str,
    answered: Collection[int],
    unanswered: Collection[int] = (),
    moved: Collection[str] = (),
    kinds: Collection[str] = ("served",),
) -> Verdict:
    """Reads `log` and all of its segments in `folder`.

    Args:
        folder: where the files are.
        log: name of the active file.
        answered: the requests that must have exactly one line.
        unanswered: the requests that may have one line.
        moved: names under which somebody put the active file aside; each holds one period, whichever.
        kinds: the records of a request, each of which has a line: "begun", "served", or "HTTP", a server's own.
    """
    asked = {(number, kind) for number in answered for kind in kinds}
    allowed = {(number, kind) for number in {*answered, *unanswered} for kind in (*kinds, _GONE)}
    tally, files, strangers = _Tally(), 0, []
    for path, suffix in _files(folder, log):
        period = _SUFFIX.fullmatch(suffix)
        if period or suffix == "" or path.name in moved:
            files += 1
            _count(path, period[1] if period else None, active=suffix == "", tally=tally)
        elif suffix not in _COMPANIONS:
            strangers.append(path.name)
    return Verdict(
        log=log,
        files=files,
        lines=sum(tally.records.values()),
        lost=len(asked - set(tally.records)),
        doubled=sum(count - 1 for count in tally.records.values()),
        unasked=len(set(tally.records) - allowed),
        torn=tally.torn,
        misfiled=tally.misfiled + sum(_outside(periods, tally.newest) for periods in tally.unnamed),
        strangers=tuple(strangers),
    )


def table(verdicts: Collection[Verdict]) -> str:
    """One row per log."""
    columns = ["log", "files", "lines", "lost", "doubled", "unasked", "torn", "misfiled"]
    rows = [columns, *([str(getattr(verdict, name)) for name in columns] for verdict in verdicts)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    strangers = [f"unexpected file: {name}" for verdict in verdicts for name in verdict.strangers]
    return "\n".join(lines + strangers)


def expected_suffix(created: float) -> str:
    """The name of the two seconds in which a record was made."""
    moment = time.localtime(created)
    return time.strftime("%Y-%m-%d_%H-%M-", moment) + f"{moment.tm_sec // 2 * 2:02d}"


def _files(folder: Path, log: str) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.iterdir()):
        if path.name == log:
            yield path, ""
        elif path.name.startswith(log + "."):
            yield path, path.name[len(log) + 1 :]


def _count(path: Path, period: str | None, *, active: bool, tally: _Tally) -> None:
    *lines, rest = path.read_bytes().split(b"\n")
    tally.torn += rest != b""
    periods: list[str] = []
    for line in lines:
        found = _LINE.fullmatch(line)
        if not found:
            tally.torn += 1
            continue
        kind = _GONE if found[3].endswith(b"-") else found[3].split(b"/")[0].decode()
        tally.records[int(found[2]), kind] += 1
        periods.append(expected_suffix(float(found[1])))
    tally.newest = max([tally.newest, *periods])
    if period is not None:
        tally.misfiled += sum(own != period for own in periods)
    elif active:
        tally.unnamed.append(periods)
    else:
        tally.misfiled += _outside(periods, max(periods, default=""))


def _outside(periods: list[str], period: str) -> int:
    return sum(own != period for own in periods)
