"""Patterns that would see more than one record if they were searched for in many at once.

What is searched for in a block of records is found much faster, but some patterns go on from each place to the end of the block,
such as `Traceback[^;]*lost`, which takes hours, or ask for what stands in the next records, such as `ERROR(?![\\s\\S]*done)`. For
these one record after the other is cut out. A pattern that is taken for one of them and is none costs time and nothing else.
"""

from __future__ import annotations

import re

__all__ = ["sees_far"]

_CLASS = rb"\[(?P<not>\^?)(?P<of>\]?(?:\\.|[^\\\]])*)\]"
_TOKEN = re.compile(rb"\\(?P<escape>.)|%s|(?P<flags>\(\?[a-zA-Z]+)|(?P<look>\(\?<?[=!])|(?P<other>.)" % _CLASS, re.DOTALL)
_ENDS = re.compile(rb"\\[snWDSwdx0-7]|\n", re.DOTALL)  # in [ ]: there may be the end of a line among these
_NOTHING = frozenset({b"\n"})
_BREAKS = frozenset(b"snWDx01234567")  # after a backslash: it may stand for the end of a line
_REPEATS = frozenset({b"*", b"+", b"{"})


def sees_far(pattern: re.Pattern[bytes]) -> bool:
    """Whether a search may go on over any number of lines, asks what stands in others, or where its text begins or ends."""
    text = pattern.pattern
    breaks = bool(pattern.flags & re.DOTALL)  # whether something in it may be the end of a line
    far = breaks
    looks = repeats = False
    for token in _TOKEN.finditer(text):
        repeated = text[token.end() : token.end() + 1] in _REPEATS
        if token["escape"] is not None:
            far = far or token["escape"] in {b"A", b"Z"}
            breaks = breaks or token["escape"][0] in _BREAKS or token["escape"] in _NOTHING
        elif token["of"] is not None:
            ends = (b"\\n" not in token["of"]) if token["not"] else _ENDS.search(token["of"]) is not None
            breaks, far = breaks or ends, far or (ends and repeated)
        elif token["flags"] is not None:
            far = far or b"s" in token["flags"]
        elif token["look"] is not None:
            looks = True
        else:
            breaks = breaks or token["other"] in _NOTHING
            repeats = repeats or (token["other"] == b")" and repeated)
    return far or (breaks and (looks or repeats))
