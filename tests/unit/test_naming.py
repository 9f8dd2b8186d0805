"""Names of segments: how they look, which of other people's are left alone, in which order they stand (promise P4)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from mpfhandler._pure.naming import COMPRESSIONS, Names, SegmentName, lock_name, longest_ending


def own(path: str) -> str:
    """As this system writes it."""
    return os.path.normpath(path)


LOG = own("/var/log/app.log")
AT = datetime(2026, 11, 23, 16, 5, 9)
HOURLY = "%Y-%m-%d_%H"
SUFFIXES = {
    "%Y-%m-%d_%H-%M-%S": "2026-11-23_16-05-09",
    "%Y-%m-%d_%H-%M": "2026-11-23_16-05",
    "%Y-%m-%d_%H": "2026-11-23_16",
    "%Y-%m-%d": "2026-11-23",
    "%Y-%m": "2026-11",
}


@pytest.mark.parametrize(("suffix", "text"), SUFFIXES.items())
def test_default_name_is_log_dot_suffix(suffix: str, text: str) -> None:
    """A segment is named for the start of its period with the standard library's pattern."""
    names = Names(LOG, suffix)
    assert names.write(names.at(AT)) == own(own(f"/var/log/app.log.{text}"))


def test_number_and_compression_follow_the_suffix() -> None:
    """The second segment of a period takes `.1`, a compressed one the ending after that."""
    names = Names(LOG, HOURLY)
    assert names.write(SegmentName(AT, 1)) == own(own("/var/log/app.log.2026-11-23_16.1"))
    assert names.write(SegmentName(AT, 12, "gz")) == own(own("/var/log/app.log.2026-11-23_16.12.gz"))
    assert names.write(SegmentName(AT, 0, "zst")) == own(own("/var/log/app.log.2026-11-23_16.zst"))


def test_name_knows_only_what_the_suffix_tells() -> None:
    """A wall time is cut to the precision of the suffix, so that what is written is what is read."""
    assert Names(LOG, "%Y-%m").at(AT) == SegmentName(datetime(2026, 11, 1))


@pytest.mark.parametrize(
    "text",
    [
        "app.log",
        "app.log.lock",
        "app.log.debug",
        "app.log.bak",
        "app.log.",
        "app.log.1",
        "app.log..2026-11-23_16",
        "app.log.2026-11-23",
        "app.log.2026-11-23_16-05",
        "app.log.2026-11-23_16.csv",
        "app.log.2026-11-23_16.gz.bak",
        "app.log.2026-11-23_16.gz.gz",
        "app.log.2026-11-23_16.GZ",
        "app.log.2026-11-23_16.",
        "app.log.2026-11-23_16.0",
        "app.log.2026-11-23_16.01",
        "app.log.2026-11-23_16.-1",
        "app.log.2026-11-23_16.1.2",
        "app.log.2026-11-23_16.gz.1",
        "app.log.2026-11-23_16 ",
        "app.log.2026-11-23_16\n",
        "app.log.2026-11-23_24",
        "app.log.2026-13-23_16",
        "app.log.2026-02-30_16",
        "app.log.2026-11-3_16",
        "app.log.+026-11-23_16",
        "app.log.２０２６-11-23_16",
        "app.log.2026-11-23_16.1٣",
        "app.log.2.2026-11-23_16",
        "app.log2026-11-23_16",
        "app.log_2026-11-23_16",
        "app.log-2026-11-23_16",
        "app_log.2026-11-23_16",
        "APP.LOG.2026-11-23_16",
        "xapp.log.2026-11-23_16",
        ".app.log.2026-11-23_16",
        "app.error.log.2026-11-23_16",
        "app.error.2026-11-23_16",
    ],
)
def test_name_of_others_is_not_read(text: str) -> None:
    """A name that is not in full one of this log's segments belongs to somebody else."""
    assert Names(LOG, HOURLY).read(own(f"/var/log/{text}")) is None


def test_same_name_in_another_folder_is_not_read() -> None:
    """A segment lies where its log lies."""
    assert Names(LOG, HOURLY).read(own("/var/log/old/app.log.2026-11-23_16")) is None


def test_regex_characters_in_the_base_are_text() -> None:
    """`a+b(1).log` matches itself and nothing else."""
    names = Names("/x/a+b(1)[2].*", HOURLY)
    assert names.read("/x/a+b(1)[2].*.2026-11-23_16") == SegmentName(datetime(2026, 11, 23, 16))
    assert names.read("/x/aab1.log.2026-11-23_16") is None


def test_regex_characters_in_the_suffix_are_text() -> None:
    """A dot or a plus in a custom suffix stands for itself."""
    names = Names(LOG, "%Y.%m+%d")
    assert names.read(own("/var/log/app.log.2026.11+23")) == SegmentName(datetime(2026, 11, 23))
    assert names.read(own("/var/log/app.log.2026x11+23")) is None


@pytest.mark.parametrize("suffix", ["%s", "%Y-%U", "%q", "%"])
def test_suffix_that_cannot_be_read_back_makes_nothing_ours(suffix: str) -> None:
    """With a suffix that does not tell a time, no file is ever taken for a segment."""
    names = Names(LOG, suffix)
    try:
        written = names.write(names.at(AT))
    except ValueError as error:
        pytest.skip(f"strftime of this system: {error}")
    assert names.read(written) is None
    assert names.known(own("/var/log"), [os.path.basename(written), "app.log.x", "app.log.1"]) == []


def test_field_that_a_suffix_has_twice_is_the_same_twice() -> None:
    """A suffix may repeat the year; a name in which the two differ was never written for this log."""
    names = Names(LOG, "%Y.%Y-%m")
    assert names.read(own("/var/log/app.log.2026.2026-11")) == SegmentName(datetime(2026, 11, 1))
    assert names.read(own("/var/log/app.log.2026.2025-11")) is None


def test_order_is_time_then_number() -> None:
    """Segments are ordered by what their names mean: `.10` comes after `.9`, and 2026 after 2025."""
    texts = [
        "app.log.2026-11-23_16.10",
        "app.log.2026-11-23_16.9.gz",
        "app.log.2026-11-23_16",
        "app.log.2026-11-23_17",
        "app.log.2025-12-31_23.100",
        "app.log.bak",
    ]
    known = Names(LOG, HOURLY).known(own("/var/log"), texts)
    assert [os.path.basename(path) for _, path in known] == [texts[4], texts[2], texts[1], texts[0], texts[3]]


def test_order_does_not_follow_the_text_of_the_suffix() -> None:
    """A suffix that begins with the day is ordered by date all the same."""
    known = Names(LOG, "%d-%m-%Y").known(own("/var/log"), ["app.log.01-12-2026", "app.log.02-11-2026", "app.log.31-01-2026"])
    assert [name.wall.month for name, _ in known] == [1, 11, 12]


# --- with a namer -----------------------------------------------------------------------------------------------------


def date_before_extension(default: str) -> str:
    """`app.log.2026-11-23_16` → `app.2026-11-23_16.log`."""
    folder, text = os.path.split(default)
    return os.path.join(folder, f"app.{text.removeprefix('app.log.')}.log")


def to_archive(default: str) -> str:
    """Another folder."""
    return os.path.join("/archive", os.path.basename(default))


@pytest.mark.parametrize(
    ("namer", "path"),
    [
        (date_before_extension, own(own("/var/log/app.2026-11-23_16.3.log"))),
        (to_archive, own("/archive/app.log.2026-11-23_16.3")),
        (lambda default: default + ".gz", own(own("/var/log/app.log.2026-11-23_16.3.gz"))),
        (lambda default: default.replace("log.", ""), own("/var/app.2026-11-23_16.3")),
    ],
)
def test_name_that_a_namer_made_is_read(namer: Callable[[str], str], path: str) -> None:
    """What the namer makes of a segment's name is read as that segment, compressed or not."""
    names = Names(LOG, HOURLY, namer)
    name = SegmentName(datetime(2026, 11, 23, 16), 3)
    assert names.write(name) == path or namer(names.default(name)) == names.write(name)
    assert names.read(names.write(name)) == name
    packed = SegmentName(name.wall, 3, "xz")
    assert names.read(names.write(packed)) == packed


@pytest.mark.parametrize(
    "path",
    [
        own(own("/var/log/app.log.2026-11-23_16.txt")),
        own(own("/var/log/app.log.2026-11-23_16.1٣")),
        own(own("/var/log/app.error.log.2026-11-23_16")),
        own(own("/var/log/old/app.log.2026-11-23_16")),
        own(own("/var/log/app.2026-11-23_16.txt")),
        own(own("/var/log/app.error.2026-11-23_16.log")),
        own(own("/var/log/app.2026-11-23_16.log.bak")),
        own(own("/var/log/old/app.2026-11-23_16.log")),
        own(own("/var/log/app.2026-11-23_16.1٣.log")),
    ],
)
def test_name_that_the_namer_did_not_make_is_not_read(path: str) -> None:
    """P4: with a namer its own names are ours, and in the log's own folder the default ones; not similar ones of others."""
    assert Names(LOG, HOURLY, date_before_extension).read(path) is None


@pytest.mark.parametrize("tail", ["", ".3", ".gz", ".3.xz"])
def test_default_name_is_read_where_the_namer_makes_another_one(tail: str) -> None:
    """It has failed for that segment: which is no other one of its period, has a marker of its own, and its own path."""
    names, default = Names(LOG, HOURLY, date_before_extension), Names(LOG, HOURLY)
    path = f"{LOG}.2026-11-23_16{tail}"
    found = names.read(path)
    assert found is not None
    assert names.write(found) == path
    plain, other = replace(found, compression=""), replace(found, compression="", unaltered=False)
    assert plain != other
    assert names.write(other) != names.write(plain)
    assert [names.read_marker(os.path.basename(names.marker(one))) for one in (plain, other)] == [plain, other]
    assert [names.read_marker_temporary(os.path.basename(names.marker_temporary(one))) for one in (plain, other)] == [
        plain,
        other,
    ]
    assert names.marker(plain) == default.marker(other), "a command, which knows no namer, has the same marker for it"
    assert default.read(path) == other if not found.compression else replace(other, compression=found.compression)


def test_marker_stays_when_a_namer_comes_to_its_senses() -> None:
    """What was written down about a segment while its namer failed is found when it does not any more."""
    failing = Names(LOG, HOURLY, lambda default: default)
    path = f"{LOG}.2026-11-23_16"
    before, after = failing.read(path), Names(LOG, HOURLY, date_before_extension).read(path)
    assert before is not None
    assert after is not None
    assert failing.marker(before) == Names(LOG, HOURLY, date_before_extension).marker(after)


def test_marker_is_not_asked_of_the_namer() -> None:
    """One that fails in between makes no segment be handed over again."""
    fails: list[bool] = []
    names = Names(LOG, HOURLY, lambda default: default if fails else date_before_extension(default))
    for path in (own("/var/log/app.2026-11-23_16.log"), f"{LOG}.2026-11-23_16"):
        fails.clear()
        found = names.read(path)
        assert found is not None
        marker = names.marker(found)
        fails.append(True)
        assert names.marker(found) == marker


# --- waiting files and the lock ---------------------------------------------------------------------------------------


def test_waiting_file_is_hidden_from_globs() -> None:
    """A file that waits for the rotator has a name that no `app.log*` matches, and is no segment yet."""
    names = Names(LOG, HOURLY)
    path = names.pending(SegmentName(AT, 2))
    assert os.path.basename(path) == ".app.log.2026-11-23_16.2.rotating"
    assert names.read(path) is None
    assert names.read_pending(os.path.basename(path)) == SegmentName(datetime(2026, 11, 23, 16), 2)


@pytest.mark.parametrize(
    "text",
    [
        ".app.log.rotating",
        ".app.log.2026-11-23_16",
        "app.log.2026-11-23_16.rotating",
        ".app.log.2026-11-23_16.gz.rotating",
        ".app.log.x.rotating",
        ".app.log..rotating",
        ".other.log.2026-11-23_16.rotating",
    ],
)
def test_waiting_file_of_others_is_not_read(text: str) -> None:
    """Only the full hidden name of a plain segment is a waiting file."""
    assert Names(LOG, HOURLY).read_pending(text) is None


def test_lock_is_beside_the_log_or_told_apart_by_a_digest() -> None:
    """The lock's name is the log's with `.lock`; in a folder of locks two logs of one base have two names."""
    assert lock_name(LOG, "app.log", None) == own(own("/var/log/app.log.lock"))
    assert lock_name(LOG, "app.log", "1f") == "app.log.1f.lock"
    assert lock_name(LOG, "app.log", "1f") != lock_name("/srv/app.log", "app.log", "2e")


def test_compressions_are_what_names_can_end_with() -> None:
    """Each known ending is read as a compression of the same segment."""
    names = Names(LOG, HOURLY)
    assert [names.read(f"{LOG}.2026-11-23_16.{one}") for one in COMPRESSIONS] == [
        SegmentName(datetime(2026, 11, 23, 16), 0, one) for one in ("gz", "zst", "xz", "bz2")
    ]


@pytest.mark.parametrize(
    ("suffix", "readable", "chronological"),
    [
        ("%Y-%m-%d_%H-%M-%S", True, True),
        ("%Y-%m", True, True),
        ("%Y%m%d", True, True),
        ("%y%m%d", True, True),
        ("%Y-%j", True, True),
        ("%d.%b.%Y", True, True),
        ("old", True, True),
        ("%m-%d", True, False),
        ("%H", True, False),
        ("%a", False, False),
        ("%j", True, False),
        ("%Y-%m-%d_%M", True, False),
        ("%Y-%m-%d_%I", True, False),
        ("%s", False, False),
        ("%Y-%W", False, False),
        ("100%", False, False),
    ],
)
def test_suffix_tells_the_order_only_with_every_coarser_field(suffix: str, readable: bool, chronological: bool) -> None:
    """A suffix orders segments if no field in it lacks a coarser one, and it may be one that cannot be read back at all."""
    names = Names("/logs/app.log", suffix)
    assert (names.readable, names.chronological) == (readable, chronological)


def test_hidden_names_of_housekeeping() -> None:
    """What is being written and what is written down about a segment lies beside it, where no `app.log*` pattern sees it."""
    names = Names(LOG, HOURLY)
    name = SegmentName(datetime(2026, 11, 23, 16), 2)
    assert names.marker(name) == own(own("/var/log/.app.log.2026-11-23_16.2.sealed"))
    assert names.marker_temporary(name) == own(own("/var/log/.app.log.2026-11-23_16.2.sealed.tmp"))
    assert names.temporary(own("/var/log/app.log.2026-11-23_16.2.gz")) == own(own("/var/log/.app.log.2026-11-23_16.2.gz.tmp"))


@pytest.mark.parametrize(
    "text",
    [
        "app.log.2026-11-23_16.gz.tmp",
        ".app.log.2026-11-23_16.tmp",
        ".app.log.2026-11-23_16.gz",
        ".app.log.2026-11-23_16.gz.tmp.tmp",
        ".app.log.gz.tmp",
        ".app.error.log.2026-11-23_16.gz.tmp",
        ".app.log.2026-11-23_16.zip.tmp",
        ".app.log.2026-11-23_16.gz.sealed",
        "app.log.2026-11-23_16.sealed",
        ".app.log.sealed",
        ".app.log.2026-11-23_16.seale",
        ".app.log.2026-11-23_16.01.sealed",
        ".app.log.2026-13-23_16.sealed",
    ],
)
def test_hidden_names_of_others_are_not_read(text: str) -> None:
    """Only a hidden name that reads in full is ever removed (promise P4)."""
    names = Names(LOG, HOURLY)
    assert names.read_temporary(own("/var/log"), text) is None
    assert names.read_marker(text) is None
    assert names.read_marker_temporary(text) is None


def test_no_hidden_name_is_longer_than_what_a_constructor_allows() -> None:
    """A log whose own name fits has names for everything beside it, with a number of four digits."""
    names, name = Names(LOG, HOURLY), SegmentName(AT, 9999)
    room = len("app.log") + longest_ending(HOURLY)
    packed = names.write(SegmentName(AT, 9999, "zst"))
    made = [names.pending(name), names.marker(name), names.marker_temporary(name), names.temporary(packed)]
    assert max(len(os.path.basename(path)) for path in made) == room


def test_year_of_three_digits_has_a_name() -> None:
    """A clock that is far off: some systems write such a year without its zero, which is no text that could be read back."""
    names = Names(LOG, HOURLY)
    name = names.at(datetime(999, 5, 6, 7))
    assert name.wall == datetime(999, 5, 6, 7)
    assert names.write(name).endswith("999-05-06_07")
