"""One open segment on a real file: whole records, the torn-tail guard, short writes, leases, descriptors (promise P1)."""

from __future__ import annotations

import errno
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _opened import opened_in

from mpfhandler._platform import OPERATIONS, FileId, Operations
from mpfhandler._pure.options import Access
from mpfhandler._pure.schedule import Period
from mpfhandler._resources.append import Incomplete, Opening, OpenSegment, Superseded, open_segment

PERIOD = Period(0, 3600)
AS_IT_IS = Access()
PAGE = 4096

Opener = Callable[..., OpenSegment]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The path of a log that is not there yet."""
    return tmp_path / "app.log"


@pytest.fixture
def opened(log: Path) -> Iterator[Opener]:
    """Opens the log; what was opened is closed at the end."""
    everything: list[OpenSegment] = []

    def open_log(
        ops: Operations = OPERATIONS, terminator: bytes = b"\n", access: Access = AS_IT_IS, **options: Any
    ) -> OpenSegment:
        segment, failed = open_segment(ops, str(log), PERIOD, terminator, access, **{"opening": Opening.ANY, **options})
        assert failed is None
        everything.append(segment)
        return segment

    yield open_log
    for segment in everything:
        segment.close()


# --- appending --------------------------------------------------------------------------------------------------------


def test_record_is_appended_by_one_write(log: Path, opened: Opener) -> None:
    """One record is one write(2) and one lseek(2), and what is returned is the offset of its end."""
    calls: list[str] = []

    def write(fd: int, data: bytes) -> int:
        calls.append("write")
        return OPERATIONS.write(fd, data)

    def seek(fd: int, offset: int, whence: int) -> int:
        calls.append("seek")
        return OPERATIONS.seek(fd, offset, whence)

    segment = opened(replace(OPERATIONS, write=write, seek=seek))
    assert segment.append(b"one\n") == 4
    assert segment.append(b"two\n") == 8
    assert calls == ["write", "seek"] * 2
    assert log.read_bytes() == b"one\ntwo\n"


def test_two_descriptions_do_not_overwrite_each_other(log: Path, opened: Opener) -> None:
    """Every write goes to the end, wherever others have written meanwhile."""
    first, second = opened(), opened()
    assert [first.append(b"a\n"), second.append(b"b\n"), first.append(b"c\n")] == [2, 4, 6]
    assert log.read_bytes() == b"a\nb\nc\n"


def test_existing_content_is_kept(log: Path, opened: Opener) -> None:
    """Opening never truncates."""
    log.write_bytes(b"old\n")
    assert opened().append(b"new\n") == 8
    assert log.read_bytes() == b"old\nnew\n"


# --- the torn-tail guard ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pages", [1, 2, 5])
def test_stump_at_a_page_boundary_is_ended(log: Path, opened: Opener, pages: int) -> None:
    """The last byte of a killed writer's stump becomes a newline, so that our record has a line of its own."""
    log.write_bytes(b"x" * (pages * PAGE))
    segment = opened()
    segment.append(b"mine\n")
    assert segment.repaired == 1
    assert log.read_bytes() == b"x" * (pages * PAGE - 1) + b"\nmine\n"


@pytest.mark.parametrize("terminator", [b"\r\n", "\n".encode("utf-16-le"), b"\0", b" -- end --\n"])
def test_stump_is_ended_by_the_terminator_in_use(log: Path, opened: Opener, terminator: bytes) -> None:
    """The guard looks for, and writes, what ends this log's records, all of it."""
    log.write_bytes(b"x" * PAGE)
    segment = opened(terminator=terminator)
    segment.append(b"mine" + terminator)
    assert log.read_bytes() == b"x" * (PAGE - len(terminator)) + terminator + b"mine" + terminator
    assert segment.repaired == 1


def test_whole_record_before_a_page_boundary_is_left_alone(log: Path, opened: Opener) -> None:
    """A terminator before the boundary means that nobody was killed there."""
    log.write_bytes(b"x" * (PAGE - 1) + b"\n")
    segment = opened()
    segment.append(b"mine\n")
    assert segment.repaired == 0
    assert log.read_bytes() == b"x" * (PAGE - 1) + b"\nmine\n"


@pytest.mark.parametrize("size", [1, PAGE - 1, PAGE + 1])
def test_elsewhere_nothing_is_looked_at(log: Path, opened: Opener, size: int) -> None:
    """A fatal signal ends a write at a page boundary only: other starts cost no read."""

    def never(*_arguments: object) -> bytes:
        raise AssertionError("read")

    log.write_bytes(b"x" * size)
    segment = opened(replace(OPERATIONS, read_at=never))
    segment.append(b"mine\n")
    assert segment.repaired == 0


def test_first_record_of_a_file_has_nothing_before_it(log: Path, opened: Opener) -> None:
    """The boundary at offset 0 is none."""
    segment = opened()
    segment.append(b"mine\n")
    assert (segment.repaired, log.read_bytes()) == (0, b"mine\n")


def test_smaller_blocks_are_boundaries_too(log: Path, opened: Opener) -> None:
    """On a file system with blocks of 512 bytes a stump can end at each of them."""
    log.write_bytes(b"x" * 512)
    segment = opened(replace(OPERATIONS, granularity=lambda _fd: 512))
    segment.append(b"mine\n")
    assert log.read_bytes() == b"x" * 511 + b"\nmine\n"


def test_position_that_is_not_ours_costs_nobody_a_byte(log: Path, opened: Opener) -> None:
    """A position that a forked child has moved seems to say that our record starts after somebody's: nothing is touched."""
    log.write_bytes(b"x" * (2 * PAGE))
    segment = opened(replace(OPERATIONS, seek=lambda _fd, _offset, _whence: PAGE + 5))
    segment.append(b"mine\n")
    assert segment.repaired == 0
    assert log.read_bytes() == b"x" * (2 * PAGE) + b"mine\n"


def test_guard_that_fails_leaves_the_record_written(log: Path, opened: Opener) -> None:
    """An error while looking is no error of the record."""

    def fail(*_arguments: object) -> bytes:
        raise OSError(5, "input/output error")

    log.write_bytes(b"x" * PAGE)
    segment = opened(replace(OPERATIONS, read_at=fail))
    assert segment.append(b"mine\n") == PAGE + 5
    assert log.read_bytes().endswith(b"mine\n")


@pytest.mark.parametrize("failing", [{1}, {1, 2}, {2}, {2, 3}, {3}, {3, 4}])
def test_guard_does_not_believe_an_error_at_once(log: Path, opened: Opener, failing: set[int]) -> None:
    """P1: a look, or the end of the stump, that fails once or twice costs no record its line: nobody comes by there again."""
    calls = itertools.count(1)

    def now_and_then(really: Callable[[int, Any, int], Any]) -> Callable[[int, Any, int], Any]:
        def call(fd: int, what: Any, offset: int) -> Any:
            if next(calls) in failing:
                raise OSError(5, "input/output error")
            return really(fd, what, offset)

        return call

    log.write_bytes(b"x" * PAGE)
    entries = {"read_at": now_and_then(OPERATIONS.read_at), "write_at": now_and_then(OPERATIONS.write_at)}
    segment = opened(replace(OPERATIONS, **entries))
    segment.append(b"mine\n")
    assert (segment.repaired, log.read_bytes()) == (1, b"x" * (PAGE - 1) + b"\nmine\n")


def test_stump_that_cannot_be_ended_is_told(log: Path, opened: Opener) -> None:
    """A copying file system may need space to overwrite a byte: the record behind the stump has to be written again, and nobody
    takes it for written (P1)."""

    def full(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    log.write_bytes(b"s" * PAGE)
    segment = opened(replace(OPERATIONS, write_at=full))
    with pytest.raises(Incomplete):
        segment.append(b"one\n")
    segment.append(b"one\n")
    assert log.read_bytes().splitlines()[1:] == [b"one"]


def short_of_descriptors(ops: Operations) -> Operations:
    """At first there is none for a side descriptor, by whatever name."""
    asked = itertools.count()

    def once_there_are(really: Callable[[Any], int]) -> Callable[[Any], int]:
        def call(file: Any) -> int:
            if next(asked) < 2:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return really(file)

        return call

    return replace(ops, open_side=once_there_are(ops.open_side), open_side_of=once_there_are(ops.open_side_of))


def test_side_descriptor_that_was_not_to_be_had_is_opened_when_it_is_needed(log: Path, opened: Opener) -> None:
    """A process that had no descriptor left when it opened the log repairs all the same once it has (P1)."""
    log.write_bytes(b"s" * PAGE)
    segment = opened(short_of_descriptors(OPERATIONS))
    segment.append(b"one\n")
    assert log.read_bytes() == b"s" * (PAGE - 1) + b"\none\n"
    assert segment.repaired == 1


def test_descriptor_that_fails_to_close_after_a_fork_stops_nothing(opened: Opener) -> None:
    """The at-fork hook goes through whatever close(2) says: the segment counts as shared (P5)."""

    def close(fd: int) -> None:
        OPERATIONS.close(fd)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    segment = opened(replace(OPERATIONS, close=close))
    segment.after_fork_in_child()
    assert segment.shared


def test_guard_is_off_without_terminator(log: Path, opened: Opener) -> None:
    """Where records do not end in anything there is nothing to look for."""
    log.write_bytes(b"x" * PAGE)
    segment = opened(terminator=b"")
    segment.append(b"mine")
    assert log.read_bytes() == b"x" * PAGE + b"mine"


# --- short writes -----------------------------------------------------------------------------------------------------


def short(room: int) -> Operations:
    """A disk with room for so many bytes of each write."""
    return replace(OPERATIONS, write=lambda fd, data: OPERATIONS.write(fd, data[:room]))


def test_fragment_is_made_a_line_of_its_own(log: Path, opened: Opener) -> None:
    """What fitted of a record ends with a terminator in its own last byte, so that the next record is whole."""
    log.write_bytes(b"old\n")
    segment = opened(short(5))
    with pytest.raises(Incomplete, match=r"5 of 11 bytes"):
        segment.append(b"record one\n")
    assert log.read_bytes() == b"old\nreco\n"


def test_fragment_of_one_byte_is_a_line(log: Path, opened: Opener) -> None:
    """Even a single byte is overwritten."""
    with pytest.raises(Incomplete):
        opened(short(1)).append(b"record\n")
    assert log.read_bytes() == b"\n"


def test_fragment_that_others_wrote_after_is_still_ended(log: Path, opened: Opener) -> None:
    """A record that another process appended meanwhile stays whole: only our own last byte is changed."""

    def write(fd: int, data: bytes) -> int:
        written = OPERATIONS.write(fd, data[:4])
        with log.open("ab") as other:
            other.write(b"other\n")
        return written

    with pytest.raises(Incomplete):
        opened(replace(OPERATIONS, write=write)).append(b"record\n")
    assert log.read_bytes() == b"rec\nother\n"


def test_fragment_at_a_position_that_is_not_ours_is_left(log: Path, opened: Opener) -> None:
    """If what stands there is not our fragment, nobody's byte is changed."""
    log.write_bytes(b"old line\n")
    ops = replace(short(3), seek=lambda _fd, _offset, _whence: 6)
    with pytest.raises(Incomplete):
        opened(ops).append(b"record\n")
    assert log.read_bytes() == b"old line\nrec"


@pytest.mark.parametrize("terminator", [b"\r\n", b"\n--\n", *("\n".encode(f"utf-{bits}-le") for bits in (16, 32))])
@pytest.mark.parametrize("blind", [False, True])
def test_fragment_that_is_shorter_than_its_terminator(log: Path, opened: Opener, terminator: bytes, blind: bool) -> None:
    """P1: whatever is left of a record, the next one stands on a line of its own, and its characters are whole."""
    encoding = {b"\n\0": "utf-16-le", b"\n\0\0\0": "utf-32-le"}.get(terminator, "ascii")
    end = terminator.decode(encoding)
    before, first, second = (text.encode(encoding) + terminator for text in ("before", "first", "second"))
    for room in range(1, len(first)):
        log.unlink(missing_ok=True)
        takes = [len(before), room]

        def write(fd: int, data: bytes, takes: list[int] = takes) -> int:
            return OPERATIONS.write(fd, data[: takes.pop(0) if takes else None])

        ops = replace(OPERATIONS, write=write)
        if blind:
            ops = replace(ops, read_at=lambda *_: _raise(errno.EIO))
        segment = opened(ops, terminator=terminator)
        segment.append(before)
        with pytest.raises(Incomplete):
            segment.append(first)
        segment.append(first)
        segment.append(second)
        found = log.read_bytes().decode(encoding, "replace").split(end)
        assert [text for text in found if text in {"before", "first", "second"}] == ["before", "first", "second"], room
        segment.close()


@pytest.mark.parametrize("terminator", [b"\r\n", b"\n--\n"])
def test_stump_that_is_shorter_than_a_terminator_costs_nobody_a_byte(log: Path, opened: Opener, terminator: bytes) -> None:
    """P1: the terminator of the record before it stays; the record behind it is told to be written again."""
    for size in range(1, 2 * len(terminator)):
        whole = b"a" * (PAGE - size - len(terminator)) + terminator
        log.write_bytes(whole + b"x" * size)
        segment = opened(terminator=terminator)
        try:
            segment.append(b"record" + terminator)
        except Incomplete:
            assert size < len(terminator)
            segment.append(b"record" + terminator)
        found = log.read_bytes().split(terminator)
        assert found[0] == whole[: -len(terminator)], size
        assert "record" in [one.decode() for one in found[1:]], size
        segment.close()


def _raise(number: int) -> Any:
    raise OSError(number, os.strerror(number))


def test_write_that_fails_writes_nothing(log: Path, opened: Opener) -> None:
    """An error of write(2) comes up as it is."""

    def fail(_fd: int, _data: bytes) -> int:
        raise OSError(28, "no space left on device")

    with pytest.raises(OSError, match="no space") as caught:
        opened(replace(OPERATIONS, write=fail)).append(b"record\n")
    assert not isinstance(caught.value, Incomplete)
    assert log.read_bytes() == b""


def unreadable(*taken: int | None) -> Operations:
    """A log that may be written but not read. write(2) takes so many bytes of each record, None fails, and then all of them."""
    turns = iter(taken)

    def write(fd: int, data: bytes) -> int:
        size = next(turns, len(data))
        if size is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return OPERATIONS.write(fd, data[:size])

    def denied(_file: str | int) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    return replace(OPERATIONS, write=write, open_side=denied, open_side_of=denied)


def test_fragment_that_cannot_be_ended_in_place_is_ended_by_the_next_record(log: Path, opened: Opener) -> None:
    """Where the log may not be read, the next record brings the fragment's terminator along, in one write."""
    segment = opened(unreadable(4))
    with pytest.raises(Incomplete):
        segment.append(b"record\n")
    segment.append(b"next\n")
    segment.append(b"last\n")
    assert log.read_bytes() == b"reco\nnext\nlast\n"


def test_terminator_of_a_fragment_is_owed_until_it_is_written(log: Path, opened: Opener) -> None:
    """A record that fails in between does not pay for it."""
    segment = opened(unreadable(4, None))
    with pytest.raises(Incomplete):
        segment.append(b"record\n")
    with pytest.raises(OSError, match="No space"):
        segment.append(b"next\n")
    segment.append(b"next\n")
    assert log.read_bytes() == b"reco\nnext\n"


@pytest.mark.parametrize(("taken", "record"), [((6,), b"record\n"), ((7,), b"record\r\n"), ((4, 7), b"record\n")])
def test_record_without_its_end_is_not_there_twice(log: Path, opened: Opener, taken: tuple[int, ...], record: bytes) -> None:
    """Where the log may not be read and only the terminator did not fit, the next try of the same record writes just that."""
    segment = opened(unreadable(*taken), terminator=record[6:])
    for one in (b"other" + record[6:], record)[-len(taken) :]:
        with pytest.raises(Incomplete):
            segment.append(one)
    end = segment.append(record)
    assert log.read_bytes().count(b"record" + record[6:]) == 1
    assert (log.read_bytes()[-len(record) :], end) == (record, log.stat().st_size)


def others_write(segment: OpenSegment) -> None:
    """Somebody appends a record."""
    with open(segment.path, "ab") as other:
        other.write(b"other\n")


@pytest.mark.parametrize(
    ("meanwhile", "found"),
    [(others_write, b"recordother\n\nrecord\n"), (OpenSegment.after_fork_in_child, b"record\nrecord\n")],
)
def test_record_without_its_end_is_written_again(
    log: Path, opened: Opener, meanwhile: Callable[[OpenSegment], None], found: bytes
) -> None:
    """Where others have written after it, its end would stand behind theirs. In a forked child it is the parent's to end; the
    child ends the line for its own."""
    segment = opened(unreadable(6))
    with pytest.raises(Incomplete):
        segment.append(b"record\n")
    meanwhile(segment)
    segment.append(b"record\n")
    assert log.read_bytes() == found


def test_fragment_of_nothing_owes_nothing(log: Path, opened: Opener) -> None:
    """Where nothing at all was written there is no line to be ended."""
    segment = opened(unreadable(0))
    with pytest.raises(Incomplete):
        segment.append(b"record\n")
    segment.append(b"next\n")
    assert log.read_bytes() == b"next\n"


def test_fragment_of_the_record_that_ends_another_is_ended_too(log: Path, opened: Opener) -> None:
    """A disk that fills up again in the middle of the next record leaves two fragments, each a line of its own."""
    segment = opened(unreadable(4, 3))
    for data in (b"record one\n", b"second\n"):
        with pytest.raises(Incomplete):
            segment.append(data)
    segment.append(b"third\n")
    assert log.read_bytes() == b"reco\nse\nthird\n"


def test_nothing_written_leaves_nothing_to_end(log: Path, opened: Opener) -> None:
    """Where not a byte of a record fitted, or records have no end, no byte of anybody is changed."""
    log.write_bytes(b"old\n")
    with pytest.raises(Incomplete, match="0 of 7"):
        opened(short(0)).append(b"record\n")
    with pytest.raises(Incomplete, match="3 of 7"):
        opened(short(3), terminator=b"").append(b"record\n")
    assert log.read_bytes() == b"old\nrec"


def test_fragment_that_cannot_be_looked_at_is_ended_by_the_next_record(log: Path, opened: Opener) -> None:
    """P1: where the disk cannot be read either nothing is overwritten blindly, and no record is glued to the fragment."""
    log.write_bytes(b"old\n")
    written = iter([3])

    def write(fd: int, data: bytes) -> int:
        return OPERATIONS.write(fd, data[: next(written, len(data))])

    def fail(*_arguments: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    segment = opened(replace(OPERATIONS, write=write, read_at=fail))
    with pytest.raises(Incomplete, match="3 of 7"):
        segment.append(b"record\n")
    assert log.read_bytes() == b"old\nrec"
    segment.append(b"record\n")
    assert log.read_bytes() == b"old\nrec\nrecord\n"


def poor(limit: int, read_fails: int = 0, write_fails: int = 0) -> Operations:
    """The first write(2) takes so many bytes; so many of the first reads and writes at an offset fail."""
    writes, reads, ends = itertools.count(), itertools.count(), itertools.count()

    def read_at(fd: int, count: int, offset: int) -> bytes:
        if next(reads) < read_fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return OPERATIONS.read_at(fd, count, offset)

    def write_at(fd: int, data: bytes, offset: int) -> int:
        if next(ends) < write_fails:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return OPERATIONS.write_at(fd, data, offset)

    def write(fd: int, data: bytes) -> int:
        return OPERATIONS.write(fd, data if next(writes) else data[:limit])

    return replace(OPERATIONS, write=write, read_at=read_at, write_at=write_at)


@pytest.mark.parametrize("failing", [{"read_fails": 3}, {"write_fails": 3}, {"write_fails": 6}])
@pytest.mark.parametrize("record", [b"A" * 4090 + b"ENDING\n", b"A" * 5000 + b"\n"])
def test_own_fragment_at_a_page_boundary_is_no_stump(log: Path, opened: Opener, failing: dict[str, int], record: bytes) -> None:
    """P1: a fragment of ours that could not be ended ends where a killed writer's would: the record that follows it is neither
    damaged nor doubled by the guard."""
    segment = opened(poor(PAGE, **failing))
    with pytest.raises(Incomplete):
        segment.append(record)
    segment.append(record)
    segment.append(b"second\n")
    rest = [b"A" * PAGE] if len(record) > PAGE + 1 else []
    assert log.read_bytes().split(b"\n") == [*rest, record[:-1], b"second", b""]


def test_fragment_that_is_a_whole_line_owes_nothing(log: Path, opened: Opener) -> None:
    """A traceback may be cut off at the end of one of its lines."""
    segment = opened(poor(6, read_fails=3))
    with pytest.raises(Incomplete):
        segment.append(b"first\nsecond\n")
    segment.append(b"next\n")
    assert log.read_bytes() == b"first\nnext\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Wine cannot open a file again whose name has changed; see test_windows.py")
@pytest.mark.parametrize("renamed", [False, True])
def test_fragment_is_ended_where_the_side_descriptor_can_be_had_by_now(log: Path, opened: Opener, renamed: bool) -> None:
    """P1: descriptors were short when the log was opened, not any more when a write is cut off, also if the log has been renamed
    meanwhile: another process's next record is not glued to the fragment."""
    segment = opened(short_of_descriptors(poor(4)))
    there = log.rename(log.with_name("elsewhere")) if renamed else log
    with pytest.raises(Incomplete):
        segment.append(b"record\n")
    with there.open("ab") as other:
        other.write(b"another's\n")
    assert there.read_bytes() == b"rec\nanother's\n"


def test_fragment_stays_owed_where_the_same_file_is_opened_anew(log: Path, opened: Opener) -> None:
    """P1: after a fork a process opens its log once more; the next record does not stand on the fragment's line."""
    segment = opened(unreadable(4))
    with pytest.raises(Incomplete):
        segment.append(b"record\n")
    again = opened()
    again.follow(segment, guarded=True)
    again.append(b"record\n")
    other = opened(ops=replace(OPERATIONS, stat_fd=lambda fd: replace(OPERATIONS.stat_fd(fd), id=FileId(1, 2))))
    other.follow(segment, guarded=False)
    other.append(b"other\n")
    assert log.read_bytes() == b"reco\nrecord\nother\n"
    assert (again.guarded, other.guarded) == (True, False)


def test_forked_child_ends_a_stump_and_its_own_fragment(log: Path, opened: Opener) -> None:
    """P1: a child that goes on through its parent's descriptor has closed the parent's side descriptor, and opens one of its own
    where it needs it."""
    log.write_bytes(b"x" * PAGE)
    sizes = iter([5, 3])
    segment = opened(replace(OPERATIONS, write=lambda fd, data: OPERATIONS.write(fd, data[: next(sizes, len(data))])))
    segment.after_fork_in_child()
    segment.append(b"mine\n")
    with pytest.raises(Incomplete):
        segment.append(b"record\n")
    assert log.read_bytes() == b"x" * (PAGE - 1) + b"\nmine\nre\n"


def test_record_whose_position_cannot_be_told_is_written_once(log: Path, opened: Opener) -> None:
    """P1: the descriptor was closed right after the write(2): the record counts as written."""

    def fail(*_arguments: object) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    segment = opened(replace(OPERATIONS, seek=fail))
    assert segment.append(b"record\n") == 0
    assert segment.position() == -1
    assert log.read_bytes() == b"record\n"


# --- as long as the name leads here -----------------------------------------------------------------------------------


def test_named_file_is_appended_to(log: Path, opened: Opener) -> None:
    """As long as the log's name leads to the file, records are written, and the gate is left open."""
    segment, other = opened(lease=False), opened(lease=False)
    assert segment.append_while_named(b"one\n") == 4
    assert OPERATIONS.try_lock(other._side or -1, True), "no lock is left behind"
    assert log.read_bytes() == b"one\n"


def test_renamed_file_does_not_grow(log: Path, tmp_path: Path, opened: Opener) -> None:
    """After a rename, with or without a new log, nothing is written."""
    segment = opened(lease=False)
    log.rename(tmp_path / "app.log.1")
    with pytest.raises(Superseded):
        segment.append_while_named(b"one\n")
    log.write_bytes(b"")
    with pytest.raises(Superseded):
        segment.append_while_named(b"one\n")
    assert (tmp_path / "app.log.1").read_bytes() == b""


def test_file_that_is_being_renamed_does_not_grow(log: Path, opened: Opener) -> None:
    """While a rotator holds the gate nothing is written."""
    segment, rotator = opened(lease=False), opened(lease=False)
    assert OPERATIONS.try_lock(rotator._side or -1, True)
    with pytest.raises(Superseded):
        segment.append_while_named(b"one\n")
    assert log.read_bytes() == b""


def test_gate_that_is_closed_is_no_gate(log: Path, opened: Opener) -> None:
    """A descriptor that somebody closed is told, and nothing is written through the other one without the lock."""
    segment = opened(lease=False)
    assert segment._side is not None
    os.close(segment._side)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)) as caught:
        segment.append_while_named(b"one\n")
    assert not isinstance(caught.value, Superseded)
    assert log.read_bytes() == b""


def test_gate_that_is_closed_meanwhile_costs_nothing(log: Path, opened: Opener) -> None:
    """P5: what is written is written, also where the lock cannot be given up any more."""

    def fail(*_arguments: object) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    assert opened(replace(OPERATIONS, unlock=fail), lease=False).append_while_named(b"one\n") == 4
    assert log.read_bytes() == b"one\n"


# --- leases -----------------------------------------------------------------------------------------------------------


def sealer_gets(path: Path) -> bool:
    """Whether somebody who wants to seal the file gets it."""
    fd = OPERATIONS.open_side(str(path))
    try:
        return OPERATIONS.try_lock(fd, True)
    finally:
        os.close(fd)


def test_lease_keeps_a_sealer_away(log: Path, opened: Opener) -> None:
    """As long as one writer has the file open nobody seals it, and many writers can."""
    first, second = opened(), opened()
    assert not sealer_gets(log)
    first.close()
    assert not sealer_gets(log)
    second.close()
    assert sealer_gets(log)


def test_lease_is_refused_while_a_sealer_is_there(log: Path, opened: Opener) -> None:
    """A writer that comes too late is told so."""
    log.write_bytes(b"")
    sealer = OPERATIONS.open_side(str(log))
    assert OPERATIONS.try_lock(sealer, True)
    segment = opened()
    assert not segment.lease()
    os.close(sealer)
    assert segment.lease()
    assert segment.lease(), "taking it twice is harmless"


def test_lease_without_side_descriptor_is_on_the_other(log: Path, opened: Opener) -> None:
    """A file that may not be read has its lease on the append descriptor."""

    def refuse(_file: str | int) -> int:
        raise PermissionError(13, "permission denied")

    segment = opened(replace(OPERATIONS, open_side=refuse, open_side_of=refuse))
    assert not sealer_gets(log)
    log.write_bytes(b"x" * PAGE)
    segment.append(b"mine\n")
    assert segment.repaired == 0, "nothing to repair through"


# --- opening, closing, forks ------------------------------------------------------------------------------------------


def test_open_without_create_creates_nothing(log: Path, opened: Opener) -> None:
    """A file that is gone is an error for who only wants an existing one."""
    with pytest.raises(FileNotFoundError):
        opened(opening=Opening.EXISTING)
    assert not log.exists()
    assert not opened_in(log)


def test_file_system_without_locks_takes_records(log: Path, opened: Opener) -> None:
    """Where flock(2) is not to be had there is no lease, and the segment is written all the same (P5)."""

    def fail(*_arguments: object) -> bool:
        raise OSError(37, "No locks available")

    segment = opened(ops=replace(OPERATIONS, try_lock=fail))
    segment.append(b"record\n")
    assert not segment.lease()
    assert log.read_bytes() == b"record\n"


@pytest.mark.parametrize("broken", ["stat_fd", "granularity"])
def test_failed_opening_leaves_nothing_open(log: Path, opened: Opener, broken: str) -> None:
    """Whatever fails while a segment is opened, both descriptors are closed."""

    def fail(*_arguments: object) -> None:
        raise OSError(5, "input/output error")

    with pytest.raises(OSError, match="input/output"):
        opened(replace(OPERATIONS, **{broken: fail}))  # type: ignore[arg-type]
    assert not opened_in(log)


@pytest.mark.skipif(os.sep != "/", reason="files have no such modes on Windows")
def test_mode_is_applied(log: Path, opened: Opener) -> None:
    """A mode that is asked for holds for a new file whatever the umask, and for an old one."""
    before = os.umask(0o077)
    try:
        opened(access=Access(mode=0o664))
        assert log.stat().st_mode & 0o777 == 0o664
        log.chmod(0o600)
        opened(access=Access(mode=0o640))
        assert log.stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


def test_mode_that_cannot_be_applied_is_handed_back(log: Path) -> None:
    """The segment is open all the same, and the error is there to be reported."""

    def refuse(*_arguments: int) -> None:
        raise PermissionError(1, "not permitted")

    ops = replace(OPERATIONS, set_mode=refuse)
    segment, failed = open_segment(ops, str(log), PERIOD, b"\n", Access(mode=0o604), opening=Opening.ANY)
    log.chmod(0o600)
    segment_2, failed_2 = open_segment(ops, str(log), PERIOD, b"\n", Access(mode=0o604), opening=Opening.ANY)
    assert isinstance(failed_2, PermissionError)
    assert failed is None or isinstance(failed, PermissionError)
    assert segment_2.append(b"one\n") == 4
    segment.close()
    segment_2.close()


@pytest.mark.parametrize("by_descriptor", [True, False])
def test_side_descriptor_is_of_the_same_file_or_none(log: Path, tmp_path: Path, opened: Opener, by_descriptor: bool) -> None:
    """If the name was moved between the two openings, the append descriptor leads to the file; where there is no way from that,
    there is no side descriptor, rather than one of another file."""
    other = tmp_path / "other"
    other.write_bytes(b"y" * PAGE)

    def astray(_file: str | int) -> int:
        return OPERATIONS.open_side(str(other))

    ways = {} if by_descriptor else {"open_side_of": astray}
    segment = opened(replace(OPERATIONS, open_side=astray, **ways))
    assert len(opened_in(tmp_path)) == 1 + by_descriptor
    log.write_bytes(b"x" * PAGE)
    segment.append(b"mine\n")
    assert segment.repaired == by_descriptor
    assert other.read_bytes() == b"y" * PAGE


def test_closing_twice_is_harmless(tmp_path: Path, opened: Opener) -> None:
    """A closed segment is not intact, and closing it again closes nothing."""
    segment = opened()
    assert segment.intact()
    segment.close()
    assert not segment.intact()
    other = tmp_path / "other"
    other.touch()
    strangers = {os.open(other, os.O_RDONLY) for _ in range(4)}  # have the numbers that were given up
    segment.close()
    assert opened_in(other) == strangers
    for number in strangers:
        os.close(number)


def test_close_leaves_a_strangers_descriptor_alone(tmp_path: Path, opened: Opener) -> None:
    """After a daemon has closed everything and opened something else under our numbers, that is not closed by us."""
    segment = opened()
    stranger = os.open(tmp_path / "database", os.O_RDWR | os.O_CREAT, 0o600)
    numbers = {str(segment.fileno()), str(segment._side)}
    for number in numbers:
        os.dup2(stranger, int(number))
    assert not segment.intact()
    segment.close()
    assert numbers <= set(map(str, opened_in(tmp_path)))
    for number in (*numbers, stranger):
        os.close(int(number))


def test_forgotten_segment_is_closed(opened: Opener, log: Path) -> None:
    """A segment that nobody holds any more leaves no descriptor behind."""
    segment, _ = open_segment(OPERATIONS, str(log), PERIOD, b"\n", Access(), opening=Opening.ANY)
    assert opened_in(log)
    del segment
    assert not opened_in(log)


def test_forked_child_keeps_the_append_descriptor_only(log: Path, opened: Opener) -> None:
    """The child can still write, and by closing its copy of the lease it does not give up the parent's."""
    segment = opened()
    child = os.fork()
    if child == 0:
        segment.after_fork_in_child()
        segment.append(b"child\n")
        os._exit(0 if segment.shared and segment.intact() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert not sealer_gets(log), "the parent's lease holds"
    assert log.read_bytes() == b"child\n"
    assert not segment.shared, "the parent's own object is told by the engine"


def test_closed_segment_has_neither_position_nor_name(opened: Opener) -> None:
    """Questions to a segment that is closed are answered, not raised (P5)."""
    segment = opened()
    segment.append(b"record\n")
    assert (segment.position(), segment.nameless()) == (7, False)
    segment.close()
    assert (segment.position(), segment.nameless()) == (-1, True)


def test_number_that_is_somebody_elses_is_left_alone(tmp_path: Path, opened: Opener) -> None:
    """A descriptor number that the system has given out again is forgotten: it is neither written to nor closed."""
    segment = opened()
    fd, side = segment.fileno(), segment._side
    assert side is not None
    segment.disown(side)
    assert (segment._side, segment.shared, segment.intact()) == (None, True, True)
    segment.disown(fd)
    assert not segment.intact()
    segment.close()
    for number in (fd, side):
        os.close(number)  # would fail if we had


def test_device_in_the_place_of_a_log_is_refused(opened: Opener) -> None:
    """What is no regular file any more is not taken for a segment, and does not stay open."""
    before = opened_in(os.devnull)
    with pytest.raises(OSError, match="no regular file"):
        open_segment(OPERATIONS, os.devnull, PERIOD, b"\n", AS_IT_IS, opening=Opening.EXISTING)
    assert opened_in(os.devnull) == before


def test_close_of_a_file_that_a_server_has_forgotten(opened: Opener) -> None:
    """ESTALE: nobody can say what the descriptor leads to; it is ours, and is closed."""
    closed: list[int] = []

    def stat_fd(_fd: int) -> FileId:
        raise OSError(errno.ESTALE, "made to fail")

    segment = opened()
    numbers = {segment.fileno(), segment._side}
    segment._ops = replace(OPERATIONS, stat_fd=stat_fd, close=closed.append)
    segment.close()
    assert set(closed) == numbers
    for number in closed:
        os.close(number)
