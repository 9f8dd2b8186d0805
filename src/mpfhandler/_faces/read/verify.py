"""`mpfhandler verify`: whether a log is sound; what is wrong with it, and what mends that."""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator

from ..._pure.convert import to_seconds
from ..._pure.errors import path_error
from ..._pure.zone import Zone, find_zone
from ..arguments import add_command
from ..closed import DONE, FAILED, run_command
from ..look import Progress, complain, print_json, say
from .checks import check_content, check_names, check_periods, check_schedule, check_twins
from .files import Log, add_log_arguments, find_log, given_by
from .findings import KINDS, NOTICE, PROBLEM, Finding
from .folder import denied
from .locks import check_lock
from .states import Survey, survey

__all__ = ["register"]

_DESCRIPTION = f"""\
Looks for what is wrong with LOG, and says what mends it. Changes nothing. May run
at any time, beside the programs that log: their rotation lock is taken for an
instant.

what is looked for:
{chr(10).join(f"  {kind:<9} {text}" for kind, text in KINDS.items())}

A problem is something that should not be; a notice may be as it should: an hour in
which nothing was logged is a gap, too.
"""
_EPILOG = """\
examples:
  mpfhandler verify app.log
  mpfhandler verify --fast --when D --utc app.log
  mpfhandler verify --json app.log | jq -r '.findings[] | select(.level == "problem").remedy'

exit codes: 0 no problem; 1 a problem, with --strict also a notice; 2 wrong usage,
or no such log; 130 interrupted; 141 the reader of the output has gone away.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    parser = add_command(commands, "verify", _DESCRIPTION, _EPILOG)
    add_log_arguments(parser)
    add = parser.add_argument
    add("--late-grace", metavar="SECONDS", default="10", help="in which late records come (default: 10)")
    add("--lines-tz", metavar="ZONE", help="of times in the lines, such as \"UTC\" (default: the log's, or the system's)")
    add("--fast", action="store_true", help="read no file: only names, periods and locks are looked at")
    add("--strict", action="store_true", help="exit with 1 if there are notices, too")
    add("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_command("verify", lambda: _verify(arguments))


def _verify(arguments: argparse.Namespace) -> int:
    lines_zone = None if arguments.lines_tz is None else find_zone(False, arguments.lines_tz)
    log = find_log("verify", arguments)
    if not os.path.lexists(log.lock) and all(one.name is None for one in log.files):
        problem = "there is such a file, but neither a lock file nor a segment beside it, so it is no log of ours"
        raise path_error(
            FileNotFoundError,
            "LOG",
            arguments.log,
            problem,
            "name a log; --when and --suffix tell how its segments are named, --lock-dir where its lock file is",
        )
    grace = to_seconds("late_grace", arguments.late_grace)
    now = time.time()
    seen = survey(log, now, grace)
    found = [*_outer(log, arguments, seen, now)]
    if not arguments.fast:
        found += _inner(log, lines_zone, seen)
    if arguments.json:
        print_json(_document(log, found))
    else:
        _print(log, found)
    bad = [one for one in found if one.level == PROBLEM or arguments.strict]
    return FAILED if bad else DONE


def _outer(log: Log, arguments: argparse.Namespace, seen: Survey, now: float) -> Iterator[Finding]:
    """What is seen without reading."""
    try:
        files = os.listdir(log.names.folder)
    except PermissionError:
        raise denied(log.names.folder) from None
    yield from check_lock(log)
    yield from check_schedule(log, given_by(arguments))
    yield from check_names(log, files, now)
    yield from check_periods(log, seen.files, now)
    if not arguments.fast:
        yield from check_twins(log, files)


def _inner(log: Log, lines_zone: Zone | None, seen: Survey) -> list[Finding]:
    """What is in the files."""
    there = [one.file for one in seen.files if not one.gone]
    found: list[Finding] = []
    with Progress(len(there)) as progress:
        for file in there:
            name, size = os.path.basename(file.path), max(file.size, 1)
            progress.begin(name)
            found += check_content(log, file, lines_zone, _teller(progress, name, size))
    return found


def _teller(progress: Progress, name: str, size: int) -> Callable[[int], None]:
    last = [-1]

    def tell(done: int) -> None:
        percent = min(100, 100 * done // size)
        if percent != last[0]:
            last[0] = percent
            progress.tell(f"{name}, {percent} %")

    return tell


def _print(log: Log, found: list[Finding]) -> None:
    for one in found:
        say(f"{one.level}: {one.kind}: {one.path}", "bold red" if one.level == PROBLEM else "yellow")
        say(f"    {one.text}")
        say(f"    {one.remedy}", "dim")
    count = Counter(one.level for one in found)
    amounts = [f"{count[level]} {level}{'' if count[level] == 1 else 's'}" for level in (PROBLEM, NOTICE)]
    say(f"{log.path}: {len(log.files)} file{'' if len(log.files) == 1 else 's'}, {', '.join(amounts)}")
    if not log.sure:
        complain("verify", "the schedule is a guess from the names, so periods are not looked at; give --when")


def _document(log: Log, found: list[Finding]) -> dict[str, object]:
    return {
        "log": log.path,
        "files": len(log.files),
        "problems": sum(one.level == PROBLEM for one in found),
        "notices": sum(one.level == NOTICE for one in found),
        "schedule_sure": log.sure,
        "findings": [
            {"kind": one.kind, "level": one.level, "path": one.path, "text": one.text, "remedy": one.remedy} for one in found
        ],
    }
