"""`mpfhandler ls`: the files of a log in the order of its records, what has become of each, and who has it open."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from ..._pure.convert import to_seconds
from ..._pure.quantity import show_size
from ..._pure.zone import Zone
from ..arguments import add_command
from ..closed import DONE, run_command
from ..look import Column, Painted, Progress, complain, print_json, say, table
from .content import Content, measure_where_it_is
from .files import Log, LogFile, add_log_arguments, find_lock, find_log, unread_note
from .folder import denied, lock_is_ours, logs_in
from .histogram import Bar, histogram
from .show import every, iso, wall, zone_name
from .states import STATES, Known, Survey, survey

__all__ = ["register"]

_DESCRIPTION = f"""\
Lists the files of LOG, the oldest period first: state, size, lines, the times of
the first and the last record, and who has each file open. For a folder: the logs
in it. Nothing is changed, and no process of the log is asked.

states:
{chr(10).join(f"  {state:<11} {text}" for state, text in STATES.items())}
"""
_EPILOG = """\
examples:
  mpfhandler ls app.log
  mpfhandler ls --fast /var/log/app
  mpfhandler ls --json app.log | jq '.files[] | select(.state == "closed").held_by'

exit codes: 0 done; 1 a compressed file is damaged; 2 wrong usage, or no such log;
130 interrupted; 141 the reader of the output has gone away.
"""
_DAMAGED = 1
_STYLES = {"active": "bold green", "closed": "yellow", "waiting": "yellow", "compressed": "dim", "archived": "dim"}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    parser = add_command(commands, "ls", _DESCRIPTION, _EPILOG)
    add_log_arguments(parser)
    parser.add_argument("--late-grace", metavar="SECONDS", default="10", help="in which late records come (default: 10)")
    parser.add_argument("--fast", action="store_true", help="read no file: neither lines nor times of records")
    parser.add_argument("--json", action="store_true", help="print one JSON document; times are ISO 8601, sizes bytes")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_command("ls", lambda: _folder(arguments) if os.path.isdir(arguments.log) else _log(arguments))


@dataclass(frozen=True)
class _Row:
    """A file and what was read of it; None: it was not."""

    known: Known
    content: Content | None


def _log(arguments: argparse.Namespace) -> int:
    log = find_log("ls", arguments)
    if not os.path.lexists(log.lock) and all(one.name is None for one in log.files):
        problem = "has neither a lock file nor segments beside it, so it is no log of ours, or a new one"
        complain("ls", f"{log.path}: {problem}; where lock_dir was set, give --lock-dir")
    if log.unread:
        complain("ls", unread_note(log))
    seen = survey(log, time.time(), to_seconds("late_grace", arguments.late_grace))
    rows = _read(log, seen, fast=arguments.fast)
    if arguments.json:
        print_json(_document(log, seen, rows))
    else:
        _print(log, seen, rows)
    return _tell_damage(rows)


def _read(log: Log, seen: Survey, *, fast: bool) -> list[_Row]:
    if fast:
        return [_Row(one, None) for one in seen.files]
    rows: list[_Row] = []
    with Progress(len(seen.files)) as progress:
        for one in seen.files:
            progress.begin(os.path.basename(one.file.path))
            try:
                content = None if one.gone else measure_where_it_is(log, one.file, (log.zone,))[1]
            except FileNotFoundError:
                content = None  # deleted meanwhile
            except PermissionError as error:
                progress.say(f"mpfhandler ls: {error}")
                content = None
            rows.append(_Row(one, content))
    return rows


def _tell_damage(rows: list[_Row]) -> int:
    broken = [row for row in rows if row.content is not None and row.content.broken]
    for row in broken:
        complain("ls", f"{row.known.file.path}: {row.content.broken if row.content else ''}; see mpfhandler verify")
    return _DAMAGED if broken else DONE


def _print(log: Log, seen: Survey, rows: list[_Row]) -> None:
    read = any(row.content is not None for row in rows)
    names = ["PERIOD", "STATE", "SIZE", *(["LINES", "FIRST", "LAST"] if read else []), "HELD BY", "FILE"]
    columns = [Column(name, right=name in {"SIZE", "LINES"}) for name in names]
    table(columns, (_cells(log, row, read=read) for row in rows))
    say(_total(log, rows))
    bars = histogram([row.known.file for row in rows])
    if len(bars) > 1:
        say("")
        say("bytes of each period, as they lie on the disk", "bold")
        _print_bars(log, bars)
    if seen.holders.note:
        complain("ls", seen.holders.note)


def _cells(log: Log, row: _Row, *, read: bool) -> list[str | Painted]:
    known, content = row.known, row.content
    first, last = (known.first, known.last) if content is None else (content.first, content.last)
    start = known.file.start
    cells: list[str | Painted] = [
        "" if start is None else _period(log, start),
        Painted(known.state, _STYLES.get(known.state, "")),
        show_size(known.file.size),
    ]
    if read:
        lines = "" if content is None else f"{content.lines}{'+' if content.broken else ''}"
        cells += [lines, _clock(log.zone, first, start), _clock(log.zone, last, start)]
    name = os.path.basename(known.file.path)
    return [*cells, ", ".join(map(str, known.held)), f"{name} (only in the archive)" if known.gone else name]


def _total(log: Log, rows: list[_Row]) -> str:
    size = sum(row.known.file.size for row in rows if not row.known.gone)
    counted = [row.content.lines for row in rows if row.content is not None]
    lines = f", {sum(counted)} line{'' if sum(counted) == 1 else 's'}" if counted else ""
    how = f"rotated {every(log.schedule)}" if log.sure else f"the names tell of {log.schedule.when}"
    return f"{len(rows)} file{'' if len(rows) == 1 else 's'}, {show_size(size)}{lines}; {how}, {zone_name(log.zone)}"


def _print_bars(log: Log, bars: list[Bar]) -> None:
    columns = [Column("PERIOD"), Column("SIZE", right=True), Column("", style="cyan")]
    table(columns, ([_period(log, bar.start), show_size(bar.size), "#" * bar.width] for bar in bars))


def _folder(arguments: argparse.Namespace) -> int:
    try:
        names = _logs_in(arguments)
    except PermissionError:
        raise denied(arguments.log) from None
    found: list[Log] = []
    for name in names:
        try:
            found.append(find_log("ls", arguments, os.path.join(arguments.log, name)))
        except OSError as error:
            complain("ls", str(error))
    if arguments.json:
        print_json({"folder": os.path.realpath(arguments.log), "logs": [_summary(log) for log in found]})
        return DONE
    columns = [Column("LOG"), Column("FILES", right=True), Column("SIZE", right=True), Column("FROM"), Column("LAST WRITE")]
    if found:
        table(columns, (_folder_cells(log) for log in found))
    say(f"{len(found)} log{'' if len(found) == 1 else 's'}, {show_size(sum(_size(log.files) for log in found))}")
    return DONE


def _logs_in(arguments: argparse.Namespace) -> list[str]:
    """Those of the folder, also by their locks in the folder of locks.

    Raises:
        OSError: one of the folders cannot be read.
    """
    folder: str = os.path.realpath(arguments.log)
    listed = os.listdir(folder)
    found = set(logs_in(folder, listed))
    if arguments.lock_dir is not None:
        found |= {text for text in listed if lock_is_ours(find_lock(arguments, os.path.join(folder, text)), alone=False)}
    return sorted(found)


def _folder_cells(log: Log) -> list[str]:
    start = min((one.start for one in log.files if one.start is not None), default=None)
    last = max((one.mtime for one in log.files), default=None)
    begun, written = ("" if at is None else text for at, text in ((start, _maybe(log, start)), (last, _maybe(log, last))))
    return [os.path.basename(log.path), str(len(log.files)), show_size(_size(log.files)), begun, written]


def _summary(log: Log) -> dict[str, object]:
    start = min((one.start for one in log.files if one.start is not None), default=None)
    last = max((one.mtime for one in log.files), default=None)
    return {
        "log": log.path,
        "files": len(log.files),
        "size": _size(log.files),
        "from": iso(log.zone, start),
        "last_write": iso(log.zone, last),
        **_schedule(log),
    }


def _document(log: Log, seen: Survey, rows: list[_Row]) -> dict[str, object]:
    return {
        "log": log.path,
        **_schedule(log),
        "files": [_entry(log, row) for row in rows],
        "size": sum(row.known.file.size for row in rows if not row.known.gone),
        "lines": sum(row.content.lines for row in rows if row.content) if any(row.content for row in rows) else None,
        "holders_told": seen.holders.told,
        "processes_not_seen": seen.holders.hidden,
    }


def _schedule(log: Log) -> dict[str, object]:
    schedule = log.schedule
    at_time = None if schedule.at_time is None else schedule.at_time.isoformat()
    told = {"when": schedule.when, "interval": schedule.interval, "at_time": at_time, "zone": zone_name(log.zone)}
    return {"schedule": {**told, "suffix": log.names.suffix, "sure": log.sure}}


def _entry(log: Log, row: _Row) -> dict[str, object]:
    known, content = row.known, row.content
    file, zone = known.file, log.zone
    first, last = (known.first, known.last) if content is None else (content.first, content.last)
    return {
        "path": file.path,
        "start": iso(zone, file.start),
        "end": iso(zone, file.end),
        "number": file.name.index if file.name else 0,
        "state": known.state,
        "compression": file.compression or None,
        "only_in_archive": known.gone,
        "size": file.size,
        "content_size": None if content is None else content.size,
        "lines": None if content is None else content.lines,
        "first": iso(zone, first),
        "last": iso(zone, last),
        "last_write": iso(zone, file.mtime),
        "held_by": [{"pid": one.pid, "program": one.program} for one in known.held],
        "damage": content.broken or None if content is not None else None,
    }


def _period(log: Log, start: float) -> str:
    """As precisely as periods begin."""
    text = wall(log.zone, start)
    return text.removesuffix(":00") if log.schedule.when != "S" else text


def _clock(zone: Zone, at: float | None, start: float | None) -> str:
    """Without the date, where that is the one at which the period begins."""
    if at is None:
        return ""
    text = wall(zone, at)
    return text[11:] if start is not None and wall(zone, start)[:11] == text[:11] else text


def _maybe(log: Log, at: float | None) -> str:
    return "" if at is None else wall(log.zone, at)


def _size(files: Iterable[LogFile]) -> int:
    return sum(one.size for one in files)
