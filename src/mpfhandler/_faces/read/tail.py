"""`mpfhandler tail`: the last records of a log, and what comes after them, over all rotations."""

from __future__ import annotations

import argparse
import os
import select
import stat
import sys
import time
from collections.abc import Callable
from typing import Any

from ..arguments import add_command, count
from .asked import DONE, FAILED, TIMES, add_wanted_arguments, asked_for, run_reader
from .files import Log, add_log_arguments, list_again
from .follow import Follower
from .reading import find

__all__ = ["register"]

_POLL = 0.2  # seconds between two looks
_DESCRIPTION = """\
Prints the last records of LOG, also from its segments where the active file has not enough. With -f it goes on with what is
written, over rotations, splits by size and compression, without losing or repeating a line, also if it was stopped for several
rotations. The log may be moved, removed, or not be there yet. With --since all records of that time and later are printed first,
unless -n is given.
"""
_EPILOG = f"""\
{TIMES}
examples:
  mpfhandler tail -n 100 app.log
  mpfhandler tail -f app.log --since 10min --grep ERROR

exit codes: 0 done; 1 something could not be read (what can be is printed); 2 wrong usage, or no such log; 130 interrupted, the
  usual end of -f; 141 the reader of the output has gone away
"""
_FEW = 10
_MANY = 10_000_000


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    parser = add_command(commands, "tail", _DESCRIPTION, _EPILOG)
    add_log_arguments(parser)
    number = count(0, _MANY)
    parser.add_argument("-n", "--lines", metavar="N", type=number, help=f"how many records (default: {_FEW}, with --since all)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until interrupted")
    add_wanted_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_reader("tail", lambda: _tail(arguments))


def _tail(arguments: argparse.Namespace) -> int:
    asked = asked_for("tail", arguments)
    most = arguments.lines
    if most is None and arguments.since is None:
        most = _FEW
    if arguments.follow:
        asked.note(_missing(arguments))
    follower = Follower(_looking(arguments), asked, patient=arguments.follow)
    out = sys.stdout.buffer
    try:
        out.writelines(follower.begin(most))
        out.flush()
        while arguments.follow:
            out.writelines(follower.poll())
            out.flush()
            if not follower.behind:
                _wait()
    finally:
        follower.close()
    return FAILED if asked.failed else DONE


def _missing(arguments: argparse.Namespace) -> str:
    """What is to be told of a log that is not there yet: its name may be misspelled. "" if it is there."""
    try:
        find("tail", arguments)
    except FileNotFoundError as error:
        return f"{error}; it is waited for"
    return ""


def _looking(arguments: argparse.Namespace) -> Callable[[], Log]:
    """Looks at the log; as long as its schedule is a guess, the guess is made anew each time."""
    known: list[Log] = []

    def look() -> Log:
        if not known or not known[0].sure:
            known[:] = [find("tail", arguments, must_exist=not arguments.follow)]
        else:
            list_again(known[0])
        return known[0]

    return look


def _wait() -> None:
    """Until the next poll. Where the output is a pipe, its reader's end is noticed although there is nothing to write.

    Raises:
        BrokenPipeError: the reader has gone away.
    """
    try:
        fd = sys.stdout.fileno()
        piped = stat.S_ISFIFO(os.fstat(fd).st_mode)
    except (OSError, ValueError):  # a test's replacement has no descriptor
        piped, fd = False, -1
    poll: Any = getattr(select, "poll", None)
    if not piped or poll is None:  # Windows: it is noticed when there is something to write
        time.sleep(_POLL)
        return
    watched = poll()
    watched.register(fd, 0)
    if watched.poll(_POLL * 1000):
        raise BrokenPipeError
