"""What must be true of the files after a point of the sweep. Uses nothing of the package: it lists the folder and reads bytes."""

from __future__ import annotations

import collections
import re
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from _sweep_world import World

STUMP = "a record that nobody was promised "  # of a killed writer
PACKED = ".gz"
_GZIP = 31  # zlib's number for the format with a header
_PERIOD = r"\d{4}-\d\d-\d\d_\d\d"
_OURS = re.compile(rf"app\.log(\.{_PERIOD}(\.\d)?({PACKED})?)?")

Record = tuple[str, float, str]  # file, created, name


def missing_are_known(world: World, told: dict[str, Any], *, blind: bool) -> list[str]:
    """While the fault is there: what the process has acknowledged is on disk, or it says that it is not."""
    found = {name for _, _, name in _records(world, blind=blind)[0]}
    missing = [name for name in _names(world, told["number"]) if name not in found]
    known = told["waits"] + told["lost"]
    return [] if len(missing) == known else [f"{missing} are not there, and the process says {known}: {told}"]


def account(world: World, *, killed: bool, blind: bool, filed: set[int] | None = None) -> list[str]:
    """What is wrong with the files, at the very end.

    Args:
        world: whose.
        killed: a process was, so that the record that it was writing may be there.
        blind: the fault kept the torn-tail guard from seeing.
        filed: the processes whose records must be in their own period's files, if not all: the others could not rotate.
    """
    records, problems = _records(world, blind=blind)
    counts = collections.Counter(name for _, _, name in records)
    expected = {name for number in range(world.shared.processes) for name in _names(world, number)}
    missing = sorted(expected - set(counts))
    lost = sum(world.shared.lost)
    if len(missing) != lost:
        problems.append(f"missing {missing}, said to be lost: {lost}")
    in_flight = {f"{number}-{world.shared.returned[number]}" for number in range(world.shared.processes)} if killed else set()
    problems += [f"unknown record {name}" for name in sorted(set(counts) - expected - in_flight)]
    problems += [f"{count} times {name}" for name, count in counts.items() if count > 1]
    problems += _only_left_behind(world, set(counts))
    problems += _misfiled(world, [one for one in records if filed is None or int(one[2].partition("-")[0]) in filed])
    if trouble := world.trouble.read_text():
        problems.append(trouble)
    return problems


def told_as_lost(world: World) -> int:
    """How many records the log itself says to be lost."""
    text = "".join(path.read_text() for path in world.folder.glob("app.log*"))
    return sum(map(int, re.findall(r"mpfhandler: (\d+) records lost between ", text)))


def retained(world: World, keep: int, *, at_the_end: bool) -> list[str]:
    """Which segments are there: never less than the newest `keep` of all there ever were, nobody else's file changed; at the end
    no more than that. Those before the first process are older than all the others, none of which may be gone."""
    there = [path.name for path in _files(world) if path.name not in world.foreign]
    closed = [name for name in there if _OURS.fullmatch(name) and name != world.log.name]
    older = [name for name in closed if name in world.old]
    due = sorted(world.old)[-max(0, keep - (len(closed) - len(older))) :] if keep > len(closed) - len(older) else []
    problems = [f"{name} is deleted" for name in due if name not in older]
    if at_the_end:
        problems += [f"{name} is not deleted" for name in older if name not in due]
    problems += [f"{name} is not as it was" for name in older if (world.folder / name).read_text() != world.old[name]]
    for name, text in world.foreign.items():
        path = world.folder / name
        if not path.exists() or path.read_text() != text:
            problems.append(f"somebody's {name} is not as it was")
    return problems


def _records(world: World, *, blind: bool) -> tuple[list[Record], list[str]]:
    """Every record, and what else is there that must not be. A record behind a stump counts where the guard was blind."""
    records: list[Record] = []
    problems: list[str] = []
    theirs = {world.lock.name, *world.foreign, *world.old, *world.left}
    for path in (path for path in _files(world) if path.name not in theirs):
        if not _OURS.fullmatch(path.name):
            problems.append(f"a file of a strange name: {path.name}")
        text, whole = _text(path)
        if not whole or (text and not text.endswith("\n") and not text.splitlines()[-1].startswith(STUMP)):
            problems.append(f"{path.name} ends with {text[-80:]!r}")
        for line in text.splitlines():
            stump = rf"({STUMP}-*)?" if blind else ""
            match = re.fullmatch(rf"{stump}(?P<created>\d+\.\d+) (?P<name>\d+-\d+)", line)
            if match:
                records.append((path.name, float(match["created"]), match["name"]))
            elif not line.startswith(STUMP) and not re.fullmatch(r"mpfhandler: \d+ records lost between .*", line):
                problems.append(f"{path.name} has a line that is none: {line[:80]!r}")
    return records, problems


def _files(world: World) -> list[Path]:
    return sorted(world.folder.iterdir()) if world.folder.exists() else []


def _text(path: Path) -> tuple[str, bool]:
    """What a file says, and whether it is whole: a compressed one may end in the middle."""
    data = path.read_bytes()
    if path.suffix != PACKED:
        return data.decode(), True
    unpacked = zlib.decompressobj(_GZIP)
    return unpacked.decompress(data).decode(), unpacked.eof and not unpacked.unused_data


def _only_left_behind(world: World, found: set[str]) -> list[str]:
    """What a killed rotator had begun to write is a copy of the beginning of a file that is there."""
    problems = []
    for file in sorted(world.left):
        lines = _text(world.folder / file)[0].split("\n")[:-1]
        names = [line.rpartition(" ")[2] for line in lines]
        problems += [f"{name} is only in {file}, which a killed rotator has left" for name in names if name not in found]
    return problems


def _misfiled(world: World, records: Iterable[Record]) -> list[str]:
    here = time.strftime("app.log.%Y-%m-%d_%H", time.gmtime(world.now()))
    wrong = []
    for file, created, name in records:
        period = here if file == "app.log" else re.sub(rf"(\.\d)?({PACKED})?\Z", "", file)
        if time.strftime("app.log.%Y-%m-%d_%H", time.gmtime(created)) != period:
            wrong.append(f"{name} of {time.strftime('%H:%M:%S', time.gmtime(created))} is in {file}")
    return wrong


def _names(world: World, number: int) -> list[str]:
    return [f"{number}-{count}" for count in range(world.shared.returned[number])]
