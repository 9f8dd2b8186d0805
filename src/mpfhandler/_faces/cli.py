"""The command line: one parser, and one module for each command.

A command is a function that adds its parser to the sub-parsers and sets `run` as that parser's default: a callable
that takes the parsed arguments and returns the exit code. A new command is a new module and a line in `_COMMANDS`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .._pure.errors import MpfHandlerError
from .._pure.version import __version__
from .bench.command import register as register_bench
from .check.command import register as register_check
from .prune import register as register_prune
from .seal import register as register_seal

if TYPE_CHECKING:
    from typing import TypeAlias

    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

__all__ = ["main"]

_USAGE_ERROR = 2
_INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended
_CLOSED_PIPE = 141  # the same for SIGPIPE

_COMMANDS: tuple[Callable[[Commands], None], ...] = (register_seal, register_prune, register_check, register_bench)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments without the program's name; default: those of this process.

    Returns:
        The exit code: 0 done, 1 the command says no, 2 wrong usage or it could not start, 130 interrupted,
        141 the reader of the output has gone away.
    """
    try:
        code = _run(argv)
        sys.stdout.flush()  # here, so that a closed pipe is met here and not by the interpreter's exit
    except BrokenPipeError:
        _drop_output()
        return _CLOSED_PIPE
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as leaving:  # argparse has printed its help or its complaint
        return leaving.code if isinstance(leaving.code, int) else _USAGE_ERROR
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except MpfHandlerError as error:
        print(f"mpfhandler: {error}", file=sys.stderr)
        return _USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mpfhandler", description="Many processes, one log, rotated by the clock.")
    parser.add_argument("--version", action="version", version=f"mpfhandler {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for register in _COMMANDS:
        register(commands)
    return parser


def _drop_output() -> None:
    """Let what is still buffered go nowhere: the interpreter flushes once more on its way out."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # a test's replacement has no descriptor
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
