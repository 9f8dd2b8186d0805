"""`mpfhandler prune`: deletes closed segments by rule, as the handler does; with `--dry-run` it only says which, and why."""

from __future__ import annotations

import argparse
import os.path
import sys

from .._protocols.retention import Rules, plan, sweep
from .._pure.convert import to_count
from .._pure.errors import InvalidOption
from .._pure.keeping import Doomed
from .._pure.options import to_retention
from .._pure.quantity import show_size
from .closed import DONE, FAILED, Found, add_arguments, find, run_command, tell_if_nothing
from .look import Progress

__all__ = ["register"]

_DESCRIPTION = """\
Deletes the closed segments of LOG that these rules do not keep, the oldest period first. All rules hold together. Only regular
files are deleted whose names are in full those of a segment of this log, and none that a process may still write to. May run at
any time, beside the programs that log. Exit code 0: done; 1: a segment could not be deleted; 2: wrong usage.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    parser = commands.add_parser("prune", description=_DESCRIPTION)
    add_arguments(parser)
    rules = parser.add_argument_group("rules")
    add = rules.add_argument
    add("--backup-count", metavar="N", default="0", help="how many segments are kept")
    add("--max-age", metavar="AGE", help='since the end of a period: "14d", "12h", or seconds')
    add("--max-total-bytes", metavar="SIZE", help='of all segments together: "10GB", or bytes')
    add("--min-free-bytes", metavar="SIZE", help='that the file system keeps free: "5GB", or bytes')
    parser.add_argument("--dry-run", action="store_true", help="only print what would be deleted, and by which rule")
    parser.add_argument("--quiet", action="store_true", help="print only what fails")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_command("prune", lambda: _prune(arguments))


def _prune(arguments: argparse.Namespace) -> int:
    rules = Rules(
        to_count("backupCount", arguments.backup_count),
        to_retention(arguments.max_age, arguments.max_total_bytes, arguments.min_free_bytes),
    )
    if not rules.names:
        options = "--max-age, --max-total-bytes or --min-free-bytes"
        raise InvalidOption("backupCount", arguments.backup_count, "is no rule, and there is no other", f"give it, or {options}")
    found = find("prune", arguments)
    todo = plan(found.ops, found.shelf, rules)
    if not todo:
        tell_if_nothing("prune", found)
    if arguments.dry_run:
        _print_plan(todo, quiet=arguments.quiet)
        return DONE
    return _sweep(found, rules, todo, quiet=arguments.quiet)


def _print_plan(todo: list[Doomed], *, quiet: bool) -> None:
    for one in todo if not quiet else ():
        for path in one.paths:
            print(f"would delete {path}: {one.rule}: {one.reason}")
    if not quiet:
        print(f"would delete {_amount(len(todo), sum(one.size for one in todo))}")


def _sweep(found: Found, rules: Rules, todo: list[Doomed], *, quiet: bool) -> int:
    why: dict[str, Doomed] = {}

    def begin(one: Doomed) -> None:
        why.update(dict.fromkeys(one.paths, one))
        progress.begin(os.path.basename(one.paths[0]))

    with Progress(len(todo)) as progress:
        swept = sweep(found.ops, found.shelf, rules, found.reporter(None), lambda: False, begin)
    for _, error in swept.failures:
        found.tell(error)
    if not quiet:
        for path in swept.gone:
            print(f"deleted {path}: {why[path].rule}: {why[path].reason}")
        print(f"deleted {_amount(*_gone(swept.gone, why))}")
    if swept.held:
        print(f"mpfhandler prune: {len(swept.held)} in use, left for the next time", file=sys.stderr)
    return FAILED if swept.failed else DONE


def _gone(paths: list[str], why: dict[str, Doomed]) -> tuple[int, int]:
    segments = {why[path].name: why[path].size for path in paths}
    return len(segments), sum(segments.values())


def _amount(segments: int, size: int) -> str:
    return f"{segments} segment{'' if segments == 1 else 's'}, {show_size(size)}"
