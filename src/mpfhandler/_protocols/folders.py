"""The folders that a user's `namer` may have put segments into, told from those that it gives now.

A `namer` is only asked for periods that there are: it may make the folder that it names. So former folders are looked for on the
disk: where it puts the present period into `2026-11-27` or `2026/11`, those of other periods differ in their digits alone. Which
of the files in them are this log's segments is told by their names in full, as everywhere (promise P4).
"""

from __future__ import annotations

import os.path
import re

from .._platform import Operations

__all__ = ["like"]


def like(ops: Operations, folder: str, home: str) -> set[str]:
    """This folder, and those that there are (or that something else is in the place of) whose paths differ from it in digits
    alone, below what it has in common with the log's own.

    Args:
        ops: the system calls.
        folder: that a `namer` has given; absolute.
        home: the log's own.
    """
    parts, others = folder.split("/"), home.split("/")
    alike = 0
    while parts[alike : alike + 1] == others[alike : alike + 1] != []:
        alike += 1
    found = {"/".join(parts[:alike]) or "/"}
    for part in parts[alike:]:
        pattern = re.compile(r"[0-9]+".join(map(re.escape, re.split(r"[0-9]+", part))))
        if pattern.pattern == re.escape(part):
            found = {os.path.join(above, part) for above in found}
        else:
            found = {os.path.join(above, text) for above in found for text in _names(ops, above) if pattern.fullmatch(text)}
    return found | {folder}


def _names(ops: Operations, folder: str) -> list[str]:
    try:
        return ops.names(folder)
    except OSError:
        return []
