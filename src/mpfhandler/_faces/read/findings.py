"""What `mpfhandler verify` finds, as values."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["KINDS", "NOTICE", "PROBLEM", "Finding", "command", "some"]

PROBLEM, NOTICE = "problem", "notice"
KINDS = {
    "gap": "periods without a file",
    "misnamed": "a file whose name and content do not go together",
    "foreign": "a name beside the log that is none of a segment",
    "torn": "a line that is not whole",
    "outside": "records outside their file's period",
    "damaged": "a file that cannot be read to its end",
    "orphan": "a hidden file that nobody works on any more",
    "waiting": "a segment that no rotator fetches",
    "twin": "a segment twice, plain and compressed",
    "lock": "a rotation lock that somebody does not let go, or a lock file that is none",
    "schedule": "two schedules for one log",
    "unread": "a file that may not be read",
}
_SHOWN = 5
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\udc80-\udcff]+")


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        kind: one of `KINDS`.
        level: PROBLEM, or NOTICE for what may be as it should.
        path: of the file that it is about.
        text: what is wrong.
        remedy: what to do about it; where that is a command, it can be pasted into a shell.
    """

    kind: str
    level: str
    path: str
    text: str
    remedy: str


def command(*words: str) -> str:
    """A command for a shell, in one line and in what can be shown."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """Control characters and bytes that are no text stand as escapes in `$'…'`, which POSIX shells know."""
    if not _UNSHOWN.search(word):
        return shlex.quote(word)
    plain = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{_UNSHOWN.sub(_bytes, plain)}'"


def _bytes(found: re.Match[str]) -> str:
    return "".join(f"\\{one:03o}" for one in os.fsencode(found[0]))


def some(names: Sequence[str]) -> str:
    """The first of many names."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
