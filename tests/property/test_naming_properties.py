"""Writing and reading names are inverse to each other, whatever the base, the suffix and the namer; and nothing else is read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mpfhandler._platform import OPERATIONS
from mpfhandler._pure.naming import COMPRESSIONS, Names, SegmentName, show

STANDARD = ["%Y-%m-%d_%H-%M-%S", "%Y-%m-%d_%H-%M", "%Y-%m-%d_%H", "%Y-%m-%d", "%Y-%m"]
CUSTOM = [
    "%Y%m%d", "%y%m%d%H", "%d.%m.%Y", "%Y.%m", "%Y-%j", "%d-%b-%Y", "%A %d %B %Y", "%I%p_%d-%m-%Y", "%%%Y%%", "%G-W%V-%u",
    "[%Y]+(%m)", "%Y年%m月%d日", "no time at all", "%H", "v1.%Y-%m-%d.log",
]  # fmt: skip

# What a user may write into the name of a log: dots, everything a regular expression knows, other scripts, digits.
texts = st.text(
    st.sampled_from("ab.1_-+*?()[]{}^$|\\ é日٣\n%") | st.characters(exclude_characters="/\\\0"), min_size=1, max_size=12
)
bases = st.one_of(st.just("app.log"), texts, st.just("app.2026-11-23_16"), st.just("a.gz")).filter(lambda t: t not in {".", ".."})
if sys.platform == "win32":
    bases = bases.filter(lambda t: not set(t) & set(OPERATIONS.forbidden))
walls = st.datetimes(datetime(1970, 1, 1), datetime(2068, 12, 31))  # as far as %y reaches
names_of_segments = st.tuples(walls, st.integers(0, 10**6), st.sampled_from(["", *COMPRESSIONS]))
suffixes = st.sampled_from(STANDARD + CUSTOM)

Namer = Callable[[str], str]
NAMERS: dict[str, Namer] = {
    "ending": lambda default: default + ".old",
    "gz": lambda default: default + ".gz",
    "number": lambda default: default + ".1",
    "before": lambda default: os.path.join(os.path.dirname(default), "x-" + os.path.basename(default)),
    "folder": lambda default: os.path.join("/archive/2026-11-23_16", os.path.basename(default)),
    "none": lambda default: default,
}


def name_in(names: Names, parts: tuple[datetime, int, str]) -> SegmentName:
    """A segment's name as this log can have it."""
    wall, index, compression = parts
    return SegmentName(names.at(wall).wall, index, compression)


@settings(deadline=None)
@given(wall=st.datetimes(datetime(1900 if sys.platform == "win32" else 1, 1, 1)), suffix=suffixes)
def test_a_time_is_shown_as_strftime_does(wall: datetime, suffix: str) -> None:
    """Names are the standard library's, whichever way they are made."""
    assert show(wall, suffix) == wall.strftime(suffix)


@settings(deadline=None)
@given(base=bases, suffix=suffixes, parts=names_of_segments)
def test_what_is_written_is_read(base: str, suffix: str, parts: tuple[datetime, int, str]) -> None:
    """A segment's path reads back as the same segment."""
    names = Names(f"/logs/{base}", suffix)
    name = name_in(names, parts)
    assert names.read(names.write(name)) == name


@settings(deadline=None)
@given(base=bases, suffix=suffixes, parts=names_of_segments)
def test_what_waits_is_read(base: str, suffix: str, parts: tuple[datetime, int, str]) -> None:
    """A waiting file's name reads back as the same segment, and is no segment's name itself."""
    names = Names(f"/logs/{base}", suffix)
    name = name_in(names, (parts[0], parts[1], ""))
    assert names.read_pending(os.path.basename(names.pending(name))) == name
    assert names.read(names.pending(name)) is None


@settings(deadline=None)
@given(base=bases, suffix=st.sampled_from(STANDARD), parts=names_of_segments, namer=st.sampled_from(sorted(NAMERS)))
def test_what_a_namer_made_is_read(base: str, suffix: str, parts: tuple[datetime, int, str], namer: str) -> None:
    """What a namer makes of a segment's name reads back as a segment that has exactly this path."""
    names = Names(f"/logs/{base}", suffix, NAMERS[namer])
    path = names.write(name_in(names, parts))
    found = names.read(path)
    assert found is not None
    assert names.write(found) == path


@settings(deadline=None, max_examples=300)
@given(
    parts=names_of_segments,
    suffix=suffixes,
    position=st.integers(0, 60),
    cut=st.integers(0, 3),
    put=st.text(st.sampled_from("0123456789.-_٣² zg\n") | st.characters(exclude_characters="/\\\0"), max_size=3),
)
@example(parts=(datetime(2026, 11, 23, 16), 1, ""), suffix="%Y-%m-%d_%H", position=23, cut=0, put="٣")
def test_only_what_would_be_written_is_read(
    parts: tuple[datetime, int, str], suffix: str, position: int, cut: int, put: str
) -> None:
    """A name is read only if writing what was read gives that very name: a damaged or foreign one is nobody's segment."""
    names = Names("/logs/app.log", suffix)
    whole = os.path.basename(names.write(name_in(names, parts)))
    path = os.path.join("/logs", f"{whole[:position]}{put}{whole[position + cut :]}")
    found = names.read(path)
    assert found is None or names.write(found) == path


@settings(deadline=None)
@given(base=bases, other=bases, suffix=st.sampled_from(STANDARD), parts=names_of_segments)
def test_two_logs_of_one_folder_do_not_read_each_other(
    base: str, other: str, suffix: str, parts: tuple[datetime, int, str]
) -> None:
    """A segment belongs to one log: the one whose full name its own begins with."""
    mine, theirs = Names(f"/logs/{base}", suffix), Names(f"/logs/{other}", suffix)
    path = theirs.write(name_in(theirs, parts))
    found = mine.read(path)
    assert found is None or mine.write(found) == path
    assert found is None or base == other or other.startswith(base + ".")


@settings(deadline=None)
@given(suffix=st.sampled_from(STANDARD), several=st.lists(names_of_segments, max_size=8))
def test_known_segments_are_in_order_of_time(suffix: str, several: list[tuple[datetime, int, str]]) -> None:
    """Segments come oldest first, by wall time and then by number, and none is left out."""
    names = Names("/logs/app.log", suffix)
    wanted = sorted({name_in(names, parts) for parts in several}, key=lambda name: (name.wall, name.index, name.compression))
    files = [os.path.basename(names.write(name)) for name in reversed(wanted)]
    assert [name for name, _ in names.known("/logs", [*files, "app.log", "app.log.lock"])] == wanted


@settings(deadline=None)
@given(base=bases, suffix=st.sampled_from(STANDARD), parts=names_of_segments, namer=st.sampled_from(sorted(NAMERS)))
def test_hidden_names_are_read(base: str, suffix: str, parts: tuple[datetime, int, str], namer: str) -> None:
    """What belongs to a segment under a hidden name reads back as that segment's, each kind as itself alone."""
    names = Names(f"/logs/{base}", suffix, NAMERS[namer])
    plain = name_in(names, (parts[0], parts[1], ""))
    packed = names.read(names.write(SegmentName(plain.wall, plain.index, "xz")))
    made = [os.path.basename(path) for path in (names.marker(plain), names.marker_temporary(plain), names.pending(plain))]
    readers = (names.read_marker, names.read_marker_temporary, names.read_pending)
    assert [[read(text) for read in readers] for text in made] == [
        [plain if one == other else None for other in range(3)] for one in range(3)
    ]
    assert packed is not None
    folder, text = os.path.split(names.temporary(names.write(packed)))
    assert names.read_temporary(folder, text) == (packed if packed.compression else None)
    assert all(names.read(os.path.join("/logs", text)) is None for text in made)
