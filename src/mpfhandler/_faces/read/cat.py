"""`mpfhandler cat`: what stands in a log, across its segments, compressed or not."""

from __future__ import annotations

import argparse
import heapq
import sys
from collections.abc import Iterator

from ..arguments import add_command
from .asked import DONE, FAILED, TIMES, add_wanted_arguments, asked_for, run_reader
from .files import add_log_arguments, unread_note
from .reading import Reading, find

__all__ = ["register"]
_DESCRIPTION = """\
Prints the records of LOG in the order of its files: the oldest period first, the active file last. Of several logs one comes
after the other, or with --merge all are interleaved by time. A file is opened only if its period has some of what is asked
for; in one that is not compressed the place of --since is found by halves, and no file is read on behind 64 KiB of records that
are all a minute later than --until. That counts on times that ascend, but for some disorder (a minute, and 64 KiB of lines) and
for lines that came late. A file in whose first 64 KiB no line has a time is taken as a whole. Times without a zone are those of
--tz or --utc, else of the system.
"""
_EPILOG = f"""\
{TIMES}
examples:
  mpfhandler cat app.log --since 'yesterday 22:00' --until 6:00 --grep 'ERROR|CRITICAL'
  mpfhandler cat --merge web.log worker.log --since 2h | less

exit codes: 0 done, also if nothing was found; 1 something could not be read (what can be is printed); 2 wrong usage, or no such
  log; 130 interrupted; 141 the reader of the output has gone away
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    parser = add_command(commands, "cat", _DESCRIPTION, _EPILOG)
    add_log_arguments(parser, many=True)
    add_wanted_arguments(parser)
    parser.add_argument("--merge", action="store_true", help="interleave the records of several logs by time")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_reader("cat", lambda: _cat(arguments))


def _cat(arguments: argparse.Namespace) -> int:
    asked = asked_for("cat", arguments)
    readings = [Reading(find("cat", arguments, path), asked) for path in arguments.logs]
    if arguments.merge:
        asked.beside = len(readings)
    for reading in readings:
        asked.note(unread_note(reading.log))
    write = sys.stdout.buffer.write
    for piece in _merged(readings) if arguments.merge else _one_by_one(readings):
        write(piece)
    sys.stdout.flush()
    return FAILED if asked.failed else DONE


def _one_by_one(readings: list[Reading]) -> Iterator[bytes]:
    end = b"\n"
    for reading in readings:
        first = True
        for piece in reading.pieces():
            if first and end != b"\n":
                yield b"\n"
            first, end = False, piece[-1:]
            yield piece


def _merged(readings: list[Reading]) -> Iterator[bytes]:
    """Each log keeps its own order: a record that is late in it is late here, too."""
    merged = heapq.merge(*(reading.records() for reading in readings), key=lambda found: (found[0] is not None, found[0] or 0.0))
    return (record for _, record in merged)
