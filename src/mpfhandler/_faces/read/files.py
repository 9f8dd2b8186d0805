"""The files of a log, in the order of its records.

A log is named as the handler names it; its segments lie beside it. Nothing is asked of its processes, and a lock file that
is damaged or gone does not matter: it only makes a guess of what would be known.
"""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ..._engine.place import find_log as real_path
from ..._engine.place import lock_of
from ..._platform import OPERATIONS
from ..._platform.looking import id_of
from ..._pure.closing import closing
from ..._pure.errors import InvalidOption, path_error
from ..._pure.facts import FileId
from ..._pure.naming import Names, SegmentName
from ..._pure.schedule import Period, Schedule
from ..._pure.state import SIZE, State, unpack
from ..._pure.zone import Zone
from .folder import denied, is_segment, logs_in, nearest
from .guess import Given, guess

__all__ = ["Log", "LogFile", "add_log_arguments", "find_lock", "find_log", "given_by", "list_again", "read_state", "unread_note"]

_GRACE = 10.0  # seconds after a period's end in which a write does not tell of the next one; the handler's default
_LOOKS = 20  # at a folder in which a rotation comes between each time


@dataclass(frozen=True)
class LogFile:
    """One file with records, as it was seen.

    Attributes:
        path: of the file.
        name: of the segment, without its number's file ending; None: the active file.
        start: of its period (epoch seconds); None where that is not known.
        end: the first instant after its period; None where that is not known. What was not told (see `Log.sure`) ends where the
            next period's file shows that it must have, and one unit later, so nothing is left out.
        size: of the file (bytes), compressed or not.
        inode: which file it is.
        mtime: last write (epoch seconds).
        compression: "" plain, else "gz", "zst", "xz" or "bz2".
        waiting: has a hidden name, until a user's rotator has it.
    """

    path: str
    name: SegmentName | None
    start: float | None
    end: float | None
    size: int
    inode: FileId
    mtime: float
    compression: str = ""
    waiting: bool = False


@dataclass
class Log:
    """A log and its files.

    Attributes:
        path: real path of the active file, which need not exist.
        names: of its segments.
        schedule: of the log, perhaps guessed.
        sure: whether the user told the schedule, or the state record did.
        state: the state record, if there is one that is whole.
        lock: path of the lock file, which need not exist.
        files: in the order of the records: the oldest period first, in a period by number, the active file last.
        unread: names beside it that look like segments, and are none by this schedule.
    """

    path: str
    names: Names
    schedule: Schedule
    sure: bool
    state: State | None
    lock: str
    files: list[LogFile] = field(default_factory=list[LogFile])
    unread: list[str] = field(default_factory=list[str])
    _periods: dict[tuple[SegmentName, int], Period | None] = field(default_factory=dict[tuple[SegmentName, int], "Period | None"])

    @property
    def zone(self) -> Zone:
        """In which its periods begin."""
        return self.schedule.zone

    def period(self, name: SegmentName, mtime_ns: int) -> Period | None:
        """The period of a segment; None where there is no calendar."""
        key = name, mtime_ns
        if key not in self._periods:
            try:
                self._periods[key] = closing(self.schedule, self.names, name, mtime_ns / 1e9, _GRACE).period
            except (OverflowError, ValueError):
                self._periods[key] = None
        return self._periods[key]


def add_log_arguments(
    parser: argparse.ArgumentParser, *, many: bool = False, when: str = "as the files' names and the lock file tell"
) -> None:
    """The log (`log`; with `many` one or more, `logs`), and what is guessed unless it is given.

    Args:
        parser: of the command.
        many: more than one log can be given.
        when: what is said of the unit that is not given.
    """
    text = "path of the log, as the handler has it"
    if many:
        parser.add_argument("logs", metavar="LOG", nargs="+", help=text)
    else:
        parser.add_argument("log", metavar="LOG", help=text)
    group = parser.add_argument_group("how the log is rotated, where that is not seen from its files")
    add = group.add_argument
    add("--when", metavar="UNIT", help=f"S M H D midnight W0 to W6 MONTH (default: {when})")
    add("--interval", metavar="N", help="units in a period")
    add("--at-time", metavar="HH:MM", help="when a day, week or month begins")
    add("--utc", action="store_true", help="universal time")
    add("--tz", metavar="ZONE", help='such as "Asia/Shanghai" (default: the system\'s)')
    add("--suffix", metavar="PATTERN", help="where handler.suffix was set: that one; names that a namer makes are not known")
    add("--lock-dir", metavar="FOLDER", help="where the lock file is (default: beside the log)")


def given_by(arguments: argparse.Namespace) -> Given:
    """What the arguments of `add_log_arguments` tell of the schedule."""
    return Given(
        arguments.when, arguments.interval, arguments.at_time, arguments.utc, arguments.tz, arguments.suffix
    )  # fmt: skip


def find_lock(arguments: argparse.Namespace, log: str) -> str:
    """The lock file of a log, by the arguments of `add_log_arguments` and the log's real path. It need not exist.

    Raises:
        InvalidOption: there is no such folder of locks.
    """
    if arguments.lock_dir is None:
        return lock_of(log, None)
    folder = os.path.realpath(arguments.lock_dir)
    if not os.path.isdir(folder):
        problem = "is not an existing folder"
        raise InvalidOption("lock_dir", arguments.lock_dir, problem, "name the one that the handler has")
    return lock_of(log, folder)


def find_log(command: str, arguments: argparse.Namespace, path: str | None = None, *, must_exist: bool = True) -> Log:  # noqa: ARG001
    """The log that the arguments mean, with its files.

    Args:
        command: that asks.
        arguments: of `add_log_arguments`.
        path: of the log; default: `arguments.log`.
        must_exist: there must be a file of it, if only its lock; with False its folder is enough.

    Raises:
        InvalidOption: an option cannot be used.
        OSError: there is no such log (the message names the nearest), or its folder may not be read.
    """
    named = arguments.log if path is None else path
    try:
        log = real_path("LOG", named)
    except FileNotFoundError as error:
        raise _with_hint(error, os.path.dirname(os.path.abspath(named)) if named else "", folders=True) from None
    given = given_by(arguments)
    files = _names_in(os.path.dirname(log))
    lock = find_lock(arguments, log)
    state = read_state(lock)
    found = guess(log, given, files, state)
    names = Names(log, found.suffix)
    if not names.readable:
        problem = "what it writes cannot be read back, so no segment is known by its name"
        raise InvalidOption("suffix", found.suffix, problem, "use year, month and day, such as '%Y-%m-%d'")
    result = Log(log, names, found.schedule, found.sure, state, lock)
    list_again(result)
    result.unread = _unread(result, files)
    if must_exist and not result.files and not os.path.lexists(result.lock):
        problem = "there is neither such a file nor a segment of it"
        raise _with_hint(path_error(FileNotFoundError, "LOG", named, problem, "name a log"), log)
    return result


def list_again(log: Log) -> list[LogFile]:
    """Look at the folder anew; the files, which are the log's `files` from now on.

    Raises:
        OSError: the folder may not be read.
    """
    if log.state is not None and log.state.shared:
        _ask_anew(log)
    active, files = _seen(log.path), list[str]()
    for _ in range(_LOOKS):
        files = _names_in(log.names.folder)
        again = _seen(log.path)
        if _inode(again) == _inode(active):
            break
        active = again  # somebody has rotated meanwhile: the closed file may be missing in what was listed
    if active is None or log.state is None or not log.state.names(id_of(active)):
        log.state = read_state(log.lock)
    listed = _closed(log, files)
    if active is not None:
        listed.append(_active(log, active))
    log.files = listed if log.sure else _widened(log, listed)
    return log.files


def unread_note(log: Log) -> str:
    """What is to be told of names that look like segments; "" if there are none."""
    if not log.unread:
        return ""
    more = f" and {len(log.unread) - 1} more" if len(log.unread) > 1 else ""
    do = "look like segments of this log, but have" if more else "looks like a segment of this log, but has"
    how = "names of another schedule, and are" if more else "a name of another schedule, and is"
    return f"{min(log.unread)}{more} {do} {how} not read; give --when, or --suffix where handler.suffix was set"


def _unread(log: Log, files: list[str]) -> list[str]:
    """Those of another standard schedule; where no segment is known, also those that begin with a digit."""
    start = f"{os.path.basename(log.path)}."
    strange = [text for text in files if text.startswith(start) and text[len(start) :][:1].isdigit()]
    strange = [text for text in strange if log.names.read(os.path.join(log.names.folder, text)) is None]
    if not strange:
        return []
    others = tuple(f"{one}." for one in logs_in(log.names.folder, files) if one.startswith(start))
    strange = [text for text in strange if not f"{text}.".startswith(others)]
    if all(one.name is None for one in log.files):
        return strange
    return [text for text in strange if is_segment(log.path, text)]


def read_state(lock: str) -> State | None:
    """The state record in a lock file, or None."""
    try:
        if not stat.S_ISREG(os.stat(lock).st_mode):
            return None
        with open(lock, "rb") as file:
            return unpack(file.read(SIZE))
    except OSError:
        return None


def _closed(log: Log, files: list[str]) -> list[LogFile]:
    best: dict[SegmentName, tuple[int, SegmentName, str]] = {}
    for rank, name, path in _segments(log.names, files):
        plain = replace(name, compression="")
        if plain not in best or rank < best[plain][0]:
            best[plain] = rank, name, path
    found = [one for rank, name, path in best.values() if (one := _segment(log, name, path, waiting=rank == _WAITS)) is not None]
    if log.names.chronological:
        return sorted(found, key=lambda one: (one.start or 0.0, one.name and one.name.index, one.path))
    return sorted(found, key=lambda one: (one.mtime, one.path))


_PLAIN, _WAITS, _PACKED = range(3)  # of several with one name the first one counts


def _segments(names: Names, files: list[str]) -> Iterator[tuple[int, SegmentName, str]]:
    for name, path in names.known(names.folder, files):
        yield (_PACKED if name.compression else _PLAIN), name, path
    for text in files:
        waits = names.read_pending(text)
        if waits is not None:
            yield _WAITS, waits, os.path.join(names.folder, text)


def _segment(log: Log, name: SegmentName, path: str, *, waiting: bool) -> LogFile | None:
    """None if it is no regular file, or gone."""
    seen = _seen(path)
    if seen is None:
        return None
    period = log.period(replace(name, compression=""), seen.st_mtime_ns)
    start, end = (None, None) if period is None else (float(period.start), float(period.end))
    inode = id_of(seen)
    return LogFile(path, name, start, end, seen.st_size, inode, seen.st_mtime, name.compression, waiting)


def _active(log: Log, seen: os.stat_result) -> LogFile:
    """The state record tells its period, if it speaks of this file."""
    inode = id_of(seen)
    period = log.state.period if log.state is not None and log.state.names(inode) else None
    start, end = (None, None) if period is None else (float(period.start), float(period.end))
    return LogFile(log.path, None, start, end, seen.st_size, inode, seen.st_mtime)


def _widened(log: Log, files: list[LogFile]) -> list[LogFile]:
    """How long a period lasts is not known: at most until the next one's file begins. That may be a unit later than its name
    tells: at a time of day, for instance."""
    result: list[LogFile] = []
    following: float | None = None  # start of the next period
    last: float | None = None  # start of the period that is being gone through
    for one in reversed(files):
        if one.name is None:
            following = one.start
            result.append(one)
            continue
        if one.start != last:
            following, last = (last if last is not None else following), one.start
        result.append(replace(one, end=None if following is None else following + log.schedule.unit_seconds))
    return result[::-1]


def _seen(path: str) -> os.stat_result | None:
    """A regular file's facts; a symbolic link is somebody else's."""
    try:
        seen = os.lstat(path)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise denied(path) from None
    return seen if stat.S_ISREG(seen.st_mode) else None


def _inode(seen: os.stat_result | None) -> FileId | None:
    return None if seen is None else id_of(seen)


def _ask_anew(log: Log) -> None:
    """Have this machine ask the server what the names lead to: an NFS client does by opening the folder, an SMB client by opening
    the log. Else it is seconds behind what other machines have done."""
    try:
        OPERATIONS.open_folder(log.names.folder)
        OPERATIONS.close(OPERATIONS.open_read(log.path))
    except OSError:
        pass  # who looks at it next tells


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except PermissionError:
        raise denied(folder) from None


def _with_hint(error: OSError, log: str, *, folders: bool = False) -> OSError:
    near = nearest(log, folders=folders) if log else []
    return type(error)(f"{error}; did you mean {' or '.join(near)}?") if near else error
