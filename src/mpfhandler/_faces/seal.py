"""`mpfhandler seal`: what the handler does to closed segments in the background, for cron and for programs without threads."""

from __future__ import annotations

import argparse
import os.path
import sys
from math import ceil

from .._engine.housekeeping import NONE, with_housekeeping
from .._engine.locking import check_machine
from .._engine.steps import sealing_of
from .._protocols.sealing import Sealed, Sealing, seal_all
from .._pure.errors import InvalidOption
from .._pure.options import Options
from .arguments import add_command
from .closed import DONE, FAILED, Found, add_arguments, find, run_command, tell_if_nothing
from .look import Progress, complain, print_json, say

__all__ = ["register"]

_DESCRIPTION = """\
Does to the closed segments of LOG what is asked for and not done yet, the oldest
period first: forces them to the disk, compresses them, hands them to a function,
archives them. Give the options that the handler has. A segment that a process may
still write to is left for the next time. May run at any time, beside the programs
that log: exactly one of them does it. Needs some 30 MB of memory, however large a
segment is; xz 120 MB, and high levels of xz and zst more.
"""
_EPILOG = """\
examples:
  mpfhandler seal app.log --compress gz
  mpfhandler seal app.log --when D --archive s3://bucket/logs --archive-delete --quiet

exit codes: 0 done; 1 something failed, and is tried again the next time;
2 wrong usage, no such log, or another machine's; 130 interrupted; 141 the reader of
the output has gone away.
"""
_WANTED = "--compress, --on-seal, --archive or --fsync seal"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    parser = add_command(commands, "seal", _DESCRIPTION, _EPILOG)
    add_arguments(parser)
    steps = parser.add_argument_group("what is done")
    add = steps.add_argument
    add("--compress", metavar="METHOD", help="gz, zst, xz or bz2")
    add("--compress-level", metavar="N", help="from fast to small (default: the method's usual one)")
    add("--compress-delay", metavar="SECONDS", default="300", help="in which a segment stays plain (default: 300)")
    add("--on-seal", metavar="NAME", help="function to call with each: package.module.function, also in the current folder")
    add("--fsync", metavar="never|seal", default="never", help="seal: force each to the disk first (default: never)")
    add("--archive", metavar="URL", help="s3://bucket/prefix, file:///mnt/archive")
    add("--archive-delete", action="store_true", help="delete the local file once its copy is verified")
    printed = parser.add_mutually_exclusive_group()
    printed.add_argument("--quiet", action="store_true", help="print only what fails")
    printed.add_argument("--json", action="store_true", help="print what was done as one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_command("seal", lambda: _seal(arguments))


def _seal(arguments: argparse.Namespace) -> int:
    if arguments.on_seal is not None and "" not in sys.path:
        sys.path.append("")  # a script's own folder is not looked in otherwise
    found = find("seal", arguments)
    if arguments.archive_delete and arguments.archive is None:
        remedy = "give --archive s3://bucket/prefix or --archive file:///folder, or leave it out"
        raise InvalidOption("archive_delete", True, "there is no archive that the segments would be in", remedy)
    options = with_housekeeping(Options(found.shelf.schedule, late_grace=found.shelf.grace), {**NONE, **_given(arguments)})
    rules = sealing_of(found.ops, options, found.log)
    if not rules.wanted:
        raise InvalidOption("fsync", arguments.fsync, "asks for nothing, and nothing else does", f"give {_WANTED}")
    check_machine(found.ops, found.log, found.lock)
    total = len(found.closed())
    if not total:
        tell_if_nothing("seal", found)
    told: list[Exception] = []
    sealed = _sealed(found, rules, total, told)
    sealed.failed |= bool(told)  # another user's segment is none that is tried again soon, but here a user waits for an answer
    _tell(found, sealed, total, arguments)
    return FAILED if sealed.failed else DONE


def _tell(found: Found, sealed: Sealed, total: int, arguments: argparse.Namespace) -> None:
    if arguments.json:
        counts = {"segments": total, "done_now": sealed.done, "in_use": len(sealed.held), "left_to_others": sorted(sealed.busy)}
        print_json({"log": found.log, **counts, "next_due": sealed.next_at, "failed": sealed.failed})
    elif not arguments.quiet:
        say(f"done now: {sealed.done} of {total} segment{'' if total == 1 else 's'}")
        if sealed.next_at is not None:  # else who finds that nothing was done would look for the reason
            say(f"the next one is due at {found.shelf.schedule.wall(ceil(sealed.next_at))}")
    for step in sorted(sealed.busy):
        complain("seal", f"{step}: another process is at it, left for the next time")
    if sealed.held:
        complain("seal", f"{len(sealed.held)} in use, left for the next time")


def _given(arguments: argparse.Namespace) -> dict[str, object]:
    return {name: value for name, value in vars(arguments).items() if name in NONE}


def _sealed(found: Found, rules: Sealing, total: int, told: list[Exception]) -> Sealed:
    at = [""]

    def fail(error: Exception) -> None:
        told.append(error)
        found.tell(error)

    def tell(path: str, done: int, size: int) -> None:
        text = f"{os.path.basename(path)}, {100 * done // max(size, 1)} %"
        if at[0] == path:
            progress.tell(text)
        else:
            at[0] = path
            progress.begin(text)

    shelf = found.shelf
    with Progress(total) as progress:
        return seal_all(
            found.ops,
            shelf.names,
            shelf.folder,
            shelf.schedule,
            rules,
            found.reporter(fail),
            lambda: False,
            now=found.ops.now(),
            progress=tell,
        )
