"""The lines of a block in which a pattern is found, for logs of which much is found: then what each finding costs is what counts.

One expression takes each finding with the rest of its line, and splits the block there. What comes between two findings is lines
that are not wanted and the beginning of one that is, so all that is left to do for each is to cut it behind its last line feed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Found", "Lines"]

_SAME = len("2026-11-23 16:")  # a line that begins like this begins with a time: most of a block do with the same hour
_BOUND = re.compile(rb"\\[0-9]|\(\?(?![:=!<])")  # counts the groups, names them, or wants to stand at the very beginning
_FLAGS = re.MULTILINE | re.IGNORECASE  # others change what is added to the pattern


class Found(NamedTuple):
    """Lines of a block.

    Attributes:
        text: those that are wanted.
        number: of them.
        between: what stands before, between and behind them; without a line feed it is the beginning of the next one.
        to_end: the block's last line is one of them.
    """

    text: bytes
    number: int
    between: list[bytes]
    to_end: bool


class Lines:
    """Finds lines that are records.

    Args:
        pattern: what is searched for.
        start: matches at the start of a record's first line, and nowhere else.
        timed: whether lines have times.
    """

    def __init__(self, pattern: re.Pattern[bytes], start: re.Pattern[bytes], timed: bool) -> None:
        self._pattern = pattern
        self._start = start
        self._timed = timed
        self._step = pattern.groups + 2  # from one finding to the next in what `split` gives
        self._ending: re.Pattern[bytes] | None = None
        if not pattern.flags & ~_FLAGS and not _BOUND.search(pattern.pattern):
            self._ending = re.compile(b"((?:%s)[^\n]*\n)" % pattern.pattern, pattern.flags)

    def found(self, block: bytes) -> Found | None:
        """What is wanted of a block of whole records; None if some of the records that come into question have more than one
        line, or if that is not known."""
        if not block.endswith(b"\n"):
            return None
        found = self._at_once(block, self._ending) if self._ending is not None else None
        found = found or self._one_by_one(block)
        return found if found is not None and self._are_records(found) else None

    def _at_once(self, block: bytes, ending: re.Pattern[bytes]) -> Found | None:
        """None if a finding goes on in the next line: such patterns are not looked for in this way any more."""
        parts = ending.split(block)
        gaps, rest = parts[: -1 : self._step], parts[-1]
        pieces = [b""] * (2 * len(gaps))
        pieces[::2] = [gap[gap.rfind(b"\n") + 1 :] for gap in gaps]
        pieces[1::2] = parts[1 :: self._step]
        text = b"".join(pieces)
        if text.count(b"\n") != len(gaps) or self._in_last_line(rest):
            self._ending = None
            return None
        return Found(text, len(gaps), [*gaps, rest] if rest else gaps, not rest)

    def _in_last_line(self, rest: bytes) -> bool:
        """What is only found with the line's own end is not found in the last line, for it wants another end behind that."""
        return bool(rest) and self._pattern.search(rest, rest.rfind(b"\n", 0, -1) + 1) is not None

    def _one_by_one(self, block: bytes) -> Found | None:
        """For other patterns. None if a finding goes on in a next line that is of the same record."""
        search, lines, between, done, at = self._pattern.search, list[bytes](), list[bytes](), 0, 0
        while at < len(block):
            hit = search(block, at)
            if hit is None or hit.start() == len(block):
                break
            first = block.rfind(b"\n", at, hit.start()) + 1 or at
            at = block.find(b"\n", hit.start()) + 1
            if hit.end() <= at or search(block, first, at) is not None:
                lines.append(block[first:at])
                between.append(block[done:first])
                done = at
            elif at < len(block) and not self._start.match(block, at):
                return None
        rest = block[done:]
        return Found(b"".join(lines), len(lines), [gap for gap in (*between, rest) if gap], not rest)

    def _are_records(self, found: Found) -> bool:
        """Whether a record begins with each of these lines, and with each one that comes first between them."""
        start, same = self._start, found.text[:_SAME]
        known = self._timed and same[:1].isdigit() and start.match(found.text) is not None
        counted = known and found.text.count(b"\n" + same) + 1 == found.number
        if not counted and sum(1 for _ in start.finditer(found.text)) != found.number:
            return False
        if known and all([gap[:_SAME] == same for gap in found.between]):  # noqa: C419 - a generator takes much longer for many
            return True
        return all(start.match(gap) for gap in found.between if b"\n" in gap)
