"""Which segments a follower has read, or reads: by their names, which they keep when they are compressed.

A name that was free for a while may be given again: where everything of a period was deleted, the next split begins anew at its
first name. So a name that was away and leads to another file then is a new one. Only a look at the folder in which the name is
missing tells that it was away; but a file that is renamed during such a look may be missing in it, too, so the file is compared.
An empty file may have taken the name for another one, which is renamed onto it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..._pure.facts import FileId
from .files import LogFile

__all__ = ["Known"]

_FORGET = 60.0  # seconds


@dataclass
class _Seen:
    """What a name has led to, and since when it leads nowhere (seconds of the monotonic clock)."""

    inode: FileId
    mtime: float
    empty: bool  # perhaps it has only taken the name for another one
    away: float | None = None


class Known:
    """Remembers names, see `key_of`, with the files that they have led to."""

    def __init__(self) -> None:
        self._names: dict[str, _Seen] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._names

    def add(self, key: str, file: LogFile) -> None:
        """The file has been read, or is being read. "" is no name."""
        if key:
            self._names[key] = _Seen(file.inode, file.mtime, not file.size)

    def look(self, there: Mapping[str, LogFile], now: float) -> None:
        """Forget the names that lead to other files now.

        Args:
            there: what a look at the folder has found.
            now: seconds of the monotonic clock.
        """
        for key, seen in list(self._names.items()):
            file = there.get(key)
            if file is None:
                seen.away = now if seen.away is None else seen.away
                forget = now - seen.away > _FORGET
            else:
                forget = (seen.away is not None or seen.empty) and file.inode != seen.inode and file.mtime != seen.mtime
            if forget:
                del self._names[key]
            elif file is not None:
                self._names[key] = _Seen(file.inode, file.mtime, not file.size)

    def clear(self) -> None:
        """Forget all."""
        self._names.clear()
