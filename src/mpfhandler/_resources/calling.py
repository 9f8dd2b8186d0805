"""Calling what a user has given as a hook of housekeeping.

A hook may fork. A child that comes back from it would go on as a second program: it would seal, delete and upload beside its
parent, with a copy of what the parent has in memory, and nobody would end it. So it ends at the very place where it comes back,
as `os._exit` does: its parent's exit handlers do not run, and nothing that its parent has still to write is written twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .._platform import Operations, Threads
from . import fork

__all__ = ["called", "end_if_forked", "is_in_thread_of_ours"]

_T = TypeVar("_T")


def is_in_thread_of_ours(ops: Operations) -> bool:
    """Whether the caller is in a thread that nobody of the program has begun."""
    return fork.is_ours(ops.threads.identity())


def end_if_forked(threads: Threads, thread: int) -> None:
    """Between two steps of a thread of ours with this identity: end the child, if an error handler of the program's has forked in
    there and has come back. It is called from anywhere, so not by `called`."""
    if not fork.is_ours(thread):
        threads.end_process(0)


def called(ops: Operations, hook: Callable[[], _T]) -> _T:
    """Call the hook. Comes back only in the process that has called. The exit code of a child is 0 when it returns, 1 when it
    raises, and that of its `sys.exit`.

    Args:
        ops: the system calls.
        hook: with its arguments.

    Raises:
        RuntimeError: in a thread of ours, for what the hook has raised that is no `Exception`. The interpreter gives a Ctrl-C to
            no thread but the main one, so it is the hook's own there, and a failure like any other.
        BaseException: what the hook has raised, otherwise.
    """
    process = ops.pid()
    try:
        made = hook()
    except BaseException as error:
        if ops.pid() != process:
            ops.threads.end_process(_exit_code(error))
        if isinstance(error, Exception) or not is_in_thread_of_ours(ops):
            raise
        raise RuntimeError(repr(error)) from error
    if ops.pid() != process:
        ops.threads.end_process(0)
    return made


def _exit_code(error: BaseException) -> int:
    if not isinstance(error, SystemExit):
        return 1
    code: object = error.code
    return code & 0xFF if isinstance(code, int) else int(code is not None)
