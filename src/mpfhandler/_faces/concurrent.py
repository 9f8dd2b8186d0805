"""Two handlers with the parameters of concurrent-log-handler 0.9.31, in its order, on our engine: for a program that moves
over by changing the dotted name of its handler's class.

What a parameter means is told by `mapped`; what has no meaning here is told to the user by a warning. The files' names, and
everything else, are those of `MultProcTimedRotatingFileHandler`, whose other options are taken by name.
"""

from __future__ import annotations

import os
import re
import warnings
from datetime import time as TimeOfDay  # noqa: N812  (a class)

from .._pure.convert import to_flag
from .._pure.errors import InvalidOption, InvalidOptionType
from .._resources.importing import importing
from .handler import MultProcTimedRotatingFileHandler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta, tzinfo
    from typing import Any, TypedDict

    from typing_extensions import Unpack

    from .._pure.sealed import SealedSegment

    class More(TypedDict, total=False):
        """Options of `MultProcTimedRotatingFileHandler` beside those of concurrent-log-handler; they count before these."""

        escape: bool | str
        tz: str | tzinfo | None
        mkdir: bool | str
        lock_dir: str | os.PathLike[str] | None
        lock_timeout: float | str
        locking: str
        late_grace: float | str
        spill_bytes: int | str
        delivery: str
        flush_interval: float | str
        buffer_bytes: int | str
        flush_level: int | str
        overflow: str
        compress: str | None
        compress_level: int | str | None
        compress_delay: float | str
        max_age: str | float | timedelta | None
        max_total_bytes: int | str | None
        min_free_bytes: int | str | None
        on_seal: Callable[[SealedSegment], object] | str | None
        fsync: str
        archive: str | None
        archive_delete: bool | str
        rotate_idle: bool | str


__all__ = ["ConcurrentRotatingFileHandler", "ConcurrentTimedRotatingFileHandler"]

_POLICIES = ("ignore", "replace", "strict")
_LINE_ENDS = (None, "", "\n", "\r", "\r\n")
_CALLER = 4  # who has called the constructor, seen from a warning two calls below it


class ConcurrentTimedRotatingFileHandler(MultProcTimedRotatingFileHandler):
    """`MultProcTimedRotatingFileHandler` with the parameters of concurrent-log-handler 0.9.31's class of this name.

    `filename`, `when`, `interval`, `backupCount`, `encoding`, `utc`, `atTime`, `maxBytes` and `debug` are as in that one.

    Args:
        delay: open the file at the first record (concurrent-log-handler always does); None does.
        errors: how characters are written that the encoding does not have; None leaves it to `unicode_error_policy`.
        use_gzip: `compress="gz"`: in the background, `compress_delay` after the period's end.
        owner: a pair of user and group.
        chmod: mode of the files.
        umask: the same, by the bits that are missing; `chmod` counts before it.
        newline: "\\r\\n" or "\\r" ends each record by that; line feeds within a record stay.
        terminator: what ends a record.
        unicode_error_policy: "ignore", "replace" or "strict".
        lock_file_directory: a folder for the lock file, created where it is missing.
        keep_file_open: has no meaning: the file is always kept open, and a rename or deletion is noticed within a second.
        mode: has no meaning: the log is always appended to.
        options: any other option of `MultProcTimedRotatingFileHandler`.

    Raises:
        ValueError, TypeError, OSError: as in `MultProcTimedRotatingFileHandler`.

    Warns:
        UserWarning: a parameter has no meaning, or not the whole of it.
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        when: str = "h",
        interval: int | str = 1,
        backupCount: int | str = 0,
        encoding: str | None = None,
        delay: bool | str | None = False,
        utc: bool | str = False,
        atTime: TimeOfDay | str | None = None,
        errors: str | None = None,
        maxBytes: int | str = 0,
        use_gzip: bool | str = False,
        owner: Sequence[str | int | None] | str | int | None = None,
        chmod: int | str | None = None,
        umask: int | str | None = None,
        newline: str | None = None,
        terminator: str = "\n",
        unicode_error_policy: str = "ignore",
        lock_file_directory: str | os.PathLike[str] | None = None,
        keep_file_open: bool | str = True,
        *,
        mode: str = "a",
        debug: bool | str = False,
        **options: Unpack[More],
    ) -> None:
        given = mapped(
            options, use_gzip=use_gzip, owner=owner, chmod=chmod, umask=umask, errors=errors,
            unicode_error_policy=unicode_error_policy, lock_file_directory=lock_file_directory,
            keep_file_open=keep_file_open, mode=mode,
        )  # fmt: skip
        self.terminator = line_end(terminator, newline)
        late, utc, debug = (True if delay is None else delay), _on(utc), _on(debug)
        kept, size = _count(backupCount), _count(maxBytes)
        super().__init__(filename, when, interval, kept, encoding, late, utc, debug, atTime=atTime, maxBytes=size, **given)
        self.finalize_handler_configuration()

    def finalize_handler_configuration(self) -> None:
        """For a subclass that sets `suffix`, `namer` or others at the end of the constructor, as with concurrent-log-handler."""


class ConcurrentRotatingFileHandler(MultProcTimedRotatingFileHandler):
    """`MultProcTimedRotatingFileHandler` with the parameters of concurrent-log-handler 0.9.31's class of this name, in its order.

    The log is split at `maxBytes`, and rotated by the clock, too: at midnight, unless `when` says otherwise. Segments keep
    their names: `app.log.2026-11-23`, `app.log.2026-11-23.1`, where concurrent-log-handler renames `app.log.1` to `app.log.2`.

    `filename`, `maxBytes`, `backupCount`, `encoding` and `debug` are as in `MultProcTimedRotatingFileHandler`, and so are `when`,
    `interval`, `utc` and `atTime`, the rotation by the clock; all others but these as in `ConcurrentTimedRotatingFileHandler`.

    Args:
        mode: has no meaning: the log is always appended to.
        delay: open the file at the first record; None does.
        options: any other option of `MultProcTimedRotatingFileHandler`.

    Raises:
        ValueError, TypeError, OSError: as in `MultProcTimedRotatingFileHandler`.

    Warns:
        UserWarning: a parameter has no meaning, or not the whole of it.
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        mode: str = "a",
        maxBytes: int | str = 0,
        backupCount: int | str = 0,
        encoding: str | None = None,
        debug: bool | str = False,
        delay: bool | str | None = None,
        use_gzip: bool | str = False,
        owner: Sequence[str | int | None] | str | int | None = None,
        chmod: int | str | None = None,
        umask: int | str | None = None,
        newline: str | None = None,
        terminator: str = "\n",
        unicode_error_policy: str = "ignore",
        lock_file_directory: str | os.PathLike[str] | None = None,
        keep_file_open: bool | str = True,
        *,
        when: str = "midnight",
        interval: int | str = 1,
        utc: bool | str = False,
        atTime: TimeOfDay | str | None = None,
        **options: Unpack[More],
    ) -> None:
        given = mapped(
            options, use_gzip=use_gzip, owner=owner, chmod=chmod, umask=umask, errors=None,
            unicode_error_policy=unicode_error_policy, lock_file_directory=lock_file_directory,
            keep_file_open=keep_file_open, mode=mode,
        )  # fmt: skip
        self.terminator = line_end(terminator, newline)
        late, utc, debug = (True if delay is None else delay), _on(utc), _on(debug)
        kept, size = _count(backupCount), _count(maxBytes)
        super().__init__(filename, when, interval, kept, encoding, late, utc, debug, atTime=atTime, maxBytes=size, **given)
        if self.maxBytes and not self.backupCount:
            problem = "all segments are kept, where concurrent-log-handler empties the log"
            _warn("backupCount", 0, problem, "give the number of segments to keep, or max_age, max_total_bytes", _CALLER - 1)


def mapped(
    options: More,
    *,
    use_gzip: object,
    owner: Sequence[str | int | None] | str | int | None,
    chmod: int | str | None,
    umask: object,
    errors: str | None,
    unicode_error_policy: str,
    lock_file_directory: str | os.PathLike[str] | None,
    keep_file_open: object,
    mode: object,
) -> dict[str, Any]:
    """Our options for these parameters.

    Raises:
        InvalidOption, InvalidOptionType, OSError: one cannot be used.
    """
    owner = None if owner in ((), [], "") else owner
    given: dict[str, Any] = {"chmod": chmod, "owner": tuple(owner) if isinstance(owner, list) else owner}
    if umask is not None:
        bits = _mask(umask)
        given["chmod"] = 0o666 & ~bits if chmod is None else chmod
    if to_flag("use_gzip", _on(use_gzip)):
        given["compress"] = "gz"
    if unicode_error_policy not in _POLICIES:
        _warn("unicode_error_policy", unicode_error_policy, "is taken as 'ignore'", f"use one of {', '.join(_POLICIES)}")
        unicode_error_policy = "ignore"
    given["errors"] = unicode_error_policy if errors is None else errors
    if lock_file_directory is not None and lock_file_directory != "":
        given["lock_dir"] = _folder(lock_file_directory)
    if not to_flag("keep_file_open", _on(keep_file_open)):
        _warn("keep_file_open", keep_file_open, "has no meaning: the file is always kept open", "leave it out")
    if mode != "a":
        _warn("mode", mode, "has no meaning: the log is always appended to", "leave it out")
    return {**given, **options}


def line_end(terminator: str, newline: str | None) -> str:
    """What ends a record, by the two parameters for it."""
    if newline not in _LINE_ENDS:
        raise InvalidOption("newline", newline, "is no end of a line", r"use None, '', '\n', '\r' or '\r\n'")
    ending = terminator or "\n"
    if newline not in {"\r", "\r\n"}:
        return ending
    _warn("newline", newline, "ends each record, but does not change line feeds within it", "set `terminator` instead")
    return ending.replace("\n", newline)


def _on(flag: Any) -> Any:
    """A flag; None is off, as it is with concurrent-log-handler."""
    return False if flag is None else flag


def _count(number: int | str) -> int | str:
    """A number that counts from one on: below zero is none, as it is with concurrent-log-handler."""
    return 0 if isinstance(number, (int, float)) and number < 0 else number


def _mask(umask: object) -> int:
    if isinstance(umask, str) and re.fullmatch(r"(0o)?[0-7]{1,4}", umask):
        umask = int(umask.removeprefix("0o"), 8)
    if isinstance(umask, bool) or not isinstance(umask, int):
        raise InvalidOptionType(
            "umask", umask, "is not a file mode mask", 'use an octal number such as 0o027, or text such as "027"'
        )
    if not 0 <= umask <= 0o777 or umask & 0o600:
        raise InvalidOption("umask", umask, "takes the log from its owner", "use an octal number such as 0o027")
    return umask


def _folder(path: str | os.PathLike[str]) -> str:
    """A folder of locks, which is created where it is missing."""
    with importing():
        from .._engine.place import lasting_path, make_folders  # with the rest of the engine
        from .._platform import OPERATIONS
        from .._pure.options import Access
    folder = lasting_path(path)
    make_folders(OPERATIONS, os.path.join(folder, "lock"), Access())
    return folder


def _warn(parameter: str, value: object, problem: str, remedy: str, level: int = _CALLER) -> None:
    warnings.warn(f"{parameter}={value!r} {problem}; {remedy}", UserWarning, stacklevel=level)
