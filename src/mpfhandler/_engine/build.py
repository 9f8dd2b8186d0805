"""From the parameters that a user wrote to an engine: everything is checked here, before anything is created.

The handler and `TimedLogFile` share it. `names` maps the engine's spelling of a parameter to the caller's, so that a message
speaks of `backupCount` to who wrote that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TypedDict

from .._platform import OPERATIONS, Operations
from .._protocols.hooks import Hooks
from .._pure.errors import InvalidOption
from .._pure.options import Access, Options, spelled, to_count, to_encoding, to_flag, to_mode, to_seconds
from .._pure.schedule import Schedule
from .owner import find_owner
from .place import absolute, find_place
from .writer import Writer

__all__ = ["Parameters", "build", "lasting", "open_or_undo"]


class Parameters(TypedDict):
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
    debug: object
    chmod: object
    owner: object
    mkdir: object
    lock_dir: object
    lock_timeout: object
    late_grace: object
    spill_bytes: object


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
        backup_count=to_count(spelled(names, "backup_count"), given["backup_count"]),
        max_bytes=to_count(spelled(names, "max_bytes"), given["max_bytes"]),
        access=Access(to_mode("chmod", given["chmod"]), uid, gid),
        mkdir=mkdir,
        lock_timeout=to_seconds("lock_timeout", given["lock_timeout"]),
        late_grace=to_seconds("late_grace", given["late_grace"]),
        spill_bytes=to_count("spill_bytes", given["spill_bytes"]),
        debug=to_flag("debug", given["debug"]),
    )
    ops.prepare()
    place = find_place(ops, given["path"], given["lock_dir"], mkdir, names)
    return Writer(ops, place, options, terminator.encode(encoding, errors), hooks, on_error)


def lasting(given: Parameters) -> Parameters:
    """The same parameters for a copy that is made when the current folder may be another one."""
    kept = given.copy()
    kept["path"] = absolute(given["path"])
    if given["lock_dir"] is not None:
        kept["lock_dir"] = absolute(given["lock_dir"])
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
    lock = writer.place.lock
    there = not lock or os.path.lexists(lock)
    try:
        writer.open()
    except BaseException:
        if not there:
            _remove(os.unlink, lock)
        for folder in reversed(writer.made):
            _remove(os.rmdir, folder)
        raise


def _remove(how: Callable[[str], None], path: str) -> None:
    try:
        how(path)
    except OSError:
        pass
