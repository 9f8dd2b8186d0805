"""The lines of a block in which a pattern is found, for logs of which much is found: then what each finding costs is what counts.

One expression takes each finding with the rest of its line, and splits the block there. What comes between two findings is lines
that are not wanted and the beginning of one that is, so all that is left to do for each is to cut it behind its last line feed.
"""

from __future__ import annotations

import re

__all__ = ["Lines"]

_SAME = len("2026-11-23 16:")  # a line that begins like this begins with a time: most of a block do with the same hour
_BOUND = re.compile(rb"\\[0-9]|\(\?(?![:=!<])")  # counts the groups, names them, or wants to stand at the very beginning
_FLAGS = re.MULTILINE | re.IGNORECASE  # others change what is added to the pattern


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

    @property
    def usable(self) -> bool:
        """Whether this pattern can be looked for so: not if what it finds was seen to go on in the next line."""
        return self._ending is not None

    def found(self, block: bytes) -> tuple[bytes, int, bool] | None:
        """The lines that are wanted of a block of whole records, how many they are, and whether the last one of the block is
        among them; None if some of the records that come into question have more than one line, or if that is not known."""
        if self._ending is None or not block.endswith(b"\n"):
            return None
        parts = self._ending.split(block)
        gaps, rest = parts[: -1 : self._step], parts[-1]
        pieces = [b""] * (2 * len(gaps))
        pieces[::2] = [gap[gap.rfind(b"\n") + 1 :] for gap in gaps]
        pieces[1::2] = parts[1 :: self._step]
        text = b"".join(pieces)
        if text.count(b"\n") != len(gaps) or self._in_last_line(rest):
            self._ending = None
            return None
        between = [*gaps, rest] if rest else gaps
        return (text, len(gaps), not rest) if self._are_records(text, len(gaps), between) else None

    def _in_last_line(self, rest: bytes) -> bool:
        """What is only found with the line's own end is not found in the last line, for it wants another end behind that."""
        return bool(rest) and self._pattern.search(rest, rest.rfind(b"\n", 0, -1) + 1) is not None

    def _are_records(self, text: bytes, count: int, between: list[bytes]) -> bool:
        """Whether a record begins with each of these lines, and with each one that comes first between them.

        Args:
            text: the lines that were found.
            count: of them.
            between: what stands before, between and behind them; without a line feed it is the beginning of the next one.
        """
        start, same = self._start, text[:_SAME]
        known = self._timed and same[:1].isdigit() and start.match(text) is not None
        if not (known and text.count(b"\n" + same) + 1 == count) and sum(1 for _ in start.finditer(text)) != count:
            return False
        if known and all([gap[:_SAME] == same for gap in between]):  # noqa: C419 - a generator takes much longer for many
            return True
        return all(start.match(gap) for gap in between if b"\n" in gap)
