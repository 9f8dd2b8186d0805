"""What `cat` and `tail` have in common: which records are asked for, and how a command ends."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..._pure.errors import InvalidOption
from ..._pure.zone import Zone, find_zone
from ..look import complain, of_output
from ..spelling import explain
from .letters import with_letters
from .moments import Clock, read_time
from .records import Wanted

__all__ = ["DONE", "FAILED", "TIMES", "Asked", "add_wanted_arguments", "asked_for", "run_reader"]

DONE, FAILED, _USAGE_ERROR = 0, 1, 2
TIMES = """\
times: 14:30 (the last time that the clock has shown it), yesterday 09:00, 2h or 90min (ago), 2026-11-23, 2026-11-23 16:00,
  2026-11-23T16:00:00+08:00, seconds since the epoch.
  Of a line the time at its start is read: 2026-11-23 16:00:00,123 as `asctime` has it, ISO 8601, epoch, or that of a JSON object.
  A record is a line that begins so, with the lines that follow it without a time: a traceback belongs to its message.
"""


@dataclass
class Asked:
    """What the user wants to see, and how much of it could be shown.

    Attributes:
        command: its name, for what is printed.
        wanted: which records.
        zone: of the times that lines begin with.
        time_field: see `Clock`.
        beside: how many files are read beside each other.
        failed: whether something could not be read.
    """

    command: str
    wanted: Wanted
    zone: Zone
    time_field: str
    beside: int = 1
    failed: bool = False
    _told: set[str] = field(default_factory=set[str])

    def clock(self) -> Clock:
        """For the lines of one log."""
        return Clock(self.zone, self.time_field)

    def complain(self, text: str) -> None:
        """Tell what is wrong, once, behind what has been printed so far."""
        if text not in self._told:
            self._told.add(text)
            sys.stdout.flush()
            complain(self.command, text)

    def note(self, text: str) -> None:
        """The same for what may be as it should, once for a log; "" is nothing."""
        if text:
            self.complain(text)

    def fail(self, text: str) -> None:
        """The same; the command says no at its end."""
        self.failed = True
        self.complain(text)


def add_wanted_arguments(parser: argparse.ArgumentParser) -> None:
    """Which records are printed."""
    add = parser.add_argument_group("which records").add_argument
    add("--since", metavar="TIME", help="those of this time and later")
    add("--until", metavar="TIME", help="those before this time")
    add("--grep", metavar="RE", help="those in which this regular expression (Python's, of bytes) is found")
    add("-i", "--ignore-case", action="store_true", help="upper and lower case letters are the same to --grep")
    add(
        "--time-field",
        metavar="KEY",
        default="",
        help="where lines are JSON objects: the key of the time, a.b for one in another",
    )


def asked_for(command: str, arguments: argparse.Namespace) -> Asked:
    """What the arguments mean.

    Raises:
        InvalidOption: one of them cannot be used.
    """
    zone = find_zone(arguments.utc, arguments.tz)
    since, until = (
        None if text is None else read_time(option, text, zone, time.time())
        for option, text in (("since", arguments.since), ("until", arguments.until))
    )
    if since is not None and until is not None and until <= since:
        raise InvalidOption("until", arguments.until, "is not later than --since", "give a later time, or leave one out")
    pattern = None if arguments.grep is None else _pattern(arguments.grep, arguments.ignore_case)
    return Asked(command, Wanted(since, until, pattern), zone, arguments.time_field)


def run_reader(name: str, command: Callable[[], int]) -> int:
    """Run it; the exit code. What is the matter with the output is told by the exception, as everywhere."""
    try:
        return command()
    except BrokenPipeError:
        raise
    except InvalidOption as error:
        complain(name, explain(error))
    except OSError as error:
        if of_output(error):
            raise
        complain(name, str(error))
    return _USAGE_ERROR


def _pattern(text: str, ignore_case: bool) -> re.Pattern[bytes]:
    try:
        return re.compile(os.fsencode(with_letters(text, ignore_case)), re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
    except re.error as error:
        raise InvalidOption(
            "grep", text, f"is no regular expression: {error}", r"write \ before characters such as ( [ *"
        ) from None
