"""Names of segments, written and read: `app.log.<suffix>[.N][.gz|.zst|.xz|.bz2]`.

`write` and `read` are inverse to each other (property-tested), and `read` accepts nothing else: promise P4 rests on
that, because only names that read in full are ever deleted. `app.error.log`, `app.log.bak`,
`app.log.2026-11-23_16.csv` and `app.log.2.2026-11-23_16` are other people's files.

The suffix is a `strftime` pattern, the standard library's for each `when` unless the user set another one.

A user's `namer` makes another path of the default one. Where it fails, or forgets the number, a segment has its default name all
the same: in the log's own folder that is read, too.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

__all__ = ["COMPRESSIONS", "Names", "SegmentName", "allowed", "cannot_be_named", "lock_name", "longest_ending", "show"]

_PENDING, _MARKER, _MARKER_OF_NAMED, _TEMPORARY = ".rotating", ".sealed", ".named", ".tmp"
COMPRESSIONS = ("gz", "zst", "xz", "bz2")

_DIGITS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2}  # any other directive is left to strptime
_PLAIN = re.compile(r"(?:%[YmdHMS]|[ -$&-~])*")  # such directives and ASCII
_LEAST = {"Y": 1900, "m": 1, "d": 1, "H": 0, "M": 0, "S": 0}

_SEVERAL = {"T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y", "F": "%Y-%m-%d", "r": "%I:%M:%S %p"}  # directives for more than one
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}

# A time that a suffix is tried out with: no field has its least value, and the year is the one that `%y` means by 37.
_SAMPLE = datetime(2037, 11, 27, 22, 47, 53)


@dataclass(frozen=True, order=True)
class SegmentName:
    """A name as a value: ordered by time, then by the number within its period."""

    wall: datetime  # naive wall time of the period's start, as far as the suffix tells it
    index: int = 0  # 0 has no number in the name
    compression: str = ""  # "gz", … or "" for a plain segment
    unaltered: bool = False  # it has its default name, though there is a user's `namer`


class Names:
    """The names that segments of one log have.

    Args:
        log: the path of the log.
        suffix: a `strftime` pattern.
        alter: what a user's `namer` makes of a default path; None leaves paths as they are.
    """

    def __init__(self, log: str, suffix: str, alter: Callable[[str], str] | None = None) -> None:
        self.folder, self.base = os.path.split(log)
        self.suffix = suffix
        self._alter = alter
        period, number, packed = _pattern(suffix), r"(?:\.(?P<number>[1-9]\d*))?", "|".join(COMPRESSIONS)
        self._stem = re.compile(period + number, re.DOTALL | re.ASCII)
        self._whole = re.compile(rf"(?P<period>{period}){number}(?:\.(?P<packed>{packed}))?", re.DOTALL | re.ASCII)

    def write(self, name: SegmentName) -> str:
        """The path of a segment, after the user's `namer`."""
        default = self.default(name)
        altered = self._alter(default) if self._alter and not name.unaltered else default
        return f"{altered}.{name.compression}" if name.compression else altered

    def default(self, name: SegmentName) -> str:
        """The plain path of a segment, before the user's `namer`."""
        number = f".{name.index}" if name.index else ""
        return os.path.join(self.folder, f"{self.base}.{show(name.wall, self.suffix)}{number}")

    def at(self, wall: datetime) -> SegmentName:
        """The first segment of the period that starts at this wall time, as precisely as the suffix tells it."""
        return SegmentName(_parse(show(wall, self.suffix), self.suffix) or wall)

    @property
    def altered(self) -> bool:
        """Whether a user's `namer` has a say in them."""
        return self._alter is not None

    @property
    def readable(self) -> bool:
        """Whether what the suffix writes can be read back; if not, no segment can be told from other people's files."""
        return self._sample is not None

    @property
    def chronological(self) -> bool:
        """Whether the names tell which segment is older. Not with `%m-%d` or `%Y_%H`: every field needs the coarser ones."""
        return self._sample in _truncations(_SAMPLE)

    @property
    def _sample(self) -> datetime | None:
        try:
            return _parse(show(_SAMPLE, self.suffix), self.suffix)
        except ValueError:  # Windows: `strftime` refuses what it does not know
            return None

    def pending(self, name: SegmentName) -> str:
        """Where a segment waits for the user's `rotator`: hidden from every `app.log*` glob of a log shipper."""
        return self._hidden(name, _PENDING)

    def read_pending(self, text: str) -> SegmentName | None:
        """The segment that waits under a file name, or None."""
        return self._read_hidden(text, _PENDING)

    def marker(self, name: SegmentName) -> str:
        """Where it stands what has been done to a segment. In the log's folder, wherever a `namer` puts the segment: no other log
        has this name there."""
        return self._hidden(name, self._marker_of(name))

    def read_marker(self, text: str) -> SegmentName | None:
        """The segment whose marker has this file name, or None."""
        return self._read_marker(text, "")

    def marker_temporary(self, name: SegmentName) -> str:
        """Where a marker is written before it gets its name."""
        return self._hidden(name, self._marker_of(name) + _TEMPORARY)

    def read_marker_temporary(self, text: str) -> SegmentName | None:
        """The segment whose marker is, or was, written under this file name, or None."""
        return self._read_marker(text, _TEMPORARY)

    def temporary(self, path: str) -> str:
        """Under which hidden name, in its folder, a compressed segment is written before it gets this path."""
        folder, text = os.path.split(path)
        return os.path.join(folder, f".{text}{_TEMPORARY}")

    def read_temporary(self, folder: str, text: str) -> SegmentName | None:
        """The compressed segment that is, or was, written under this file name of a folder, or None."""
        if not (text.startswith(".") and text.endswith(_TEMPORARY)):
            return None
        found = self.read(os.path.join(folder, text[1 : -len(_TEMPORARY)]))
        return found if found is not None and found.compression else None

    def read(self, path: str) -> SegmentName | None:
        """The segment that a path belongs to, or None where it is not in full a name of this log's segments."""
        folder, text = os.path.split(path)
        altered = self._read_altered(path, text) if self._alter is not None else None
        if altered is not None:
            own = replace(altered, unaltered=True)  # whether the `namer` has just failed, or has made no other name of it
            return own if self.write(own) == path else altered
        if folder != self.folder or not text.startswith(self.base + "."):
            return None
        found = self._read_tail(text[len(self.base) + 1 :])
        return found if found is None or self._alter is None else replace(found, unaltered=True)

    def known(self, folder: str, files: Iterable[str]) -> list[tuple[SegmentName, str]]:
        """The segments among these file names of a folder with their paths, oldest first."""
        paths = (os.path.join(folder, text) for text in files)
        return sorted((found, path) for path in paths if (found := self.read(path)) is not None)

    def _hidden(self, name: SegmentName, ending: str) -> str:
        folder, text = os.path.split(self.default(name))
        return os.path.join(folder, f".{text}{ending}")

    def _read_hidden(self, text: str, ending: str) -> SegmentName | None:
        if not (text.startswith(f".{self.base}.") and text.endswith(ending)):
            return None
        found = self._read_tail(text[len(self.base) + 2 : -len(ending)])
        return None if found is None or found.compression else found

    def _marker_of(self, name: SegmentName) -> str:
        """By whether the segment has its default name: of one period there may be one with it and one with the namer's. That is
        not asked: what it says now may be something else than what it said then."""
        return _MARKER if name.unaltered or self._alter is None else _MARKER_OF_NAMED

    def _read_marker(self, text: str, ending: str) -> SegmentName | None:
        found = self._read_hidden(text, _MARKER + ending)
        if found is None:
            return self._read_hidden(text, _MARKER_OF_NAMED + ending)
        return replace(found, unaltered=self._alter is not None)

    def _read_tail(self, tail: str) -> SegmentName | None:
        match = self._whole.fullmatch(tail)
        if match is None:
            return None
        wall = _parse(match["period"], self.suffix)
        return None if wall is None else SegmentName(wall, int(match["number"] or 0), match["packed"] or "")

    def _read_altered(self, path: str, text: str) -> SegmentName | None:
        """A `namer` may put anything around the suffix: find every place that could be one and ask whether the
        namer makes exactly this path of it (the standard library's rule, see python/cpython#90221)."""
        plain, compression = text, ""
        ending = text.rpartition(".")[2]
        if ending in COMPRESSIONS:
            plain, compression = text[: -len(ending) - 1], ending
        for candidate, packed in ((text, ""), (plain, compression)):
            for tail in _matches(self._stem, candidate):
                found = self._read_tail(tail)
                if found and self.write(SegmentName(found.wall, found.index, packed)) == path:
                    return SegmentName(found.wall, found.index, packed)
        return None


def lock_name(log: str, base: str, digest: str | None) -> str:
    """The lock file's name: beside the log the name that users know, in a folder of locks one that no other log has."""
    return f"{log}.lock" if digest is None else f"{base}.{digest}.lock"


def allowed(text: str, forbidden: str) -> str:
    """A suffix, or the name of a file, without characters that no name may have on a system. Directives that stand for several
    fields are spelled out first, so that what is between these is seen, too."""
    if not forbidden:
        return text
    text = re.sub(r"%(.)", lambda found: _SEVERAL.get(found[1], found[0]), text)
    plain = "".join("-" if letter in forbidden else letter for letter in text)
    return plain.rstrip(" .") or "-"  # Windows leaves these out at the end


def cannot_be_named(name: str, forbidden: str) -> str:
    """Why no file can have this name on a system that forbids these characters; "" if it can."""
    if not forbidden:
        return ""
    if any(letter in forbidden for letter in name):
        return f"{''.join(letter for letter in forbidden if letter in name)!r} is not allowed in a name"
    if name.endswith((" ", ".")):
        return "a blank or a full stop at the end is left out"
    return "that is a device" if name.partition(".")[0].rstrip().upper() in _DEVICES else ""


def longest_ending(suffix: str) -> int:
    """How many bytes longer than the log's own the longest name beside it is: that of the marker of a segment with a number of
    four digits, while it is written."""
    ending = f"..{show(_SAMPLE, suffix)}.9999{_MARKER}{_TEMPORARY}"
    return len(ending.encode("utf-8", "surrogateescape"))


def show(wall: datetime, suffix: str) -> str:
    """What `strftime` makes of a wall time. By hand where that can be: before Python 3.13 it imports a module each time, which a
    program that is just ending cannot do any more."""
    if wall.year < 1000 or not _PLAIN.fullmatch(suffix):
        return wall.strftime(suffix)
    fields = {"Y": wall.year, "m": wall.month, "d": wall.day, "H": wall.hour, "M": wall.minute, "S": wall.second}
    return re.sub(r"%(.)", lambda found: f"{fields[found[1]]:0{_DIGITS[found[1]]}}", suffix)


@lru_cache(maxsize=16)
def _pattern(suffix: str) -> str:
    """A regular expression for what `strftime` can make of the suffix; the directives of the standard suffixes are groups."""
    parts: list[str] = []
    named: set[str] = set()
    position = 0
    for match in re.finditer(r"%(.)", suffix, re.DOTALL):
        parts.append(re.escape(suffix[position : match.start()]))
        parts.append(_directive(match[1], named))
        position = match.end()
    return "".join(parts) + re.escape(suffix[position:])


def _directive(letter: str, named: set[str]) -> str:
    if letter == "%":
        return "%"
    digits = _DIGITS.get(letter)
    if digits is None:
        return r".+?"
    if letter in named:
        return rf"(?P={letter})"
    named.add(letter)
    return rf"(?P<{letter}>\d{{{digits}}})"


def _parse(text: str, suffix: str) -> datetime | None:
    """The wall time that a suffix stands for, or None. Without strptime where that can be: it is slow, and imported at its
    first use, when a program may have given up the right to read the library's files."""
    match = re.fullmatch(_pattern(suffix), text, re.DOTALL | re.ASCII)
    if match is None:
        return None
    try:
        directives = set(re.findall(r"%(.)", suffix))
        if "%" in re.sub(r"%.", "", suffix):
            return None  # a lone percent sign: strftime takes it, strptime does not
        if directives <= {*_DIGITS, "%"}:
            found = {letter: int(digits) for letter, digits in match.groupdict().items()}
            return datetime(*(found.get(letter, least) for letter, least in _LEAST.items()))  # type: ignore[arg-type]
        wall = datetime.strptime(text, suffix)
    except (ValueError, re.error, ImportError):
        return None
    return wall if wall.strftime(suffix) == text else None


def _truncations(wall: datetime) -> list[datetime]:
    """What is left of a time that is told as far as the year, the month, … or not at all."""
    told = (wall.year, wall.month, wall.day, wall.hour, wall.minute, wall.second)
    least = tuple(_LEAST.values())
    return [datetime(*told[:fields], *least[fields:]) for fields in range(len(told) + 1)]  # type: ignore[arg-type]


def _matches(pattern: re.Pattern[str], text: str) -> Iterable[str]:
    """Every match at every position, the long and the short ones: `.1` may be the number or the namer's own."""
    for start in range(len(text)):
        match = pattern.match(text, start)
        if match:
            yield match[0]
            yield re.sub(r"\.[1-9]\d*\Z", "", match[0], flags=re.ASCII)
