"""The follower of `mpfhandler tail -f`, look by look: what comes between two looks is chosen here, not left to two processes."""

from __future__ import annotations

import argparse
import errno
import gzip
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpfhandler._faces.read import follow
from mpfhandler._faces.read.asked import Asked
from mpfhandler._faces.read.files import Log, LogFile, add_log_arguments
from mpfhandler._faces.read.known import Known
from mpfhandler._faces.read.reading import Reading, find
from mpfhandler._faces.read.records import Wanted
from mpfhandler._pure.facts import FileId
from mpfhandler._pure.zone import find_zone

LONG_AGO = 1_600_000_000.0
SEGMENT = "app.log.2020-11-23_16"
ALL = Wanted()


class Followed:
    """A follower in this process.

    Attributes:
        looks: how often it has looked at the files.
        meanwhile: what happens after the next looks, before the follower acts on what they have seen.
    """

    def __init__(self, log: Path, wanted: Wanted = ALL, *, patient: bool = True) -> None:
        parser = argparse.ArgumentParser()
        add_log_arguments(parser)
        self._arguments = parser.parse_args([str(log), "--when", "H", "--utc"])
        self._patient = patient
        self.asked = Asked("tail", wanted, find_zone(True, None), "")
        self.follower = follow.Follower(self._look, self.asked, patient=patient)
        self.looks = 0
        self.meanwhile: list[Callable[[], object]] = []

    def _look(self) -> Log:
        self.looks += 1
        log = find("tail", self._arguments, must_exist=not self._patient)
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return log

    def begin(self, most: int | None = None) -> str:
        """What it prints first."""
        return b"".join(self.follower.begin(most)).decode()

    def poll(self) -> str:
        """What it prints then."""
        return b"".join(self.follower.poll()).decode()


Start = Callable[..., Followed]


@pytest.fixture
def start() -> Iterator[Start]:
    """Makes followers, which are closed at the end."""
    made: list[Followed] = []

    def make(log: Path, wanted: Wanted = ALL, *, patient: bool = True) -> Followed:
        made.append(Followed(log, wanted, patient=patient))
        return made[-1]

    yield make
    for one in made:
        one.follower.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """With a folder of its own, and one line."""
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / "app.log"
    path.write_text("first\n")
    return path


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def refuse(monkeypatch: pytest.MonkeyPatch, path: Path, number: int) -> None:
    """It cannot be opened any more, whoever runs this."""
    really = os.open

    def refusing(name: str, flags: int, mode: int = 0o777) -> int:
        if name == str(path):
            raise OSError(number, os.strerror(number), name)
        return really(name, flags, mode)

    monkeypatch.setattr(os, "open", refusing)


def test_log_that_comes_later(log: Path, start: Start) -> None:
    """All of it is new, also what has been closed by then; who does not wait says that there is none."""
    log.unlink()
    log.parent.rmdir()
    followed = start(log)
    assert (followed.begin(10), followed.poll(), followed.poll()) == ("", "", "")
    log.parent.mkdir()
    assert (followed.poll(), followed.poll()) == ("", "")
    log.with_name(SEGMENT).write_text("old\n")
    log.write_text("new\n")
    assert (followed.poll(), followed.poll()) == ("old\nnew\n", "")
    with pytest.raises(FileNotFoundError):
        start(log.with_name("other.log"), patient=False).begin(10)


def test_folder_that_stays_as_it_is_is_not_looked_at(log: Path, start: Start) -> None:
    """What comes to open files is read all the same, and a file that is put in the log's place is seen at once."""
    followed = start(log)
    assert followed.begin() == "first\n"
    os.utime(log.parent, (LONG_AGO, LONG_AGO))
    followed.poll()
    before = followed.looks
    append(log, "second\n")
    assert (followed.poll(), followed.poll(), followed.looks) == ("second\n", "", before)
    append(log, "third\n")
    log.unlink()
    os.utime(log.parent, (LONG_AGO, LONG_AGO))  # as where times of modification come in steps of a second
    assert (followed.poll(), followed.looks) == ("third\n", before + 1)


@pytest.mark.skipif(os.sep != "/", reason="a folder with an open file in it cannot be removed on Windows")
def test_folder_that_is_taken_away_and_comes_again(log: Path, start: Start) -> None:
    """What was written at the end is read, and the new log from its start."""
    followed = start(log)
    followed.begin()
    append(log, "last\n")
    shutil.rmtree(log.parent)
    assert (followed.poll(), followed.poll(), followed.poll()) == ("last\n", "", "")
    log.parent.mkdir()
    log.write_text("again\n")
    assert followed.poll() == "again\n"


def test_rotation_at_the_first_look(log: Path, start: Start) -> None:
    """The files are looked at once more: no line is missing, none comes twice."""
    followed = start(log)

    def rotate() -> None:
        log.rename(log.with_name(SEGMENT))
        log.write_text("second\n")

    followed.meanwhile = [rotate]
    assert (followed.begin(), followed.looks, followed.poll()) == ("first\nsecond\n", 2, "")


def test_files_that_do_not_stop_moving(log: Path, start: Start) -> None:
    """The beginning is given up then, and all of it comes as if it were new."""
    followed = start(log)

    def move() -> None:
        log.rename(log.with_name(f"moved.{followed.looks}"))
        log.write_text(f"{followed.looks}\n")

    followed.meanwhile = [move] * 20
    assert (followed.begin(), followed.looks) == ("", 20)
    assert (followed.poll(), followed.poll()) == ("20\n", "")


def test_segment_that_is_deleted_at_the_first_look(log: Path, start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told, and what there is comes."""
    packed = log.with_name(f"{SEGMENT}.gz")
    packed.write_bytes(gzip.compress(b"old\n"))
    followed = start(log)
    followed.meanwhile = [packed.unlink]
    assert (followed.begin(), followed.asked.failed) == ("first\n", True)
    assert capsys.readouterr().err == f"mpfhandler tail: {packed}: was deleted meanwhile\n"


def test_last_line_of_a_closed_file_gets_an_end(log: Path, start: Start) -> None:
    """What comes later does not go on with it."""
    segment = log.rename(log.with_name(SEGMENT))
    segment.write_text("no end")
    os.utime(segment, (LONG_AGO, LONG_AGO))
    followed = start(log)
    assert followed.begin(10) == "no end\n"
    log.write_text("new\n")
    assert followed.poll() == "new\n"


def test_last_line_without_an_end_is_shown_to_who_does_not_follow(log: Path, start: Start) -> None:
    """As it is. Of what is older than the time that is asked for nothing comes."""
    log.with_name(f"{SEGMENT}.gz").write_bytes(b"damaged, but not needed")
    append(log, "no end")
    followed = start(log, Wanted(since=LONG_AGO + 86_400 * 365), patient=False)
    assert (followed.begin(), followed.asked.failed) == ("first\nno end", False)


def test_many_new_files(log: Path, start: Start) -> None:
    """They are taken some at a time, in order, and at once."""
    followed = start(log)
    followed.begin()
    for number in range(1, 21):
        log.with_name(f"{SEGMENT}.{number}").write_text(f"{number}\n")
    assert followed.poll() == "".join(f"{number}\n" for number in range(1, 17))
    assert followed.follower.behind
    assert followed.poll() == "".join(f"{number}\n" for number in range(17, 21))
    assert not followed.follower.behind


def test_log_that_is_emptied(log: Path, start: Start) -> None:
    """It is read from its start again, and what was held back of a line is gone."""
    append(log, "half a li")
    followed = start(log)
    assert (followed.begin(), followed.poll()) == ("first\n", "")
    log.write_text("new\n")
    assert followed.poll() == "new\n"


@pytest.mark.parametrize("before", ["", "first\n"])
def test_long_line_is_held_back_up_to_a_size(log: Path, start: Start, monkeypatch: pytest.MonkeyPatch, before: str) -> None:
    """At the beginning, too: then it comes as it is."""
    monkeypatch.setattr(follow, "_LINE", 20)
    log.write_text(before + "x" * 50)
    followed = start(log)
    assert (followed.begin(), followed.poll()) == (before, "x" * 50)
    append(log, "y" * 20)
    assert followed.poll() == ""
    append(log, "z\na")
    assert followed.poll() == "y" * 20 + "z\n"


@pytest.mark.parametrize(("pattern", "wanted"), [(None, "held\n"), (b"l", "held\n"), (b"k", "")])
def test_line_without_an_end_in_a_file_that_is_left(
    log: Path, start: Start, monkeypatch: pytest.MonkeyPatch, pattern: bytes | None, wanted: str
) -> None:
    """It gets one, if it is wanted."""
    monkeypatch.setattr(follow, "_GONE", -1.0)
    followed = start(log, Wanted(pattern=None if pattern is None else re.compile(pattern)))
    followed.begin(0)
    append(log, "held")
    assert followed.poll() == ""
    log.unlink()
    assert (followed.poll(), followed.poll()) == (wanted, "")


def test_records_are_chosen_as_a_file_shows_how_they_begin(log: Path, start: Start) -> None:
    """Lines without a time are records, until one with a time has come: then they belong to the one before them."""
    followed = start(log, Wanted(pattern=re.compile(b"bad")))
    assert followed.begin() == ""
    append(log, "bad\n  and more\ngood\n")
    assert followed.poll() == "bad\n  and more\n"
    append(log, "good\nbad\n")
    assert followed.poll() == "bad\n"
    append(log, "2020-11-23 17:00:00,000 bad\nTraceback\n2020-11-23 17:00:01,000 good\nTraceback\n")
    assert followed.poll() == "2020-11-23 17:00:00,000 bad\nTraceback\n"
    append(log, "2020-11-23 17:00:02,000 bad\nTraceback\n")
    assert followed.poll() == "2020-11-23 17:00:02,000 bad\nTraceback\n"
    text = b"2020-11-23 16:00:00,000 bad\nTraceback\n2020-11-23 16:00:01,000 good\n"
    log.with_name(f"{SEGMENT}.gz").write_bytes(gzip.compress(text))
    assert (followed.poll(), followed.poll()) == ("2020-11-23 16:00:00,000 bad\nTraceback\n", "")


def compressed_meanwhile(log: Path, content: bytes) -> Path:
    """The log becomes a compressed segment, and a new one is begun."""
    packed = log.with_name(f"{SEGMENT}.gz")
    packed.write_bytes(gzip.compress(content))
    seen = log.stat()
    os.utime(packed, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    log.unlink()
    log.write_text("new\n")
    return packed


@pytest.mark.parametrize("content", ["first\n", "other\n", "first\nmore\n"])
def test_log_that_is_a_compressed_segment_when_it_is_seen_again(log: Path, start: Start, content: str) -> None:
    """By its content it is known to have been read; one with other content has not been."""
    followed = start(log)
    assert followed.begin() == "first\n"
    compressed_meanwhile(log, content.encode())
    assert (followed.poll(), followed.poll()) == ("new\n" if content == "first\n" else f"{content}new\n", "")


def test_segment_that_goes_on_to_move(log: Path, start: Start) -> None:
    """What is newer waits until it can be had, for all comes in order."""
    followed = start(log)
    followed.begin()
    packed = compressed_meanwhile(log, b"other\n")
    hidden = packed.with_name("hidden")
    followed.meanwhile = [lambda: packed.rename(hidden)]
    assert followed.poll() == ""
    hidden.rename(packed)
    assert followed.poll() == "other\nnew\n"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_new_file_that_cannot_be_read(
    log: Path, start: Start, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    """It is told once; the others come."""
    followed = start(log)
    followed.begin()
    packed = compressed_meanwhile(log, b"other\n")
    refuse(monkeypatch, packed, number)
    assert (followed.poll(), followed.poll(), followed.asked.failed) == ("new\n", "", True)
    [line] = capsys.readouterr().err.splitlines()
    assert str(packed) in line
    assert ("may not be read by" in line) == (number == errno.EACCES)


def seen(inode: int, mtime: float) -> LogFile:
    return LogFile("", None, None, None, 1, FileId(1, inode), mtime)


def test_names_that_are_known() -> None:
    """As long as they lead to the same file, or have been away for less than a minute; after that they are new ones."""
    known = Known()
    known.add("a", seen(1, 1.0))
    known.add("", seen(2, 2.0))
    assert ("a" in known, "" in known) == (True, False)
    known.look({"a": seen(3, 1.0)}, 0.0)  # it has been compressed, which keeps the time of the last write
    known.look({}, 10.0)
    known.look({}, 60.0)
    assert "a" in known
    known.look({"a": seen(3, 1.0)}, 61.0)  # it was being renamed
    known.look({}, 100.0)
    known.look({}, 161.0)
    assert "a" not in known
    known.add("b", seen(1, 1.0))
    known.look({}, 0.0)
    known.look({"b": seen(4, 4.0)}, 1.0)  # another file with its name
    assert "b" not in known
    known.add("c", seen(1, 1.0))
    known.clear()
    assert "c" not in known


def test_name_that_was_only_taken_is_no_name_of_what_comes_onto_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    """Where the kernel has no exclusive rename, an empty file has the segment's name for a moment. If the follower sees just
    that, after it has stood still for all of the log's life, it reads the segment all the same."""
    log = tmp_path / "app.log"
    log.write_text("one\n")
    followed = start(log)
    assert followed.begin(10) == "one\n"
    log.rename(tmp_path / SEGMENT)
    log.write_text("two\n")
    os.utime(log, (LONG_AGO, LONG_AGO))
    taken = tmp_path / "app.log.2020-11-23_17"
    taken.touch()

    really, renamed = follow.Follower._take, list[bool]()

    def rename_and_take(self: follow.Follower, file: LogFile, key: str) -> object:
        if file.name is None and not renamed:
            renamed.append(True)
            os.rename(log, taken)
            log.write_text("three\n")
        return really(self, file, key)

    monkeypatch.setattr(follow.Follower, "_take", rename_and_take)
    assert "".join(followed.poll() for _ in range(6)) == "two\nthree\n"


def test_log_that_is_renamed_onto_what_has_taken_its_name_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    """`mpfhandler cat`: the segment was listed when that was the empty file, and the log was open by then."""
    log = tmp_path / "app.log"
    log.write_text("one\n")
    (tmp_path / SEGMENT).touch()
    really = Reading._open_active

    def open_and_rename(self: Reading) -> int | None:
        fd = really(self)
        os.rename(log, tmp_path / SEGMENT)
        return fd

    monkeypatch.setattr(Reading, "_open_active", open_and_rename)
    followed = start(log)
    reading = Reading(followed._look(), followed.asked)
    assert b"".join(reading.pieces()) == b"one\n"
