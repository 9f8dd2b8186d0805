"""The folders that a user's `namer` may have put segments into, told from those that it gives now.

A `namer` is only asked for periods that there are: it may make the folder that it names. So former folders are looked for on the
disk: where it puts the present period into `2026-11-27` or `2026/11`, those of other periods differ in their digits alone. Which
of the files in them are this log's segments is told by their names in full, as everywhere (promise P4).

What that costs is a listing for each folder above those that are looked for, and none of these: for `2026/11/27` one for each
month that there is. Somebody may have put links there that lead back to their own folder, and each level would multiply them: so
on each one at most so many folders are taken, and so many names looked at, the first by name, which are the oldest. The former
are 11 years of a folder an hour.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from itertools import islice

from .._platform import Operations

__all__ = ["like", "like_any"]

_MOST, _NAMES = 100_000, 1_000_000  # on each level: folders that are taken, names that are looked at


def like_any(ops: Operations, folders: Collection[str], home: str) -> set[str]:
    """What is `like` any of these. One that has been found already is not looked for again: those like it have been, too."""
    found = set[str]()
    for folder in sorted(folders):
        if folder not in found:
            found |= like(ops, folder, home)
    return found


def like(ops: Operations, folder: str, home: str) -> set[str]:
    """This folder, and those that there are (or that something else is in the place of) whose paths differ from it in digits
    alone, below what it has in common with the log's own.

    Args:
        ops: the system calls.
        folder: that a `namer` has given; absolute.
        home: the log's own.
    """
    parts, others = folder.split(os.sep), home.split(os.sep)
    alike = 0
    while parts[alike : alike + 1] == others[alike : alike + 1] != []:
        alike += 1
    found = {os.sep.join([*parts[:1], *(parts[1:alike] or [""])])}  # "/" or "C:\\", if it is that alone
    for part in parts[alike:]:
        pattern = re.compile(r"[0-9]+".join(map(re.escape, re.split(r"[0-9]+", part))))
        if pattern.pattern == re.escape(part):
            found = {os.path.join(above, part) for above in found}
        else:
            found = _matching(ops, found, pattern)
    return found | {folder}


def _matching(ops: Operations, folders: set[str], pattern: re.Pattern[str]) -> set[str]:
    """What is in these folders and has such a name."""
    there = islice(((above, text) for above in sorted(folders) for text in sorted(_names(ops, above))), _NAMES)
    return set(islice((os.path.join(above, text) for above, text in there if pattern.fullmatch(text)), _MOST))


def _names(ops: Operations, folder: str) -> list[str]:
    try:
        return ops.names(folder)
    except OSError:
        return []
