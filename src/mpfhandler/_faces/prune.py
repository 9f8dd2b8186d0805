"""`mpfhandler prune`: deletes closed segments by rule, as the handler does; with `--dry-run` it only says which, and why."""

from __future__ import annotations

import argparse
import os.path

from .._engine.locking import check_machine
from .._protocols.retention import Rules, plan, sweep
from .._pure.convert import to_count
from .._pure.errors import InvalidOption
from .._pure.keeping import Doomed
from .._pure.options import to_retention
from .._pure.quantity import show_size
from .arguments import add_command
from .closed import DONE, FAILED, Found, add_arguments, find, run_command, tell_if_nothing
from .look import Progress, complain, print_json, say

__all__ = ["register"]

_DESCRIPTION = """\
Deletes the closed segments of LOG that these rules do not keep, the oldest period
first. All rules hold together. Only regular files are deleted whose names are in full
those of a segment of this log, and none that a process may still write to. May run at
any time, beside the programs that log.
"""
_EPILOG = """\
examples:
  mpfhandler prune app.log --max-age 14d --max-total-bytes 10GB --dry-run
  mpfhandler prune app.log --when D --backup-count 30 --quiet

exit codes: 0 done; 1 a segment could not be deleted; 2 wrong usage, no such
log, or another machine's; 130 interrupted; 141 the reader of the output has gone away.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    parser = add_command(commands, "prune", _DESCRIPTION, _EPILOG)
    add_arguments(parser)
    rules = parser.add_argument_group("rules")
    add = rules.add_argument
    add("--backup-count", metavar="N", default="0", help="how many segments are kept")
    add("--max-age", metavar="AGE", help='since the end of a period: "14d", "12h", or seconds')
    add("--max-total-bytes", metavar="SIZE", help='of all segments together: "10GB", or bytes')
    add("--min-free-bytes", metavar="SIZE", help='that the file system keeps free: "5GB", or bytes')
    parser.add_argument("--dry-run", action="store_true", help="only print what would be deleted, and by which rule")
    printed = parser.add_mutually_exclusive_group()
    printed.add_argument("--quiet", action="store_true", help="print only what fails")
    printed.add_argument("--json", action="store_true", help="print what went, or would go, as one JSON object")
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
        _tell(found, [(path, one) for one in todo for path in one.paths], "would delete", arguments)
        return DONE
    check_machine(found.ops, found.log, found.lock)
    return _sweep(found, rules, todo, arguments)


def _sweep(found: Found, rules: Rules, todo: list[Doomed], arguments: argparse.Namespace) -> int:
    why: dict[str, Doomed] = {}

    def begin(one: Doomed) -> None:
        why.update(dict.fromkeys(one.paths, one))
        progress.begin(os.path.basename(one.paths[0]))

    with Progress(len(todo)) as progress:
        swept = sweep(found.ops, found.shelf, rules, found.reporter(None), lambda: False, begin)
    for _, error in swept.failures:
        found.tell(error)
    _tell(found, [(path, why[path]) for path in swept.gone], "deleted", arguments, in_use=len(swept.held))
    if swept.held:
        complain("prune", f"{len(swept.held)} in use, left for the next time")
    return FAILED if swept.failed else DONE


def _tell(
    found: Found, files: list[tuple[str, Doomed]], verb: str, arguments: argparse.Namespace, *, in_use: int | None = None
) -> None:
    """Each file with its rule and the reason, then the sum.

    Args:
        found: the log.
        files: with the segment that each belongs to.
        verb: what has become of them, or would.
        arguments: how it is told.
        in_use: segments that were left for that; None: nobody has tried.
    """
    segments = {one.name: one.size for _, one in files}
    if arguments.json:
        rows = [{"path": path, "rule": one.rule, "reason": one.reason} for path, one in files]
        sums = {"segments": len(segments), "bytes": sum(segments.values()), "in_use": in_use}
        print_json({"log": found.log, "dry_run": arguments.dry_run, "files": rows, **sums})
    elif not arguments.quiet:
        for path, one in files:
            say(f"{verb} {path}: {one.rule}: {one.reason}")
        say(f"{verb} {_amount(len(segments), sum(segments.values()))}")


def _amount(segments: int, size: int) -> str:
    return f"{segments} segment{'' if segments == 1 else 's'}, {show_size(size)}"
