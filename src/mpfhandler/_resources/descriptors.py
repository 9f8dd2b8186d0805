"""Which object owns which descriptor number, in this process.

A daemon that closes everything closes ours without a word. The numbers are then given out again, first of all to other
logs of ours, which are opened in the same high range: whoever gets a number that another object believes to own tells
that one that it has lost it.
"""

from __future__ import annotations

from typing import Protocol
from weakref import WeakValueDictionary

from .._platform import Operations

__all__ = ["Owner", "claim", "close_quietly", "unlock_and_close"]


class Owner(Protocol):
    """What owns descriptors."""

    def disown(self, number: int) -> None:
        """This number belongs to somebody else by now."""


_owners: WeakValueDictionary[tuple[int, int], Owner] = WeakValueDictionary()


def claim(ops: Operations, number: int, owner: Owner) -> None:
    """This object has just got this number from the system."""
    before = _owners.get((id(ops), number))
    if before is not None and before is not owner:
        before.disown(number)
    _owners[(id(ops), number)] = owner


def close_quietly(ops: Operations, number: int) -> None:
    """Close a descriptor, which is gone then whatever close(2) says."""
    try:
        ops.close(number)
    except OSError:
        pass


def unlock_and_close(ops: Operations, number: int) -> None:
    """Both, for a child that was forked meanwhile shares the description, and would keep the lock for as long as it lives."""
    try:
        ops.unlock(number)
    except OSError:
        pass
    close_quietly(ops, number)
