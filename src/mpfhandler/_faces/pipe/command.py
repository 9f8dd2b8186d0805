"""`mpfhandler pipe`: for programs that write their log to standard output, whatever language they are in."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from typing import Any

from ..._engine.timedlogfile import TimedLogFile
from ..._pure.convert import to_word
from ..._pure.errors import InvalidOption
from ..arguments import add_command
from ..look import complain
from ..options import add_options, given_options, to_bytes
from ..read.folder import owned, refused, unwritable
from ..spelling import explain
from .chunks import Chunks
from .feeder import Feeder

if sys.platform == "win32":
    from .source_windows import Source
else:
    from .source import Source

__all__ = ["register"]

_DONE, _LOST, _USAGE_ERROR, _INTERRUPTED = 0, 1, 2, 130
_INPUT, _OUTPUT = 0, 1  # the descriptors

_DESCRIPTION = """\
Writes the lines of standard input to LOG, with all that the handler does: periods,
splits, compression, deletion, archive. Any number of pipes and of programs with the
handler may write to one log. Lines are bytes and stay as they are. What has come is
written at once, as whole lines (with --delivery buffered: within --flush-interval); a
line that has no end yet is kept back, and gets one when the input ends.

While the disk takes nothing (full, quota) nothing is read: the program that writes is
held up, and no line is lost. With --overflow drop it is the other way round.

SIGTERM and Ctrl-C write what has come by then, also what is in the pipe still, and
end; a second one gives up waiting for a disk. SIGHUP rotates, whatever the clock says:
of several pipes of one log, send it to one. A signal of the first instant, in which
Python itself begins (some 50 ms), still ends it at once. SIGKILL loses what is in the
pipe, and the line that is kept back.
"""
_EPILOG = """\
examples:
  my-server 2>&1 | mpfhandler pipe app.log --when D --compress zst
  my-server | mpfhandler pipe app.log --backup-count 48 --timestamp

exit codes: 0 the input has ended, or SIGTERM came, and all is written; 1 lines were
lost, or the input could not be read; 2 wrong usage, or the log cannot be opened; 130
Ctrl-C, and all is written; 141 LOG is standard output, and its reader has gone away.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    parser = add_command(commands, "pipe", _DESCRIPTION, _EPILOG)
    parser.add_argument("log", metavar="LOG", help="path of the log")
    parser.add_argument("--timestamp", action="store_true", help="put the time of arrival before each line")
    size = "where a line without an end is cut, so that it needs no more memory (default: 1MiB)"
    parser.add_argument("--max-line", metavar="SIZE", default="1MiB", help=size)
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    try:
        return _pipe(arguments)
    except BrokenPipeError:
        raise  # the program's own end for that
    except (InvalidOption, OSError) as error:
        _tell(explain(error))
    return _USAGE_ERROR


def _pipe(arguments: argparse.Namespace) -> int:
    given: dict[str, Any] = given_options(arguments)
    most = _to_length(arguments.max_line)
    waits = to_word("overflow", given["overflow"], "block", "drop") == "block"
    if given["on_seal"] is not None and "" not in sys.path:
        sys.path.append("")  # a script's own folder is not looked in otherwise
    _check_input(arguments.log)
    with Source(_INPUT) as source:
        errors = _Errors(arguments.log)
        log = _opened(arguments.log, given, errors)
        feeder = errors.feeder = Feeder(
            source, log, Chunks(log._terminator, most), stamped=arguments.timestamp, waits=waits, tell=_tell
        )  # fmt: skip
        try:
            failed = _run(feeder)
        finally:
            log.close()
    lost = log.stats().lost
    if lost:
        _tell(f"{lost} line{'' if lost == 1 else 's'} lost")
    if failed or lost:
        return _LOST
    return _INTERRUPTED if feeder.interrupted else _DONE


def _opened(path: str, given: dict[str, Any], errors: _Errors) -> TimedLogFile:
    """The log.

    Raises:
        InvalidOption, OSError: an option cannot be used, or this user may not write there.
    """
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            log = TimedLogFile(path, **given, on_error=errors)
        for one in warned:
            _tell(str(one.message).replace("locking='record'", "--locking record"))
        return log
    except PermissionError as error:
        folder = given["lock_dir"]
        raise PermissionError(unwritable(path, *([] if folder is None else [folder])) or explain(error)) from None


def _to_length(given: str) -> int:
    """Of a line, in bytes.

    Raises:
        InvalidOption: it is no size, or none that a line fits in.
    """
    if most := to_bytes("max_line", given):
        return most
    raise InvalidOption("max_line", given, "leaves no room for a line", 'use a size such as "1MiB"')


def _run(feeder: Feeder) -> bool:
    """Whether the input has failed. Of the log no error comes here, but that nobody reads it any more."""
    try:
        feeder.run()
    except BrokenPipeError:
        raise
    except OSError as error:
        _tell(f"standard input: {error}")
        return True
    return False


class _Errors:
    """Told what fails in the log.

    Args:
        log: as it was given.
    """

    def __init__(self, log: str) -> None:
        self._output = _is_descriptor(_OUTPUT, log)
        self._folder = os.path.dirname(os.path.realpath(log))
        self.feeder: Feeder | None = None

    def __call__(self, error: Exception) -> None:
        """A named pipe gets another reader, and is waited for; standard output never does: there the end is quiet."""
        if self.feeder is not None and (self.feeder.gone or (self._output and isinstance(error, BrokenPipeError))):
            self.feeder.gone = True
        else:
            _tell(self._text(error))

    def _text(self, error: Exception) -> str:
        if not isinstance(error, PermissionError):
            return str(error)
        return refused(error) if isinstance(error.filename, str) else f"{explain(error)}: it is {owned(self._folder)}"


def _check_input(log: str) -> None:
    """Raises an `OSError` where what is read is the log itself, which would never end."""
    if _is_descriptor(_INPUT, log):
        raise OSError(f"{log} is standard input, too")


def _is_descriptor(number: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(number), os.stat(path))
    except OSError:
        return False


def _tell(text: str) -> None:
    """Nobody may be there to read it, which is no reason to stop."""
    try:
        complain("pipe", text)
    except (OSError, ValueError):
        return
