"""The descriptors that a run over segments has open. A child that is forked meanwhile has them, too: it would keep the locks of a
parent that dies, and the space of files that are removed, for as long as it lives. So it closes them, without unlocking.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .._platform import Operations
from . import fork
from .descriptors import close_quietly

__all__ = ["HeldDescriptors"]


class HeldDescriptors:
    """Knows what is opened and closed through its table.

    Args:
        ops: the system calls.
    """

    def __init__(self, ops: Operations) -> None:
        self._ops = ops
        self._open: set[int] = set()
        fork.register(self)

    def table(self) -> Operations:
        """The same calls. What they open is closed through the same table, and nothing else is."""
        ops, told = self._ops, self._told
        return replace(
            ops,
            open_side=told(ops.open_side),
            open_new_private=told(ops.open_new_private),
            open_read=told(ops.open_read),
            open_lock=self._open_lock,
            close=self._close,
        )

    def prepare_fork(self) -> None:
        """Nothing: the housekeeper has the run come to its end."""

    def before_fork(self) -> None:
        """The same."""

    def after_fork_in_parent(self) -> None:
        """The same."""

    def after_fork_in_child(self) -> None:
        """They are the parent's."""
        mine, self._open = self._open, set()
        for fd in mine:
            close_quietly(self._ops, fd)

    def _told(self, opens: Callable[[str], int]) -> Callable[[str], int]:
        def call(path: str) -> int:
            fd = opens(path)
            self._open.add(fd)
            return fd

        return call

    def _open_lock(self, path: str, mode: int) -> tuple[int, bool]:
        fd, writable = self._ops.open_lock(path, mode)
        self._open.add(fd)
        return fd, writable

    def _close(self, fd: int) -> None:
        """Forgotten first: its number may be another file's as soon as it is closed."""
        if fd in self._open:
            self._open.discard(fd)
            self._ops.close(fd)
