"""What `mpfhandler seal` and `mpfhandler prune` have in common: which segments are meant, and who is told what fails.

Names are read as the handler writes them, so both commands take the handler's parameters that names depend on, or learn them as
the commands do that read; but here a guess is not enough. A `namer` cannot be given on a command line: segments with names of
its own are other people's files here, and stay (promise P4).
"""

from __future__ import annotations

import argparse
import os.path
from collections.abc import Callable
from dataclasses import dataclass

from .._engine.place import find_log
from .._platform import OPERATIONS, Operations
from .._protocols.retention import Shelf, survey
from .._pure.convert import to_seconds
from .._pure.errors import InvalidOption, path_error
from .._pure.keeping import Closed
from .._pure.naming import Names
from .._pure.options import Access
from .._pure.schedule import Schedule
from .._resources.report import Reporter, text_of
from .._resources.tracefile import Trace
from .interrupt import interruptible
from .look import complain, of_output
from .read.files import add_log_arguments, find_lock, given_by, read_state
from .read.folder import denied, nearest, refused
from .read.guess import learn
from .spelling import explain

__all__ = ["DONE", "FAILED", "Found", "add_arguments", "find", "run_command", "tell_if_nothing"]

DONE, FAILED, _USAGE_ERROR = 0, 1, 2
_WHEN = "h"  # the handler's default


@dataclass(frozen=True)
class Found:
    """A log whose segments a command works on.

    Attributes:
        ops: the system calls.
        log: its real path.
        lock: of its lock file.
        shelf: where the segments are.
        tell: prints what fails.
    """

    ops: Operations
    log: str
    lock: str
    shelf: Shelf
    tell: Callable[[Exception], None]

    def closed(self) -> list[Closed]:
        """The segments, oldest first.

        Raises:
            OSError: the folder cannot be read.
        """
        return survey(self.ops, self.shelf, dated=False)

    def reporter(self, tell: Callable[[Exception], None] | None) -> Reporter:
        """Tells each cause of a failure once."""
        return Reporter(Trace(self.ops, "", Access(), enabled=False), tell)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The log, and what its segments' names depend on: as the handler has it."""
    add_log_arguments(parser, when=f"as the files' names and the lock file tell, if that is sure; else {_WHEN}")
    grace = "in which late records come (default: 10)"
    parser.add_argument_group("as the handler has it").add_argument("--late-grace", metavar="SECONDS", default="10", help=grace)


def run_command(name: str, command: Callable[[], int]) -> int:
    """Run it; the exit code. What cannot be used is told by the option's name."""
    try:
        with interruptible():  # else what a SIGTERM ends leaves files behind that are hidden, and large
            return command()
    except InvalidOption as error:
        complain(name, explain(error))
    except BrokenPipeError:
        raise  # the output's reader: the program's own end for that
    except PermissionError as error:
        complain(name, str(denied(error.filename) if isinstance(error.filename, str) else error))
    except OSError as error:
        if of_output(error):
            raise
        complain(name, str(error))
    return _USAGE_ERROR


def find(name: str, arguments: argparse.Namespace, ops: Operations = OPERATIONS) -> Found:
    """What the arguments mean.

    Args:
        name: of the command, for what is printed.
        arguments: of `add_arguments`.
        ops: the system calls.

    Raises:
        InvalidOption, OSError: one of them cannot be used.
    """
    log = find_log("LOG", arguments.log, trusting=False)
    lock = find_lock(arguments, log)
    schedule, suffix = _schedule(log, lock, arguments, ops)
    grace = to_seconds("late_grace", arguments.late_grace)
    names = Names(log, suffix)
    if not names.readable:
        problem = "what it writes cannot be read back, so no segment is known by its name"
        raise InvalidOption("suffix", arguments.suffix, problem, "use year, month and day, such as '%Y-%m-%d'")

    def tell(error: Exception) -> None:
        complain(name, refused(error) if isinstance(error, PermissionError) else text_of(error))

    return Found(ops, log, lock, Shelf(names, names.folder, schedule, grace), tell)


def _schedule(log: str, lock: str, arguments: argparse.Namespace, ops: Operations) -> tuple[Schedule, str]:
    """With the suffix of its names: what is given, else what is sure, else the handler's default.

    Raises:
        InvalidOption: an option cannot be used.
        OSError: the folder cannot be read.
    """
    given = given_by(arguments)
    found = learn(log, given, ops.names(os.path.dirname(log)), read_state(lock))
    if found.sure:
        return found.schedule, found.suffix
    schedule = given.schedule(_WHEN)
    return schedule, given.suffix or schedule.suffix


def tell_if_nothing(name: str, found: Found) -> None:
    """Where there are no segments, but files that look like some, the schedule is perhaps another one.

    Raises:
        FileNotFoundError: there is nothing of such a log, not even a lock; the message names the nearest.
    """
    if not found.closed():
        base = os.path.basename(found.log)
        start = f"{base}."
        files = found.ops.names(found.shelf.folder)
        others = [text for text in files if text.startswith(start) and text[len(start) :][:1].isdigit()]
        if not others and not {base, f"{base}.lock"} & {*files}:
            near = nearest(found.log)
            remedy = f"did you mean {' or '.join(near)}?" if near else "name a log"
            raise path_error(FileNotFoundError, "LOG", found.log, "there is neither such a file nor a segment of it", remedy)
        if others:
            hint = f"no file has the name of a segment of this schedule, but there is {min(others)}; see --when and --suffix"
            complain(name, hint)
