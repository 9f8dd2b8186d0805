"""The command line: one parser, and one module for each command.

A command's module has a function `register` that adds its parser to the sub-parsers and sets `run` as that parser's default: a
callable that takes the parsed arguments and returns the exit code. A new command is a new module and a line in `COMMANDS`. Its
module is imported when the command is chosen, and with all others when the parser as a whole is asked for (`whole_parser`).
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib import import_module
from typing import NamedTuple

from .._pure.errors import MpfHandlerError
from .._pure.version import __version__
from .look import complain, of_output

__all__ = ["COMMANDS", "Command", "main", "whole_parser"]

_FAILED, _USAGE_ERROR = 1, 2
_INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended
_CLOSED_PIPE = 141  # the same for SIGPIPE


class Command(NamedTuple):
    """A command as `mpfhandler --help` has it.

    Attributes:
        name: on the command line.
        help: in one line.
        module: relative to this package.
        holds: whether signals that ask for an end are held back until it takes them itself (default: no).
    """

    name: str
    help: str
    module: str
    holds: bool = False


COMMANDS = (
    Command("ls", "list the files of a log", ".read.ls"),
    Command("cat", "print records of a log, across its files", ".read.cat"),
    Command("tail", "print the last records of a log, and follow it", ".read.tail"),
    Command("verify", "look for damage in a log", ".read.verify"),
    Command("pipe", "write the lines of standard input to a log", ".pipe.command", holds=True),
    Command("rotate", "close the present file of a log and begin a new one", ".rotate"),
    Command("seal", "compress, hand over and archive closed segments", ".seal"),
    Command("prune", "delete closed segments by rule", ".prune"),
    Command("check", "test a file system for the promises", ".check.command"),
    Command("bench", "measure this handler and others", ".bench.command"),
    Command("completion", "print a script that teaches your shell these commands", ".completion"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments without the program's name; default: those of this process.

    Returns:
        The exit code: 0 done, 1 the command says no, 2 wrong usage or it could not start, 130 interrupted,
        141 the reader of the output has gone away.
    """
    _open_missing()
    _write_whole()
    try:
        code = _run(argv)
        sys.stdout.flush()  # here, so that a closed pipe is met here and not by the interpreter's exit
    except BrokenPipeError:
        _drop_output()
        return _CLOSED_PIPE
    except OSError as error:  # a full disk below the output, a terminal that is gone
        _drop_output()
        complain("", f"standard output: {error.strerror}" if of_output(error) else str(error))
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def whole_parser() -> argparse.ArgumentParser:
    """The parser with everything that every command takes."""
    return _parser([command.name for command in COMMANDS])


def _run(argv: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if argv is None else argv)
    del given[: given[:1] == ["--"]]  # the command comes first, whatever it is called
    with ExitStack() as stack:
        if any(command.name in given[:1] and command.holds for command in COMMANDS):
            from .interrupt import held_back

            stack.enter_context(held_back())
        return _run_command(given)


def _run_command(given: list[str]) -> int:
    try:
        arguments = _parser(given[:1]).parse_args(given)
    except SystemExit as leaving:  # argparse has printed its help or its complaint
        return leaving.code if isinstance(leaving.code, int) else _USAGE_ERROR
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except MpfHandlerError as error:
        complain("", str(error))
        return _USAGE_ERROR


def _parser(chosen: Sequence[str]) -> argparse.ArgumentParser:
    """One that reads the arguments of these commands, and knows of the others that they exist."""
    parser = argparse.ArgumentParser(
        prog="mpfhandler",
        description="Many processes, one log, rotated by the clock.",
        epilog="`mpfhandler COMMAND --help` shows examples, options and exit codes of a command.",
    )
    parser.add_argument("--version", action="version", version=f"mpfhandler {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        if command.name in chosen:
            import_module(command.module, __package__).register(commands)
        else:
            commands.add_parser(command.name, help=command.help, add_help=False)
    return parser


def _open_missing() -> None:
    """A stream that was closed before the program began leads nowhere; else a log could be opened as standard output."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r" if name == "stdin" else "w"))


def _write_whole() -> None:
    """With PYTHONUNBUFFERED what the kernel does not take at once, as from a process that is stopped meanwhile, would be lost
    without a word: nobody looks at what a raw file's `write` returns."""
    if isinstance(getattr(sys.stdout, "buffer", None), io.RawIOBase):
        descriptor, encoding, errors = sys.stdout.fileno(), sys.stdout.encoding, sys.stdout.errors
        sys.stdout = os.fdopen(descriptor, "w", 1, encoding, errors, closefd=False)


def _drop_output() -> None:
    """Let what is still buffered go nowhere: the interpreter flushes once more on its way out."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # a test's replacement has no descriptor
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
