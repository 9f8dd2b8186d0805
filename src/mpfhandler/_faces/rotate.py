"""`mpfhandler rotate`: closes the present segment of a log and begins a new one, beside the programs that write to it.

It is the rotation that `rotate()` of the handler does, under the same lock and by the same steps; the programs see it as they
see a rotation of another process. The new file gets mode and owner of the old one, for this command is perhaps root's, and the
programs are not.
"""

from __future__ import annotations

import argparse
import os
import os.path
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .._engine.closed import ClosedSegments
from .._engine.locking import check_machine, locks_records_at
from .._engine.place import Place, find_place
from .._platform import OPERATIONS, FileStat, Operations
from .._platform.looking import user_id
from .._protocols.hooks import Hooks
from .._protocols.rotation import Outcome, Rotation
from .._pure.closing import closing
from .._pure.convert import to_seconds
from .._pure.errors import InvalidOption, path_error
from .._pure.naming import Names, longest_ending
from .._pure.options import Access, Options
from .._pure.plan import Demand
from .._pure.schedule import Period, Schedule
from .._pure.state import State
from .._resources.lock import RotationLock
from .._resources.network import networked
from .._resources.report import Reporter
from .._resources.tracefile import Trace
from .arguments import add_command
from .look import complain, print_json, say
from .read.files import add_log_arguments, find_log, given_by, read_state
from .read.folder import refused, unwritable
from .read.guess import Guess, learn
from .read.show import every, iso, zone_name
from .spelling import explain

__all__ = ["register"]

_DONE, _NOT_DONE, _USAGE_ERROR = 0, 1, 2

_DESCRIPTION = """\
Closes the present file of LOG and begins a new one, whatever the clock says. The
programs that write to it need no signal: a busy one goes to the new file within a
second, an idle one with a record after that. Nothing is cut off or lost; what they
write in between stands in the closed file, which is of the same period.

How the log is rotated is told by its lock file, where its zone is the system's or UTC;
else give --when and --tz. Options that say otherwise are not believed without --force:
the closed file would get a name that its programs do not know. A rotator or namer that
a program has set is not asked; for a suffix that it has set, give --suffix.
"""
_EPILOG = """\
examples:
  mpfhandler rotate /var/log/app/app.log
  mpfhandler rotate app.log --when D --tz Asia/Shanghai --json

exit codes: 0 rotated; 1 not rotated: another schedule, another user's log or another
machine's, the lock is held, or the system says no; 2 wrong usage, no such log, or it is
not known how it is rotated; 130 interrupted; 141 the reader of the output has gone away.
"""


@dataclass(frozen=True)
class _Log:
    """What is rotated, and how."""

    ops: Operations
    place: Place
    file: FileStat
    known: Guess
    grace: float
    wait: float

    @property
    def schedule(self) -> Schedule:
        return self.known.schedule


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    parser = add_command(commands, "rotate", _DESCRIPTION, _EPILOG)
    add_log_arguments(parser)
    add = parser.add_argument_group("as the handler has it").add_argument
    add("--late-grace", metavar="SECONDS", default="10", help="in which late records come (default: 10)")
    add("--lock-timeout", metavar="SECONDS", default="2", help="to wait for the rotation lock at most (default: 2)")
    parser.add_argument(
        "--force",
        action="store_true",
        help="also by another schedule than the log's, or for another user's or machine's log",
    )
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")
    parser.add_argument("--quiet", action="store_true", help="print only what fails")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    try:
        log = _find(arguments)
    except (InvalidOption, OSError) as error:
        _complain(explain(error))
        return _USAGE_ERROR
    try:
        if not arguments.force:
            _check(log, read_state(log.place.lock))
        outcome = _rotate(log)
    except (OSError, ValueError) as error:
        _complain(str(error))
        return _NOT_DONE
    if outcome is None or outcome.moved is None:
        return _NOT_DONE
    if arguments.json:
        _print_json(log, outcome.moved)
    elif not arguments.quiet:
        say(f"{log.place.log} is {outcome.moved} now; a new one has begun", "green")
    return _DONE


def _find(arguments: argparse.Namespace, ops: Operations = OPERATIONS) -> _Log:
    found = find_log("rotate", arguments)
    given, files = given_by(arguments), ops.names(os.path.dirname(found.path))
    known = learn(found.path, given, files, found.state)
    place = _place(ops, arguments.log, arguments.lock_dir, known.suffix)
    if not known.sure:
        problem = "not given, and the lock file does not tell it"
        raise InvalidOption("when", arguments.when, problem, "give --when, --tz and what else the handler has, also --lock-dir")
    grace, wait = to_seconds("late_grace", arguments.late_grace), to_seconds("lock_timeout", arguments.lock_timeout)
    try:
        return _Log(ops, place, ops.stat_path(found.path), known, grace, wait)
    except FileNotFoundError:
        raise path_error(FileNotFoundError, "LOG", found.path, "has no file now", "its next record begins one") from None


def _place(ops: Operations, path: str, lock_dir: str | None, suffix: str) -> Place:
    """Where the log is, if this user may write to it.

    Raises:
        OSError: see `find_place`.
    """
    try:
        return find_place(ops, path, lock_dir, False, {"path": "LOG"}, longest_ending(suffix))
    except PermissionError as error:
        raise PermissionError(unwritable(path, *([] if lock_dir is None else [lock_dir])) or str(error)) from None


def _check(log: _Log, state: State | None) -> None:
    """Whether the log would be the same for its programs afterwards.

    Raises:
        ValueError, PermissionError: it would not.
    """
    if state is not None and state.fingerprint != log.schedule.fingerprint:
        mine, length = log.schedule, state.period.end - state.period.start
        raise ValueError(
            f"{log.place.log} is rotated by another schedule than {every(mine)} ({zone_name(mine.zone)}): "
            f"its present period has {length} s and began at {mine.wall(state.period.start)}; "
            "leave these options out, or give the handler's, or --force"
        )
    check_machine(log.ops, log.place.log, log.place.lock)
    mine_id = user_id()
    if mine_id not in {0, log.file.uid}:
        user = _user(log.file.uid)
        problem = f"{log.place.log} belongs to {user}, and the new file would belong to {_user(mine_id)}"
        raise PermissionError(f"{problem}; run this as {user} (sudo -u {user} mpfhandler rotate …), or with --force")


def _rotate(log: _Log) -> Outcome | None:
    """None, after that was told, where it could not be done.

    Raises:
        OSError: no file can be opened. Safe to repeat.
    """
    file, ops = log.file, log.ops
    report = Reporter(Trace(ops, "", Access(), enabled=False), _tell)
    access = Access(file.mode & 0o7777, file.uid, file.gid)
    locking = "record" if locks_records_at(log.place.log) else "append"
    ops = networked(ops, log.place.log) if locking == "record" else ops
    options = Options(log.schedule, access=access, late_grace=log.grace, lock_timeout=log.wait, locking=locking)
    hooks, trace = Hooks(suffix=lambda: log.known.suffix), Trace(ops, "", access, enabled=False)
    of_lock = Access() if _is_there(ops, log.place.lock) else access
    lock = RotationLock(ops, log.place.lock, of_lock, report, log.place.log, log.schedule.unit_seconds)
    rotation = Rotation(ops, log.place.log, options, lock, hooks, trace, report)
    outcome = rotation.run(None, b"\n", Demand.FORCE, log.wait)
    if outcome is None:
        _complain(f"{log.place.lock}: held by another process for over {log.wait:g} s; mpfhandler verify tells by whom")
        return None
    outcome.segment.close()
    if outcome.moved is None:
        if not outcome.failed:  # else it was told why
            _complain(f"{log.place.log}: somebody has taken it away meanwhile; a new one has begun")
        return None
    if log.grace:
        return outcome
    ClosedSegments(ops, rotation.segments, hooks, options, trace, report).give_names()
    return Outcome(outcome.segment, _name_now(rotation, outcome.moved))


def _name_now(rotation: Rotation, moved: str) -> str:
    """With `late_grace=0`: the name of what had to wait under a hidden one; that, if it is still waiting."""
    names = rotation.segments.names()
    waited = names.read_pending(os.path.basename(moved))
    return moved if waited is None or _is_there(rotation._ops, moved) else names.write(waited)


def _is_there(ops: Operations, path: str) -> bool:
    try:
        ops.stat_path(path)
    except OSError:
        return False
    return True


def _user(number: int) -> str:
    try:
        users: Any = import_module("pwd")
        return str(users.getpwuid(number).pw_name)
    except (KeyError, ImportError):
        return f"#{number}"


def _period_of(log: _Log, moved: str) -> Period:
    """The closed segment's: not the present one, where nothing was written since."""
    names, written = Names(log.place.log, log.known.suffix), log.file.mtime_ns / 1e9
    name = names.read(moved) or names.read_pending(os.path.basename(moved))
    return log.schedule.period(written) if name is None else closing(log.schedule, names, name, written, log.grace).period


def _print_json(log: _Log, moved: str) -> None:
    schedule, period = log.schedule, _period_of(log, moved)
    facts = {
        "log": log.place.log,
        "segment": moved,
        "period": {"start": iso(schedule.zone, period.start), "end": iso(schedule.zone, period.end)},
        "when": schedule.when,
        "interval": schedule.interval,
        "zone": zone_name(schedule.zone),
    }
    print_json(facts)


def _tell(error: Exception) -> None:
    _complain(refused(error) if isinstance(error, PermissionError) else str(error))


def _complain(text: str) -> None:
    complain("rotate", text)
