"""The handler's parameters as options of the command line, made from the signature of `TimedLogFile`.

A parameter is an option without anybody's doing; here stands only what its help says, in fewer words than the docstring. One
without such words gets those of the docstring.
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Mapping

from .._engine.timedlogfile import TimedLogFile
from .._pure.convert import to_encoding, to_terminator
from .._pure.errors import InvalidOption
from .._pure.quantity import to_size
from .spelling import spelled

__all__ = ["NAMES", "add_options", "given_options", "to_bytes"]

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("when a period ends", ("when", "interval", "at_time", "utc", "tz", "max_bytes", "rotate_idle")),
    ("the files", ("chmod", "owner", "mkdir", "lock_dir", "delay", "fsync", "locking", "debug")),
    ("the lines", ("encoding", "errors", "escape", "terminator")),
    ("delivery", ("lock_timeout", "late_grace", "spill_bytes", "delivery", "flush_interval", "buffer_bytes", "overflow")),
    ("what is done to closed segments", ("compress", "compress_level", "compress_delay", "on_seal", "archive", "archive_delete")),
    ("which closed segments are deleted", ("backup_count", "max_age", "max_total_bytes", "min_free_bytes")),
)  # fmt: skip

# What stands for the value, and what is said of it.
_WORDS: Mapping[str, tuple[str, str]] = {
    "when": ("UNIT", "S M H D midnight W0 (Monday) to W6 MONTH"),
    "interval": ("N", "units in a period"),
    "at_time": ("HH:MM", "when a day, week or month begins"),
    "utc": ("", "universal time"),
    "tz": ("ZONE", 'such as "Asia/Shanghai" (default: the system\'s)'),
    "max_bytes": ("SIZE", 'also split within a period once a file has this size: "10MB", or bytes; 0: never'),
    "rotate_idle": ("", "rotate at the boundary also while no line comes"),
    "chmod": ("MODE", 'of the files, such as "0640" (default: by the umask)'),
    "owner": ("USER:GROUP", "of the files"),
    "mkdir": ("", "create missing folders"),
    "lock_dir": ("FOLDER", "for the lock file (default: beside the log)"),
    "delay": ("", "open the file at the first line"),
    "encoding": ("NAME", "of the lines, which are passed on as they are"),
    "errors": ("NAME", "how lines of this command's own are written that the encoding does not have"),
    "escape": ("", r"spell control characters in lines out, as \n, \x1b, \u2028; a tab stays"),
    "terminator": ("TEXT", r"what ends a line, here and there; \n \r \t \0 \xNN are understood"),
    "fsync": ("never|seal|always", "force to the disk: a closed segment; each write, too"),
    "locking": ("auto|append|record", "under the rotation lock: renames alone; each write, too; as the file system needs it"),
    "debug": ("", "write decisions to LOG.debug"),
    "lock_timeout": ("SECONDS", "to wait for the rotation lock at most"),
    "late_grace": ("SECONDS", "after a period's end in which a line of it still goes to its file"),
    "spill_bytes": ("SIZE", "of memory for what the disk does not take, where it is not waited for"),
    "delivery": ("direct|buffered", "buffered: write once in --flush-interval what has come by then"),
    "flush_interval": ("SECONDS", "with --delivery buffered"),
    "buffer_bytes": ("SIZE", "with --delivery buffered"),
    "overflow": ("block|drop", "while the disk takes nothing: do not read; go on reading, and count what is lost"),
    "compress": ("METHOD", "gz, zst, xz or bz2"),
    "compress_level": ("N", "from fast to small (default: the method's usual one)"),
    "compress_delay": ("SECONDS", "in which a segment stays plain"),
    "on_seal": ("NAME", "function to call with each: package.module.function, also in the current folder"),
    "archive": ("URL", "s3://bucket/prefix, file:///mnt/archive"),
    "archive_delete": ("", "delete the local file once its copy is verified"),
    "backup_count": ("N", "how many are kept; 0: all"),
    "max_age": ("AGE", 'since the end of a period: "14d", "12h", or seconds'),
    "max_total_bytes": ("SIZE", 'of all together: "10GB", or bytes'),
    "min_free_bytes": ("SIZE", 'that the file system keeps free: "5GB", or bytes'),
}
_SIZES = ("max_bytes", "spill_bytes", "buffer_bytes")  # numbers to the engine, which reads the others itself
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|([nrt0\\]))")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\"}


def _parameters() -> Mapping[str, inspect.Parameter]:
    """Those that can be written on a command line: not the log itself, nor what takes functions only."""
    found = inspect.signature(TimedLogFile).parameters
    return {name: one for name, one in found.items() if name != "path" and _is_text(str(one.annotation))}


def _is_text(annotation: str) -> bool:
    return not annotation.startswith("Callable") or "| str" in annotation


NAMES = tuple(_parameters())


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add all of them, in groups, each with the signature's default."""
    known = {name for _, members in _GROUPS for name in members}
    for title, members in (*_GROUPS, ("more", tuple(name for name in NAMES if name not in known))):
        if members:
            group = parser.add_argument_group(title)
            for name in members:
                _add(group, name, _parameters()[name].default)


def _add(group: argparse._ArgumentGroup, name: str, default: object) -> None:
    metavar, text = _WORDS.get(name, ("VALUE", _from_docstring(name)))
    text = text.replace("%", "%%")
    if isinstance(default, bool):
        group.add_argument(spelled(name), dest=name, action="store_true", default=default, help=text)
        return
    if default is not None:
        text += f" (default: {_shown(default)})"
    group.add_argument(spelled(name), dest=name, metavar=metavar, default=default, help=text)


def _shown(default: object) -> str:
    if isinstance(default, str):
        return default.encode("unicode_escape").decode()
    return f"{default:g}" if isinstance(default, float) else str(default)


def _from_docstring(name: str) -> str:
    """What the docstring's `Args` say of a parameter."""
    text = inspect.getdoc(TimedLogFile) or ""
    found = re.search(rf"^    {name}: (.*(?:\n        .*)*)", text, re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


def given_options(arguments: argparse.Namespace) -> dict[str, object]:
    """What was given, by the parameters' names, for `TimedLogFile`.

    Raises:
        InvalidOption: a size, the terminator or the encoding cannot be used.
    """
    given = {name: value for name, value in vars(arguments).items() if name in NAMES}
    given |= {name: to_bytes(name, given[name]) for name in _SIZES}
    given["terminator"] = _to_end(str(given["terminator"]), given["encoding"], given["errors"])
    return given


def to_bytes(parameter: str, given: object) -> int:
    """A size as all options take it: a number of bytes, or text such as "10MB".

    Raises:
        InvalidOption: it is none.
    """
    try:
        return to_size(parameter, given)
    except InvalidOption as error:  # where 0 means something else than no limit
        raise InvalidOption(parameter, given, error._why[0], 'use a number of bytes, or a size such as "1MiB"') from None


def _to_end(text: str, encoding: object, errors: object) -> str:
    """What ends a line.

    Raises:
        InvalidOption: it is nothing, or in this encoding a line feed has several bytes, so that lines cannot be told in bytes.
    """
    known, _ = to_encoding("encoding", encoding, errors, "utf-8")
    if len("\n".encode(known)) != 1:
        raise InvalidOption(
            "encoding", encoding, "has line ends of several bytes", "leave it out: bytes are passed on as they are"
        )
    return to_terminator("terminator", _ESCAPE.sub(_unescaped, text), known)


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else _ESCAPES[found[2]]
