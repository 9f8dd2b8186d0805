"""What is looked at by `mpfhandler verify`: names, periods, contents. Each check is a function from a log to findings."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

from ..._platform import OPERATIONS
from ..._platform.looking import open_shared
from ..._protocols.compression import has_our_time
from ..._protocols.twins import Twin, compare
from ..._pure.naming import COMPRESSIONS, Names
from ..._pure.schedule import Schedule
from ..._pure.zone import Zone, find_zone
from .content import Content, measure_where_it_is
from .files import Log, LogFile
from .findings import NOTICE, PROBLEM, Finding, command, some
from .folder import logs_in
from .guess import UNITS, Given
from .locks import is_free
from .show import wall
from .states import Known

__all__ = ["check_content", "check_names", "check_periods", "check_schedule", "check_twins"]

_SETTLE = 0.3  # seconds in which a line of the active file is finished, if somebody is at it
_OLD = 60.0  # seconds after which a rotator is not just on its way
_GAPS = 5  # more are told together: a log that is seldom written has many
_SHORTEST = {"D": 20 * 3600, "MONTH": 27 * 86400}  # seconds of one: clocks are set forward, and months differ
_OWN = (".lock", ".debug")


def check_names(log: Log, files: list[str], now: float) -> Iterator[Finding]:
    """Names beside the log: of no segment, of another schedule, hidden ones that were left behind.

    Args:
        log: of them.
        files: all names in its folder.
        now: wall clock (epoch seconds).
    """
    base = os.path.basename(log.path)
    others = [f"{one}." for one in logs_in(log.names.folder, files) if one.startswith(f"{base}.")]  # app.log.2, of others
    strange: list[str] = []
    for text in sorted(files):
        path = os.path.join(log.names.folder, text)
        if text.startswith(f".{base}."):
            yield from _hidden(log, text, path)
        elif text.startswith(f"{base}.") and text.removeprefix(base) not in _OWN and log.names.read(path) is None:
            strange += [] if f"{text}.".startswith(tuple(others)) else [text]
    yield from _strange(log, strange)
    for one in log.files:
        if one.waiting and now - one.mtime > _OLD and is_free(one.path):
            name = log.names.write(one.name) if one.name else one.path
            text = "waits for a rotator, and nobody is at it: a process with the rotator fetches it when it rotates"
            yield Finding("waiting", NOTICE, one.path, text, f"or give it its name: {command('mv', '-n', one.path, name)}")


def _hidden(log: Log, text: str, path: str) -> Iterator[Finding]:
    temporary = log.names.read_temporary(log.names.folder, text) or log.names.read_marker_temporary(text)
    if temporary is not None and is_free(path):
        yield Finding("orphan", PROBLEM, path, "is unfinished work of a process that is gone", command("rm", path))


def _strange(log: Log, texts: list[str]) -> Iterator[Finding]:
    left = set(texts)
    for unit in UNITS:
        names = Names(log.path, Schedule.create(unit, utc=True).suffix)
        found = [text for text in texts if names.read(os.path.join(names.folder, text)) is not None]
        if found:
            left -= set(found)
            text = f"{len(found)} files have names of another schedule than {log.schedule.when}: {some(found)}"
            remedy = f"give every process the same when=; to see these: {command('mpfhandler', 'ls', '--when', unit, log.path)}"
            yield Finding("schedule", PROBLEM, log.path, text, remedy)
    for text in sorted(left):
        path = os.path.join(log.names.folder, text)
        problem = "has no name of a segment: it is never compressed, archived or deleted, nor read as a part of the log"
        remedy = f"put it elsewhere if it is none: {command('mv', '-n', path, os.path.join(log.names.folder, f'other-{text}'))}"
        yield Finding("foreign", NOTICE, path, problem, remedy)


def check_periods(log: Log, files: list[Known], now: float) -> Iterator[Finding]:
    """Whether periods follow each other, and each name is one that the schedule gives. Only where the schedule is known."""
    if not log.sure or not log.names.chronological:
        return
    for one in files:
        name, start = one.file.name, one.file.start
        if name is None or start is None:
            continue
        if start > now:
            yield _misnamed(log, one.file, "its period has not begun yet")
        elif log.names.at(log.schedule.wall(int(start))).wall != name.wall:
            yield _misnamed(log, one.file, f"no period begins then; the one of that time began at {wall(log.zone, start)}")
    periods = sorted({(one.file.start, one.file.end) for one in files if one.file.start is not None and one.file.end is not None})
    gaps = [(end, start) for (_, end), (start, _) in pairwise(periods) if end < start]
    remedy = "look in the archive or a backup, if there should be something"
    for end, start in gaps if len(gaps) <= _GAPS else ():
        text = f"no file from {wall(log.zone, end)} to {wall(log.zone, start)}: nothing was logged then, or files were taken away"
        yield Finding("gap", NOTICE, log.path, text, remedy)
    if len(gaps) > _GAPS:
        end, start = max(gaps, key=lambda gap: gap[1] - gap[0])
        text = f"{len(gaps)} times no file; for longest from {wall(log.zone, end)} to {wall(log.zone, start)}"
        yield Finding("gap", NOTICE, log.path, f"{text}: nothing was logged then, or files were taken away", remedy)


def _misnamed(log: Log, file: LogFile, why: str) -> Finding:
    remedy = f"if the log has another schedule: {command('mpfhandler', 'verify', '--when', 'UNIT', log.path)}"
    return Finding("misnamed", PROBLEM, file.path, f"{why}: the file was renamed by hand, or made by another schedule", remedy)


def check_schedule(log: Log, given: Given) -> Iterator[Finding]:
    """Whether the state record goes with what the user said, or with the names."""
    state = log.state
    if state is None or state.fingerprint == log.schedule.fingerprint:
        return
    start, end = state.period
    there = f"their present period is from {wall(log.zone, start)} to {wall(log.zone, end)}"
    if given.when is not None:
        text = f"the processes of this log rotate it by another schedule or zone: {there}"
        remedy = f"leave out --when to see which one: {command('mpfhandler', 'ls', '--fast', log.path)}"
        yield Finding("schedule", PROBLEM, log.lock, text, remedy)
    elif end - start < _SHORTEST.get(log.schedule.when, log.schedule.unit_seconds):
        text = f"the processes of this log rotate it more often than its files' names tell: {there}"
        yield Finding("schedule", PROBLEM, log.lock, text, "give every process the same when=, interval=, atTime= and zone")
    else:
        text = f"which schedule the processes of this log have cannot be told from here: {there}"
        remedy = "give it: --when, --interval, --at-time, and --tz if it is not the system's zone"
        yield Finding("schedule", NOTICE, log.lock, text, remedy)


def check_twins(log: Log, files: list[str]) -> Iterator[Finding]:
    """A plain segment beside a compressed one: what is the second one?"""
    there = set(files)
    for one in log.files:
        if one.name is None or one.waiting or one.compression:
            continue
        for method in COMPRESSIONS:
            packed = log.names.write(replace(one.name, compression=method))
            if os.path.basename(packed) in there and is_free(one.path) and is_free(packed):  # else somebody is at it
                yield from _twin(log, one, packed, method)


def _twin(log: Log, plain: LogFile, packed: str, method: str) -> Iterator[Finding]:
    seal = command("mpfhandler", "seal", log.path, "--compress", method, *_options(log))
    try:
        ours = has_our_time(OPERATIONS.stat_path(packed), OPERATIONS.stat_path(plain.path))
        found = _compared(plain.path, packed, method)
    except FileNotFoundError:
        return  # there is only one of them any more
    except (OSError, ImportError) as error:
        yield Finding("twin", PROBLEM, packed, f"stands beside its plain form, and cannot be compared: {error}", seal)
        return
    if found is Twin.FOREIGN:
        text = f"has other content than {plain.path}: one of them is somebody else's, and the segment stays plain"
        yield Finding("twin", PROBLEM, packed, text, command("mv", "-n", packed, f"{packed}.other"))
    elif found is Twin.UNFINISHED and not ours:
        text = f"has a part of the content of {plain.path}: somebody is writing it, or was, and the segment stays plain"
        yield Finding("twin", PROBLEM, packed, text, f"if nobody is at it: {command('rm', packed)}")
    elif os.path.lexists(plain.path):
        text = f"stands beside its plain form, {found.value}: its maker was stopped in between"
        yield Finding("twin", NOTICE, packed, text, seal)


def _compared(plain: str, packed: str, method: str) -> Twin:
    first = open_shared(plain)
    try:
        second = open_shared(packed)
        try:
            return compare(OPERATIONS, first, second, method, lambda: False)
        finally:
            os.close(second)
    finally:
        os.close(first)


def _options(log: Log) -> list[str]:
    """What other commands need to know of the schedule."""
    schedule = log.schedule
    options = ["--when", schedule.when]
    options += ["--interval", str(schedule.interval)] if schedule.interval > 1 else []
    options += ["--at-time", schedule.at_time.isoformat()] if schedule.at_time is not None else []
    zone = [] if schedule.zone.key.startswith("local:") else ["--tz", schedule.zone.key]
    return [*options, *zone, *(["--suffix", log.names.suffix] if log.names.suffix != schedule.suffix else [])]


def check_content(log: Log, file: LogFile, lines_zone: Zone | None, tell: Callable[[int], None]) -> Iterator[Finding]:
    """Read a file: whether it can be read, its lines are whole, and their times in its period.

    Args:
        log: of the file.
        file: to be read.
        lines_zone: of times in lines that name none; None: the log's, or the system's, in which `logging` writes them.
        tell: is told how many bytes have been.
    """
    period = (file.start, file.end) if log.sure and file.start is not None and file.end is not None else None
    system = find_zone(False, None)
    zones = (log.zone, *([] if system.key == log.zone.key else [system])) if lines_zone is None else (lines_zone,)
    try:
        file, content = measure_where_it_is(log, file, zones, period, tell, zeros=True)
    except FileNotFoundError:
        return  # deleted meanwhile
    except PermissionError as error:
        yield Finding("unread", PROBLEM, file.path, str(error), "run this as that user")
        return
    if content.broken:
        yield _damaged(file, content)
    yield from _torn(file, content)
    if content.early is not None or content.late is not None:
        yield from _outside(log, file, content)


def _damaged(file: LogFile, content: Content) -> Finding:
    text = f"{content.broken}; {content.lines} lines can be read"
    remedy = "fetch it from the archive or a backup"
    if file.compression:
        programs = {"gz": "gzip", "zst": "zstd", "xz": "xz", "bz2": "bzip2"}
        rescued = f"{file.path.removesuffix(f'.{file.compression}')}.readable"
        remedy += f"; what is readable: {command(programs[file.compression], '-dc', file.path)} > {command(rescued)}"
    return Finding("damaged", PROBLEM, file.path, text, remedy)


def _torn(file: LogFile, content: Content) -> Iterator[Finding]:
    if content.zeros:
        text = f"has {content.zeros} NUL bytes: a power cut, or a disk that was full"
        clean = f"{file.path}.clean"
        remedy = (
            f"{command('tr', '-d', chr(92) + '000')} < {command(file.path)} > {command(clean)}, then look at that and rename it"
        )
        yield Finding(
            "torn", PROBLEM, file.path, text, remedy if not file.compression else "fetch it from the archive or a backup"
        )
    if content.ended or content.broken:
        return
    if file.name is None:
        if _stays_torn(file.path):
            text = "the last line is not ended: its writer was killed at it"
            yield Finding("torn", NOTICE, file.path, text, "nothing: the next writer of the log ends it before it writes")
    else:
        text = "the last line is not ended: its writer was killed at it"
        remedy = (
            "fetch it from a backup"
            if file.compression
            else f"end it: {command('printf', chr(92) + 'n')} >> {command(file.path)}"
        )
        yield Finding("torn", PROBLEM, file.path, text, remedy)


def _stays_torn(path: str) -> bool:
    """Whether the active file ends within a line and goes on to."""
    before = _end(path)
    time.sleep(_SETTLE)
    after = _end(path)
    return before is not None and before == after and before[1] != b"\n"


def _end(path: str) -> tuple[int, bytes] | None:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            return size, file.read(1)
    except OSError:
        return None


def _outside(log: Log, file: LogFile, content: Content) -> Iterator[Finding]:
    count = sum(stray.count for stray in (content.early, content.late) if stray is not None)
    if count == content.timed and file.name is not None and content.first is not None:
        right = log.names.write(
            replace(log.names.at(log.schedule.wall(log.schedule.period(content.first).start)), compression="")
        )
        right += f".{file.compression}" if file.compression else ""
        text = f"all {count} times in it are outside the period that its name tells, the first is {wall(log.zone, content.first)}"
        remedy = f"if it was renamed: {command('mv', '-n', file.path, right)}; if lines have times of another zone: --lines-tz"
        yield Finding("misnamed", PROBLEM, file.path, text, remedy)
        return
    for stray, level, side, why in (
        (content.early, NOTICE, "before", "they came later than late_grace, or a text has lines that begin with a time"),
        (
            content.late,
            PROBLEM,
            "after",
            "a process rotates by another schedule or clock, or a text has lines that begin with a time",
        ),
    ):
        if stray is not None:
            far = wall(log.zone, stray.moment)
            times = f"{stray.count} of {content.timed} times are from {side} the file's period, as far as {far}"
            text = f"{times}, the first in line {stray.line}: {why}"
            yield Finding("outside", level, file.path, text, _line(file, stray.line))


def _line(file: LogFile, line: int) -> str:
    programs = {"gz": "gzip", "zst": "zstd", "xz": "xz", "bz2": "bzip2"}
    if file.compression:
        return f"look at it: {command(programs[file.compression], '-dc', file.path)} | {command('sed', '-n', f'{line}p')}"
    return f"look at it: {command('sed', '-n', f'{line}p', file.path)}"
