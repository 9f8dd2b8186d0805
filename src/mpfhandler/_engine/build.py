"""From the parameters that a user wrote to an engine: everything is checked here, before anything is created.

The handler and `TimedLogFile` share it. `names` maps the engine's spelling of a parameter to the caller's, so that a message
speaks of `backupCount` to who wrote that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from .._platform import OPERATIONS, SYSTEM_THREADS, THREADS, Fault, Operations
from .._protocols.hooks import Hooks
from .._pure.convert import spelled, to_count, to_encoding, to_flag, to_mode, to_seconds
from .._pure.errors import InvalidOption
from .._pure.naming import longest_ending
from .._pure.options import Access, Options, to_delivery, to_locking
from .._pure.schedule import Schedule
from .._resources.importing import importing
from .appender import UNLIMITED
from .housekeeping import HousekeepingParameters, with_housekeeping
from .locking import Locking, decide_locking, tell
from .owner import find_owner
from .place import find_place, lasting_path, make_folders, remove_folders
from .writer import Writer

__all__ = ["Parameters", "build", "change", "lasting", "open_or_undo", "warn"]


class Parameters(HousekeepingParameters):
    """What a user may set, in the engine's spelling, unchecked."""

    path: object
    when: str
    interval: object
    backup_count: object
    at_time: object
    utc: object
    tz: object
    max_bytes: object
    encoding: object
    errors: object
    escape: object
    debug: object
    chmod: object
    owner: object
    mkdir: object
    lock_dir: object
    lock_timeout: object
    locking: object
    late_grace: object
    spill_bytes: object
    delivery: object
    flush_interval: object
    buffer_bytes: object
    overflow: object


def build(
    given: Parameters,
    terminator: str,
    default_encoding: str,
    hooks: Hooks,
    on_error: Callable[[Exception], None] | None,
    names: Mapping[str, str],
    ops: Operations = OPERATIONS,
) -> Writer:
    """An engine for these parameters; nothing is created on disk yet.

    Raises:
        InvalidOption, InvalidOptionType, OSError: name the parameter, its value and the remedy.
    """
    utc = to_flag("utc", given["utc"])
    schedule = _schedule(given, utc, names)
    encoding, errors = to_encoding("encoding", given["encoding"], given["errors"], default_encoding)
    uid, gid = find_owner(given["owner"])
    mkdir = to_flag("mkdir", given["mkdir"])
    options = Options(
        schedule=schedule,
        encoding=encoding,
        errors=errors,
        escape=to_flag("escape", given["escape"]),
        backup_count=to_count(spelled(names, "backup_count"), given["backup_count"]),
        max_bytes=to_count(spelled(names, "max_bytes"), given["max_bytes"]),
        access=Access(to_mode("chmod", given["chmod"]), uid, gid),
        mkdir=mkdir,
        lock_timeout=to_seconds("lock_timeout", given["lock_timeout"]),
        late_grace=to_seconds("late_grace", given["late_grace"]),
        spill_bytes=to_count("spill_bytes", given["spill_bytes"]),
        debug=to_flag("debug", given["debug"]),
        locking=to_locking(given["locking"]),
        delivery=to_delivery(given["delivery"], given["flush_interval"], given["buffer_bytes"], given["overflow"]),
    )
    options = with_housekeeping(options, given)
    if (options.delivery.buffered or options.keeps_house) and ops.threads is THREADS:  # what happens by itself: see there
        ops = replace(ops, threads=SYSTEM_THREADS)
    with importing():
        ops.prepare()
    place = find_place(ops, given["path"], given["lock_dir"], mkdir, names, longest_ending(schedule.suffix))
    locking = Locking("append")
    if not place.special:
        locking = decide_locking(
            ops,
            options.locking,
            place.log,
            place.lock,
            make_folder=lambda: make_folders(ops, place.log, options.access) if place.missing else None,
        )
    tell(locking)
    options = replace(options, locking=locking.mode)
    return Writer(ops, place, options, terminator.encode(encoding, errors), hooks, on_error)


def change(writer: Writer, name: Literal["backup_count", "max_bytes"], value: int) -> None:
    """Have an engine go by another value of one of these options from now on."""
    with writer.lock:
        options = writer.options = replace(writer.options, **{name: value})  # type: ignore[arg-type]
        for part in (writer._active, writer._active.rotation, writer._active.closed):
            part._options = options
        writer._limit = options.max_bytes or UNLIMITED


def lasting(given: Parameters) -> Parameters:
    """The same parameters for a copy that is made when the current folder may be another one."""
    kept = given.copy()
    kept["path"] = lasting_path(given["path"])
    if given["lock_dir"] is not None:
        kept["lock_dir"] = lasting_path(given["lock_dir"])
    return kept


def _schedule(given: Parameters, utc: bool, names: Mapping[str, str]) -> Schedule:
    try:
        return Schedule.create(given["when"], given["interval"], given["at_time"], utc, given["tz"])  # type: ignore[arg-type]
    except InvalidOption as error:
        raise error.renamed({"atTime": spelled(names, "at_time")}) from None


def open_or_undo(writer: Writer) -> None:
    """Open the log as a constructor does: if that fails, nothing that it created stays.

    Raises:
        OSError: the log cannot be opened.
    """
    place = writer.place
    new = [path for path in (place.log, place.lock, place.debug) if path and _is_missing(writer._ops, path)]
    try:
        writer.open()
    except BaseException:
        writer.close()
        for path in new:
            if path != place.log or _unused(writer._ops, path):
                _remove(writer._ops, path)
        remove_folders(writer._ops, writer.made)
        raise


def warn(writer: Writer) -> None:
    """Tell what keeps a log from being rotated, although it can be written."""
    if writer.place.warning:
        writer._report("rotation", PermissionError(writer.place.warning))


def _is_missing(ops: Operations, path: str) -> bool:
    """Whether there is certainly no such file: a look that fails is no proof."""
    try:
        ops.stat_link(path)
    except OSError as error:
        return ops.fault(error) is Fault.MISSING
    return False


def _unused(ops: Operations, log: str) -> bool:
    """Whether certainly nothing stands in the log and no other process has begun to write to it: such a one has a lease."""
    try:
        side = ops.open_side(log)
    except OSError:
        return False
    try:
        return ops.stat_fd(side).size == 0 and _not_leased(ops, side)
    except OSError:
        return False
    finally:
        ops.close(side)


def _not_leased(ops: Operations, side: int) -> bool:
    try:
        return ops.try_lock(side, True)
    except OSError:
        return True  # a file system without locks, and so without leases


def _remove(ops: Operations, path: str) -> None:
    try:
        ops.unlink(path)
    except OSError:
        pass
