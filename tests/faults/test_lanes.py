"""The second way to the open segment: what threads write beside each other is there once, and in its own period."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
from _buffer_support import at_point
from _disk_support import failing
from _support import ended, leased, log_files, record_names, run, start, verify, wait_for

from mpfhandler import MultProcTimedRotatingFileHandler, TimedLogFile
from mpfhandler._engine.lane import Lane
from mpfhandler._engine.writer import Writer
from mpfhandler._platform import OPERATIONS

Keep = Callable[[Any], Any]
System = Callable[..., None]

HOUR = 3600
FIVE = 1_700_000_000 // 86400 * 86400 + 17 * HOUR  # a day's 17:00, UTC
PATIENCE = 30.0
MOMENT = 0.15  # seconds in which what is not kept from going on would have gone on


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the log."""
    return tmp_path / "app.log"


@pytest.fixture
def log(path: Path, clock: list[float], closing: Keep) -> TimedLogFile:
    """Hourly, at 17:01 of a clock that stands still, with an open segment."""
    clock[0] = FIVE + 60.0
    return opened(path, closing)


def opened(path: Path, closing: Keep, **options: Any) -> TimedLogFile:
    one: TimedLogFile = closing(TimedLogFile(path, **{"when": "H", "utc": True, **options}))
    one.write("first")
    return one


def texts(path: Path) -> dict[str, str]:
    """What stands in the log ("") and its segments, by their suffixes."""
    return {one.name[len(path.name) + 1 :]: one.read_text() for one in log_files(path.parent, path.name)}


@contextmanager
def held(lock: Any) -> Iterator[Callable[[], None]]:
    """Another thread has this lock, until what is given is called, or the end."""
    had, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            had.set()
            done.wait(PATIENCE)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()

    def let_go() -> None:
        done.set()
        thread.join(PATIENCE)

    try:
        assert had.wait(PATIENCE)
        yield let_go
    finally:
        let_go()


@contextmanager
def going_on(work: Callable[[], object]) -> Iterator[threading.Thread]:
    """Another thread does this; it has done it at the end."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield thread
    thread.join(PATIENCE)
    assert not thread.is_alive()


def meet(log: TimedLogFile, text: str = "met") -> None:
    """Two threads come to the engine's lock at once: from then on there is a lane, where there may be one."""
    writer = log._writer
    with held(writer.lock) as let_go, going_on(lambda: log.write(text)):
        wait_for(lambda: writer.lanes.met, "it came to the lock")
        time.sleep(0.01)
        let_go()


def look_again(log: TimedLogFile) -> None:
    """Have the engine look at its file: a second has passed."""
    log._writer._active._looked = log._writer._due = float("-inf")
    log.write("look")


def locks_are_free(writer: Writer, lane: Lane) -> None:
    """Wait for one after the other."""
    for lock in writer.lock, lane.lock:
        with lock:
            pass


def has_lane(log: TimedLogFile) -> bool:
    return log._writer.lanes._lane is not None


def lane_of(writer: Writer) -> Lane:
    """The present one."""
    lane = writer.lanes._lane
    assert lane is not None
    return lane


def is_open(number: int, folder: Path) -> bool:
    """Whether this descriptor leads to a file of the folder."""
    try:
        found = os.fstat(number)
    except OSError:
        return False
    return any((one.stat().st_dev, one.stat().st_ino) == (found.st_dev, found.st_ino) for one in folder.iterdir())


def descriptors(path: Path) -> int:
    """How many of this process lead to this file."""
    there = path.stat()
    count = 0
    for number in range(1024):
        try:
            found = os.fstat(number)
        except OSError:
            continue
        count += (found.st_dev, found.st_ino) == (there.st_dev, there.st_ino)
    return count


# --- beside each other ------------------------------------------------------------------------------------------------


def test_thread_appends_beside_one_that_has_the_lock(log: TimedLogFile, path: Path) -> None:
    """It does not wait, and its record counts."""
    meet(log)
    with held(log._writer.lock):
        log.write("beside")
        assert texts(path) == {"": "first\nmet\nbeside\n"}
    assert log.stats().records == 3
    assert log.stats().bytes == len("first\nmet\nbeside\n")


def test_one_thread_alone_has_no_lane(log: TimedLogFile, path: Path) -> None:
    """It costs descriptors only where threads meet."""
    before = descriptors(path)
    for number in range(100):
        log.write(str(number))
    assert not has_lane(log)
    assert descriptors(path) == before
    meet(log)
    assert descriptors(path) == before + 2
    log.close()
    assert descriptors(path) == 0


@pytest.mark.parametrize("option", [{"late_grace": 0}, {"fsync": "always"}, {"delivery": "buffered"}])
def test_no_lane_where_an_append_is_more_than_one_call(path: Path, clock: list[float], closing: Keep, option: Any) -> None:
    clock[0] = FIVE + 60.0
    log = opened(path, closing, **option)
    log._writer.lanes.met = True
    log._writer.write(b"met\n", clock[0])
    log.flush()
    assert not has_lane(log)
    assert sorted(texts(path)[""].splitlines()) == ["first", "met"]


def test_lane_that_cannot_be_opened_is_not_tried_for_each_record(
    path: Path, clock: list[float], closing: Keep, system: System
) -> None:
    """P5: no descriptor is to be had. It is tried again at the next look."""
    tried: list[str] = []
    refused = [True]

    def refuse(name: str) -> int:
        tried.append(name)
        if refused:
            raise OSError(errno.EMFILE, "no descriptor")
        return OPERATIONS.open_existing(name)

    clock[0] = FIVE + 60.0
    system(open_existing=refuse)
    log = opened(path, closing)
    for _ in range(3):
        meet(log)
    assert len(tried) == 1
    assert texts(path) == {"": "first\n" + 3 * "met\n"}
    refused.clear()
    look_again(log)
    assert has_lane(log)


def test_lane_is_there_again_after_a_rotation(log: TimedLogFile, path: Path, clock: list[float]) -> None:
    """Where threads have met they will meet again."""
    meet(log)
    with held(log._writer.lock):
        log.write("beside")
    clock[0] += HOUR
    log.write("later")
    with held(log._writer.lock):
        log.write("beside later")
    assert texts(path) == {"2023-11-14_17": "first\nmet\nbeside\n", "": "later\nbeside later\n"}


# --- P2: the window ---------------------------------------------------------------------------------------------------


def test_nothing_goes_by_a_lane_into_the_wrong_period(log: TimedLogFile, path: Path, clock: list[float]) -> None:
    """P2: the clock has gone on, and nobody has rotated yet."""
    meet(log)
    with held(log._writer.lock) as let_go:
        clock[0] = float(FIVE + HOUR)
        with going_on(lambda: log.write("next")):
            time.sleep(MOMENT)
            assert texts(path) == {"": "first\nmet\n"}
            let_go()
    assert texts(path) == {"2023-11-14_17": "first\nmet\n", "": "next\n"}


def test_nothing_goes_by_a_lane_during_a_rotation(path: Path, clock: list[float], closing: Keep, system: System) -> None:
    """P2: somebody is in the middle of it, with the name moved already."""
    moving, go_on = threading.Event(), threading.Event()

    def slowly(old: str, new: str) -> None:
        OPERATIONS.rename_new(old, new)
        moving.set()
        assert go_on.wait(PATIENCE)

    clock[0] = FIVE + 60.0
    system(rename_new=slowly)
    log = opened(path, closing)
    meet(log)
    with going_on(log.rotate):
        assert moving.wait(PATIENCE)
        with going_on(lambda: log.write("during")):
            time.sleep(MOMENT)
            assert texts(path) == {"2023-11-14_17": "first\nmet\n"}
            go_on.set()
    assert texts(path) == {"2023-11-14_17": "first\nmet\n", "": "during\n"}


def test_way_that_was_read_before_a_rotation_takes_no_record_of_after_it(path: Path, clock: list[float], closing: Keep) -> None:
    """P2: a thread is between its look at the lane and its look at the window, and all others are in the next period by then."""
    looking, go_on = threading.Event(), threading.Event()
    clock[0] = FIVE + 60.0
    log = opened(path, closing)
    meet(log)
    writer = log._writer
    really = lane_of(writer).lock

    class Late:
        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
            had = really.acquire(blocking, timeout)
            if not looking.is_set():
                looking.set()
                assert go_on.wait(PATIENCE)
            return had

        def release(self) -> None:
            really.release()

    lane_of(writer).lock = Late()  # type: ignore[assignment]
    with held(writer.lock) as let_go, going_on(lambda: writer.write(b"next\n", FIVE + HOUR + 1.0)):
        assert looking.wait(PATIENCE)
        let_go()
        clock[0] = FIVE + HOUR + 2.0
        log.write("rotates")
        with held(writer.lock):
            go_on.set()
            time.sleep(MOMENT)
    assert texts(path) == {"2023-11-14_17": "first\nmet\n", "": "rotates\nnext\n"}


def test_window_that_is_being_opened_lets_no_record_of_before_through(
    path: Path, clock: list[float], closing: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P2: a late record comes to the new lane while one side of the window is the old one's."""
    in_place, looked, open_now = threading.Event(), threading.Event(), threading.Event()
    clock[0] = FIVE + 60.0
    log = opened(path, closing)
    meet(log)
    writer = log._writer
    follow = writer.lanes.follow

    def slowly(segment: object, *, window: bool) -> None:
        follow(segment, window=window)
        if clock[0] > FIVE + HOUR and not in_place.is_set():
            in_place.set()
            assert looked.wait(PATIENCE)

    def compared() -> None:
        if not looked.is_set():
            looked.set()
            open_now.wait(MOMENT)

    class Late(float):  # its first comparison lasts until the window is open
        def __lt__(self, other: float) -> bool:
            compared()
            return float(self) < other

        def __ge__(self, other: float) -> bool:
            compared()
            return float(self) >= other

    monkeypatch.setattr(writer.lanes, "follow", slowly)
    clock[0] = FIVE + HOUR + 2.0
    with going_on(lambda: log.write("rotates")):
        assert in_place.wait(PATIENCE)
        with going_on(lambda: writer.write(b"late\n", Late(FIVE + 61.0))):
            pass
        open_now.set()
    assert texts(path) == {"2023-11-14_17": "first\nmet\nlate\n", "": "rotates\n"}


def test_lane_does_not_outlive_its_file_when_the_clock_is_set_back(log: TimedLogFile, path: Path, clock: list[float]) -> None:
    """P2: the engine has another file by then, and keeps the one of before for late records."""
    meet(log)
    clock[0] -= 2 * HOUR
    look_again(log)
    assert lane_of(log._writer).beside is log._writer.segment
    with held(log._writer.lock):
        log.write("beside")
    assert texts(path) == {"2023-11-14_17": "first\nmet\n", "": "look\nbeside\n"}


def test_lane_that_was_just_left_has_not_failed(log: TimedLogFile) -> None:
    """P5: a thread has come to it just before, and finds it closed."""
    meet(log)
    lanes = log._writer.lanes
    really = lane_of(log._writer).lock

    class Late:
        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
            if lanes._lane is not None:
                lanes.leave()
            return really.acquire(blocking, timeout)

        def release(self) -> None:
            really.release()

    lane_of(log._writer).lock = Late()  # type: ignore[assignment]
    assert not lanes.write(b"late\n", FIVE + 60.0)
    assert not lanes.failed


class Cut:
    """A write(2) that takes only so much (a slice's end) of the first record that begins with "cut"."""

    def __init__(self, end: int) -> None:
        self._end: int | None = end

    def __call__(self, fd: int, data: bytes) -> int:
        if not data.startswith(b"cut"):
            return OPERATIONS.write(fd, data)
        end, self._end = self._end, None
        return OPERATIONS.write(fd, data[:end])


REFUSE = failing(errno.EIO)


class Slow:
    """A write(2) that stops before it writes a record that begins with "slow"."""

    def __init__(self) -> None:
        self.came, self.go_on = threading.Event(), threading.Event()

    def __call__(self, fd: int, data: bytes) -> int:
        if data.startswith(b"slow"):
            self.came.set()
            assert self.go_on.wait(PATIENCE)
        return OPERATIONS.write(fd, data)


@pytest.mark.parametrize("call", ["rotate", "close", "write", "terminator"])
def test_nobody_waits_for_a_thread_in_a_lane_nor_closes_its_descriptor(
    path: Path, clock: list[float], closing: Keep, system: System, call: str
) -> None:
    """P1, P2, P3: a rotation, a close, or records of the next period go on, and what the thread in the lane writes stands in the
    file it was meant for; nobody may seal that file before."""
    slow = Slow()
    clock[0] = FIVE + 60.0
    system(write=slow)
    log = opened(path, closing)
    meet(log)
    lane = lane_of(log._writer)
    number = lane.segment.fileno()

    def next_period() -> None:
        clock[0] += HOUR
        log.write("next")
        clock[0] += 60.0  # the grace is over, the engine's own lease is given up
        log._writer._due = float("-inf")  # the next look at the log
        log.write("more")

    calls: dict[str, Callable[[], object]] = {
        "rotate": log.rotate,
        "close": log.close,
        "write": next_period,
        "terminator": lambda: log._writer.change_terminator(b"\n"),
    }
    before = "first\nmet\n"
    with held(log._writer.lock) as let_go, going_on(lambda: log.write("slow")):
        assert slow.came.wait(PATIENCE)
        let_go()
        with going_on(calls[call]):
            pass
        assert log._writer.lanes._lane is not lane
        old = path.with_name("app.log.2023-11-14_17")
        assert (old if call in {"rotate", "write"} else path).read_text() == before
        if call == "write":
            assert leased(old)
        with open(os.devnull) as one, open(os.devnull) as other:  # whose numbers would be those of what was closed
            assert number not in {one.fileno(), other.fileno()}
            slow.go_on.set()
    wait_for(lambda: not is_open(number, path.parent), "the thread has come out, and closed its descriptor")
    now = before + "slow\n"
    expected = {
        "rotate": {"2023-11-14_17": now, "": ""},
        "close": {"": now},
        "write": {"2023-11-14_17": now, "": "next\nmore\n"},
        "terminator": {"": now},
    }
    assert texts(path) == expected[call]
    if call == "write":
        wait_for(lambda: not leased(old), "the lease is given up")


# --- P1: what fails ---------------------------------------------------------------------------------------------------


def test_record_that_fails_in_a_lane_is_the_engines(path: Path, clock: list[float], closing: Keep, system: System) -> None:
    """P1, P5: it is written by the ordinary way, once, and the lane is opened anew."""
    fails = [1]

    def failing(fd: int, data: bytes) -> int:
        if data.startswith(b"bad") and fails[0]:
            fails[0] -= 1
            raise OSError(errno.EIO, "made to fail")
        return OPERATIONS.write(fd, data)

    clock[0] = FIVE + 60.0
    system(write=failing)
    log = opened(path, closing)
    meet(log)
    before = lane_of(log._writer).segment
    with held(log._writer.lock) as let_go, going_on(lambda: log.write("bad")):
        wait_for(lambda: log._writer.lanes.failed, "it failed")
        with going_on(lambda: log.write("waits")):
            time.sleep(MOMENT)
            assert texts(path) == {"": "first\nmet\n"}
            let_go()
    assert sorted(texts(path)[""].splitlines()) == ["bad", "first", "met", "waits"]
    assert has_lane(log)
    assert lane_of(log._writer).segment is not before
    assert log.stats().last_error is None


def test_no_lane_while_the_engine_has_something_to_settle(log: TimedLogFile, path: Path) -> None:
    """P1: what has failed in it is settled first, also where a slow path that was just over has opened the window meanwhile; and
    that slow path closes it again."""
    meet(log)
    writer = log._writer
    lane = lane_of(writer)
    with held(writer.lock):
        writer.lanes.failed.append(lane)
        assert not writer.lanes.write(b"beside\n", FIVE + 60.0)
    writer._open_window()
    assert writer._due == float("-inf")
    log.write("settled")
    assert not writer.lanes.failed
    assert lane_of(writer) is not lane
    assert texts(path) == {"": "first\nmet\nsettled\n"}


def test_fragment_that_a_lane_leaves_is_ended_by_the_engine(
    path: Path, clock: list[float], closing: Keep, system: System
) -> None:
    """P1: only a part could be written, and not ended in place: the next record brings the end along."""
    clock[0] = FIVE + 60.0
    system(write=Cut(5), read_at=REFUSE)
    log = opened(path, closing)
    meet(log)
    with held(log._writer.lock) as let_go, going_on(lambda: log.write("cut in two")):
        wait_for(lambda: log._writer.lanes.failed, "it failed")
        let_go()
    assert texts(path) == {"": "first\nmet\ncut i\ncut in two\n"}
    log.write("after")
    with held(log._writer.lock):
        log.write("beside")
    assert texts(path) == {"": "first\nmet\ncut i\ncut in two\nafter\nbeside\n"}


def test_no_lane_beside_what_the_engine_has_left_unfinished(
    path: Path, clock: list[float], closing: Keep, system: System
) -> None:
    """P1: the engine's fragment could not be ended in place: what other threads write comes behind its end, not to it."""
    behind = threading.Event()

    def refuse(*_: object) -> NoReturn:
        behind.set()
        time.sleep(0.01)
        raise OSError(errno.EIO, "made to fail")

    clock[0] = FIVE + 60.0
    system(write=Cut(5), read_at=refuse)
    log = opened(path, closing)
    meet(log)
    assert has_lane(log)
    log.write("cut in two")
    assert behind.is_set()
    assert log.stats().spilled == 1
    with held(log._writer.lock) as let_go, going_on(lambda: log.write("beside")):
        time.sleep(MOMENT)
        assert texts(path) == {"": "first\nmet\ncut i"}
        let_go()
    wait_for(lambda: log.flush() or not log.stats().spilled, "it is written")
    assert texts(path) == {"": "first\nmet\ncut i\ncut in two\nbeside\n"}


def test_debt_of_a_lane_is_the_engines_before_anybody_writes(
    path: Path, clock: list[float], closing: Keep, system: System
) -> None:
    """P1: the thread whose record was cut has not come to the engine yet, and another one is there before it."""
    came, go_on = threading.Event(), threading.Event()

    clock[0] = FIVE + 60.0
    system(write=Cut(5), read_at=REFUSE)
    log = opened(path, closing)
    meet(log)
    writer = log._writer
    really = writer.lanes.write

    def slowly(data: bytes, created: float) -> bool:
        written = really(data, created)
        if not written and data.startswith(b"cut"):
            came.set()
            assert go_on.wait(PATIENCE)
        return written

    writer.lanes.write = slowly  # type: ignore[method-assign]
    with held(writer.lock) as let_go, going_on(lambda: log.write("cut in two")):
        assert came.wait(PATIENCE)
        let_go()
        log.write("between")
        with held(writer.lock):
            log.write("beside")
        go_on.set()
    assert texts(path) == {"": "first\nmet\ncut i\nbetween\nbeside\ncut in two\n"}


def test_record_whose_end_alone_is_missing_is_not_written_twice(
    path: Path, clock: list[float], closing: Keep, system: System
) -> None:
    """P1: the engine ends what the lane has written nearly whole."""
    clock[0] = FIVE + 60.0
    system(write=Cut(-1), read_at=REFUSE)
    log = opened(path, closing)
    meet(log)
    with held(log._writer.lock) as let_go, going_on(lambda: log.write("cut")):
        wait_for(lambda: log._writer.lanes.failed, "it failed")
        let_go()
    assert texts(path) == {"": "first\nmet\ncut\n"}


@pytest.mark.parametrize("whose", ["engine", "lane"])
def test_no_lane_where_a_fragment_cannot_be_ended(
    path: Path, clock: list[float], closing: Keep, system: System, whose: str
) -> None:
    """P1: a log that may be written but not read: one of the two has no descriptor to end its fragments by."""
    engines: list[int] = []

    def only_one(name: str) -> int:
        engines.append(1)
        if (len(engines) == 1) == (whose == "engine"):
            raise OSError(errno.EACCES, "may not be read")
        return OPERATIONS.open_side(name)

    def refuse(*_: object) -> NoReturn:
        raise OSError(errno.EACCES, "may not be read")

    clock[0] = FIVE + 60.0
    system(open_side=only_one, open_side_of=refuse)
    log = opened(path, closing)
    meet(log)
    before = descriptors(path)
    for _ in range(3):
        look_again(log)
    assert not has_lane(log)
    assert descriptors(path) == before == (1 if whose == "engine" else 2)


@pytest.mark.parametrize("whose", ["engine", "lane"])
def test_lane_is_left_when_a_side_descriptor_is_gone(log: TimedLogFile, path: Path, whose: str) -> None:
    """P1: a daemon has closed it. Both are opened anew."""
    meet(log)
    lane = lane_of(log._writer)
    side = (lane.beside if whose == "engine" else lane.segment)._side
    assert side is not None
    os.close(side)
    look_again(log)
    assert log._writer.lanes._lane is not lane
    look_again(log)
    assert has_lane(log)
    assert descriptors(path) == 4
    with held(log._writer.lock):
        log.write("beside")


def test_nothing_overtakes_a_record_of_its_own_thread(path: Path, clock: list[float], closing: Keep, system: System) -> None:
    """P1: while one waits in memory, the next one of its thread waits behind it, and takes no lane."""
    full = [False]

    def write(fd: int, data: bytes) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, "no space")
        return OPERATIONS.write(fd, data)

    clock[0] = FIVE + 60.0
    system(write=write)
    log = opened(path, closing)
    meet(log)
    full[0] = True
    log.write("one")
    full[0] = False
    with held(log._writer.lock) as let_go, going_on(lambda: log.write("two")):
        time.sleep(MOMENT)
        assert texts(path) == {"": "first\nmet\n"}
        let_go()
    wait_for(lambda: log.flush() or not log.stats().spilled, "it is written")
    assert texts(path) == {"": "first\nmet\none\ntwo\n"}


def test_repairs_of_a_lane_are_counted(log: TimedLogFile, path: Path) -> None:
    """A killed writer has left something that ends at a page boundary; also after the lane is closed."""
    meet(log)
    size = path.stat().st_size
    with path.open("ab") as other:
        other.write(b"x" * (4096 - size))
    with held(log._writer.lock):
        log.write("beside")
    assert path.read_text().endswith("x\nbeside\n")
    assert log.stats().repaired == 1
    log.close()
    assert log.stats().repaired == 1


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers that send signals")
def test_exception_at_any_point_of_a_lane_leaves_no_lock(log: TimedLogFile, path: Path) -> None:
    """P1, P3: a signal handler raises, wherever that may be: nobody waits for ever afterwards, and nothing is there twice."""

    class Interrupt(BaseException):
        pass

    def interrupt() -> NoReturn:
        raise Interrupt

    def write() -> None:
        try:
            log.write("interrupted")
        except Interrupt:
            pass

    meet(log)
    point, written = 1, 0
    while True:
        if not has_lane(log) or log._writer.lanes.failed:
            look_again(log)
        with held(log._writer.lock):
            before = path.read_text().count("interrupted")
            lane = lane_of(log._writer)
            where = at_point(point, interrupt, write)
            written += path.read_text().count("interrupted") - before
        if where is None:
            break
        with going_on(partial(locks_are_free, log._writer, lane)):
            pass
        point += 1
    assert point > 5
    assert path.read_text().count("interrupted") == written
    log.write("after")
    assert path.read_text().endswith("after\n")


# --- the engine's other calls -----------------------------------------------------------------------------------------


def test_size_split_through_a_lane(path: Path, clock: list[float], closing: Keep) -> None:
    """The engine sees that the file is full, though a lane has filled it."""
    clock[0] = FIVE + 60.0
    log = opened(path, closing, max_bytes=30)
    meet(log)
    with held(log._writer.lock):
        log.write("x" * 30)
    log.write("engine")
    log.write("after")
    assert texts(path) == {"2023-11-14_17": f"first\nmet\n{'x' * 30}\nengine\n", "": "after\n"}


def test_full_lane_leaves_the_rest_to_the_engine(path: Path, clock: list[float], closing: Keep) -> None:
    """A file is split when it is full, and does not grow by what comes beside."""
    clock[0] = FIVE + 60.0
    log = opened(path, closing, max_bytes=30)
    meet(log)
    with held(log._writer.lock) as let_go:
        log.write("x" * 30)
        with going_on(lambda: log.write("rest")):
            time.sleep(MOMENT)
            assert texts(path) == {"": f"first\nmet\n{'x' * 30}\n"}
            let_go()


def test_other_end_of_records_holds_for_a_lane_too(path: Path, clock: list[float], closing: Keep) -> None:
    """P1: its guard knows the end that records have now."""
    clock[0] = FIVE + 60.0
    handler = closing(MultProcTimedRotatingFileHandler(path, when="H", utc=True))
    writer = handler._writer
    writer.write(b"first\n", clock[0])
    lane = writer.lanes
    with held(writer.lock) as let_go, going_on(lambda: writer.write(b"met\n", clock[0])):
        wait_for(lambda: lane.met, "it came to the lane")
        let_go()
    with held(writer.lock):
        writer.write(b"beside\n", clock[0])
    writer.change_terminator(b"|")
    assert lane._lane is None
    writer._due = float("-inf")  # the next look at the log
    writer.write(b"engine|", clock[0])
    assert lane._lane is not None
    assert lane._lane.segment.terminator == b"|"
    assert not lane._lane.segment.guarded


@pytest.fixture
def handler(path: Path, clock: list[float], closing: Keep) -> MultProcTimedRotatingFileHandler:
    """Hourly, at 17:01, with a lane."""
    clock[0] = FIVE + 60.0
    one: MultProcTimedRotatingFileHandler = closing(MultProcTimedRotatingFileHandler(path, when="H", utc=True))
    writer = one._writer
    writer.write(b"first\n", clock[0])
    with held(writer.lock) as let_go, going_on(lambda: writer.write(b"met\n", clock[0])):
        wait_for(lambda: writer.lanes.met, "it came to the lock")
        let_go()
    assert writer.lanes._lane is not None
    return one


class Kept:
    """A handler's own way to keep other threads out, as a lock."""

    def __init__(self, handler: MultProcTimedRotatingFileHandler, log: Callable[[], object]) -> None:
        self._handler, self._log = handler, log

    def __enter__(self) -> None:
        self._handler.acquire()
        self._log()

    def __exit__(self, *_: object) -> None:
        self._handler.release()


@pytest.mark.parametrize("way", ["lock", "acquire", "acquire and log"])
def test_lock_of_the_handler_keeps_every_thread_out(
    handler: MultProcTimedRotatingFileHandler, path: Path, clock: list[float], way: str
) -> None:
    """As with the standard library's handlers: `lock`, `acquire` and `release` are the program's to use. No look of another
    thread undoes that."""
    writer = handler._writer

    def log_at_a_look() -> None:
        writer._due = float("-inf")
        writer.write(b"keeper\n", clock[0])

    lock = handler.lock if way == "lock" else Kept(handler, log_at_a_look if way.endswith("log") else lambda: None)
    writer._due = float("-inf")
    writer.write(b"looks\n", clock[0])
    before = "first\nmet\nlooks\n" + ("keeper\n" if way.endswith("log") else "")
    with held(lock) as let_go, going_on(lambda: writer.write(b"kept out\n", clock[0])):
        time.sleep(MOMENT)
        assert texts(path) == {"": before}
        let_go()
    assert texts(path) == {"": before + "kept out\n"}
    writer._due = float("-inf")
    writer.write(b"looks again\n", clock[0])
    assert writer.lanes._lane is None
    assert descriptors(path) == 2
    with pytest.raises(RuntimeError):
        handler.release()


def test_who_is_in_a_lane_is_waited_for_and_not_for_ever(
    handler: MultProcTimedRotatingFileHandler, path: Path, clock: list[float]
) -> None:
    """`acquire` of the handler: nobody writes any more when it is had; but a thread in there may itself be waiting for us."""
    slow, writer = Slow(), handler._writer
    lane_of(writer).segment._write = slow
    with held(writer.lock) as let_go, going_on(lambda: writer.write(b"slow\n", clock[0])):
        assert slow.came.wait(PATIENCE)
        let_go()
        handler.acquire()  # in vain
        handler.release()
        threading.Timer(0.01, slow.go_on.set).start()
        handler.acquire()
        assert texts(path) == {"": "first\nmet\nslow\n"}
        handler.release()


def test_exception_at_any_point_of_acquire_leaves_no_lock(path: Path, clock: list[float], closing: Keep) -> None:
    """P3: a signal handler raises while a program takes the handler's lock: nobody waits for ever afterwards."""

    class Interrupt(BaseException):
        pass

    def interrupt() -> NoReturn:
        raise Interrupt

    clock[0] = FIVE + 60.0
    point, where = 1, ""
    while where is not None:
        where = ""
        handler = closing(MultProcTimedRotatingFileHandler(path, when="H", utc=True))
        writer = handler._writer
        writer.lanes.met = True
        writer.write(b"first\n", clock[0])
        lane = lane_of(writer)
        try:
            where = at_point(point, interrupt, handler.acquire)
            assert where is None
            handler.release()
        except Interrupt:
            pass
        with going_on(partial(locks_are_free, writer, lane)):
            pass
        handler.close()
        point += 1
    assert point > 5


def test_rotation_has_the_descriptors_of_a_lane(path: Path, clock: list[float], closing: Keep, system: System) -> None:
    """P2, P5: in a program that has no more left it needs them."""
    seen: list[bool] = []

    def look(old: str, new: str) -> None:
        seen.append(has_lane(log))
        OPERATIONS.rename_new(old, new)

    clock[0] = FIVE + 60.0
    system(rename_new=look)
    log = opened(path, closing)
    meet(log)
    assert has_lane(log)
    clock[0] += HOUR
    log.write("later")
    assert seen == [False]


def test_signal_handler_that_removes_and_rotates_the_log_in_a_lane(path: Path, clock: list[float], closing: Keep) -> None:
    """P1: what its thread was just about to append goes to the file that is there then, not to one without a name."""
    clock[0] = FIVE + 60.0
    log = opened(path, closing)
    meet(log)
    segment = lane_of(log._writer).segment
    assert segment is not None
    really = segment._write

    def interrupted(fd: int, data: bytes) -> int:  # pragma: no cover  never comes so far
        raise AssertionError("the descriptor is closed by then")

    with held(log._writer.lock) as let_go:

        def handler() -> None:
            let_go()
            path.unlink()
            log.rotate()
            segment._write = really

        segment._write = interrupted
        at_entry(type(segment).append, handler, lambda: log.write("acknowledged"))
    assert texts(path) == {"": "acknowledged\n"}


def at_entry(function: Any, act: Callable[[], object], run: Callable[[], object]) -> None:
    """Run, and act where this function is entered first, as a signal handler would."""

    def trace(frame: Any, event: str, _arg: object) -> None:
        if event == "call" and frame.f_code is function.__code__:
            sys.setprofile(None)
            act()

    sys.setprofile(trace)
    try:
        run()
    finally:
        sys.setprofile(None)


def test_housekeeper_does_not_wait_for_a_thread_that_hangs_in_a_lane(
    path: Path, clock: list[float], closing: Keep, system: System
) -> None:
    """P3: the log of an idle program is rotated all the same."""
    slow = Slow()
    clock[0] = FIVE + 60.0
    system(write=slow)
    log = opened(path, closing, rotate_idle=True)
    meet(log)
    with held(log._writer.lock) as let_go, going_on(lambda: log.write("slow")):
        assert slow.came.wait(PATIENCE)
        let_go()
        clock[0] += HOUR
        assert log._writer._background.live(lambda: False) is not None
        assert texts(path) == {"2023-11-14_17": "first\nmet\n", "": ""}
        slow.go_on.set()
    assert texts(path) == {"2023-11-14_17": "first\nmet\nslow\n", "": ""}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers that send signals")
def test_signal_handler_that_logs_in_a_lane_waits_for_nobody_that_waits_for_it(path: Path) -> None:
    """P3: in the main thread, in the lane, a signal handler waits for the engine, where another thread rotates, closes, has the
    handler's lock or ends the program's logging; none of these may wait for the lane then."""
    code = """
        import itertools, logging, signal, sys, threading, time
        from _support import *
        logger, handler = make_logger(sys.argv[1], maxBytes=3000)
        end, signals, others = time.monotonic() + 2.5, itertools.count(), [0] * 3

        def loop(me):
            while time.monotonic() < end:
                logger.info(f"thread{me}-{others[me]}")
                others[me] += 1
                if others[me] % 50 == 0:
                    with handler.lock:
                        pass

        def interrupt(*_):
            logger.info(f"signal-{next(signals)}")
            if time.monotonic() < end:
                signal.setitimer(signal.ITIMER_REAL, 0.0005)  # not within itself

        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        threads = [threading.Thread(target=loop, args=(me,)) for me in range(3)]
        for one in threads:
            one.start()
        number = 0
        while time.monotonic() < end:
            logger.info(f"main-{number}")
            number += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        for one in threads:
            one.join()
        handler.close()
        print(number, next(signals), *others)
    """
    main, signals, *others = map(int, run(code, path).split())
    expected = record_names("main", main) | record_names("signal", signals)
    for me, count in enumerate(others):
        expected |= record_names(f"thread{me}", count)
    verify(path.parent, expected, "S")
    assert signals > 20


def test_exception_at_any_point_of_leaving_leaves_no_descriptor(path: Path, clock: list[float], closing: Keep) -> None:
    """P5: a signal handler raises while the engine leaves a lane, wherever that may be, and the traceback is kept: the
    descriptors are closed at the next look, and nobody waits for ever."""

    class Interrupt(BaseException):
        pass

    def interrupt() -> NoReturn:
        raise Interrupt

    clock[0] = FIVE + 60.0
    kept: list[BaseException] = []
    log = opened(path, closing)
    writer = log._writer
    writer.lanes.met = True
    point, lost, where = 1, 0, ""

    def leave() -> None:
        try:
            writer.lanes.leave()
        except Interrupt as error:
            kept.append(error)

    while where is not None:
        look_again(log)
        lane = lane_of(writer)
        where = at_point(point, interrupt, leave)
        look_again(log)
        with going_on(partial(locks_are_free, writer, lane)):
            pass
        if where is None or where.startswith("lane.py"):  # not within the closing of a segment, which comes to no end then
            assert descriptors(path) == 4 + lost
        lost = descriptors(path) - 4
        point += 1
    assert point > 5
    assert kept


def test_kept_traceback_keeps_no_descriptor(log: TimedLogFile, path: Path) -> None:
    """P5: a signal handler's exception has ended a write in a lane that was just left, and somebody keeps that exception."""

    class Interrupt(BaseException):
        pass

    kept: list[BaseException] = []
    meet(log)
    lane = lane_of(log._writer)

    def raising(fd: int, data: bytes) -> NoReturn:
        let_go()
        log._writer.change_terminator(b"\n")
        raise Interrupt

    lane.segment._write = raising
    with held(log._writer.lock) as let_go:
        try:
            log.write("interrupted")
        except Interrupt as error:
            kept.append(error)
    assert kept
    assert descriptors(path) == 2


# --- forks ------------------------------------------------------------------------------------------------------------

FORKS = """
    import os, sys, threading
    from _support import *
    from mpfhandler import TimedLogFile
    log = TimedLogFile(sys.argv[1], when="D")
    log.write("first")
    writer = log._writer
    lane = writer.lanes

    def beside(*lines, came=lambda: lane.met, after=lambda: None):
        had, done = threading.Event(), threading.Event()
        def hold():
            with writer.lock:
                had.set()
                done.wait(60)
        thread = threading.Thread(target=hold)
        thread.start()
        had.wait(60)
        other = threading.Thread(target=lambda: [log.write(line) for line in lines])
        other.start()
        wait_for(came, "it came to the lane")
        after()
        done.set()
        thread.join()
        other.join()

    beside("met")
    segment = lane._lane.segment
"""


SLOWLY = """
    came, go_on = threading.Event(), threading.Event()
    really = segment._write
    def slowly(fd, data):
        came.set()
        go_on.wait(60)
        return really(fd, data)
    segment._write = slowly
"""


def test_child_has_nothing_of_a_lane_open(path: Path) -> None:
    """A child that never logs holds no second descriptor of the log; one that does gets a lane of its own."""
    code = (
        FORKS
        + """
    number = segment.fileno()
    inherited = os.fstat(number).st_ino
    pid = os.fork()
    if pid == 0:
        try:
            assert os.fstat(number).st_ino != inherited
        except OSError:
            pass
        assert lane._lane is None and not lane._open and lane.records == 0
        log.write("child")
        os._exit(0 if log.stats().records == 1 else 1)
    assert os.waitpid(pid, 0)[1] == 0
    """
    )
    run(code, path)
    assert path.read_text().splitlines() == ["first", "met", "child"]


def test_parent_leaves_a_lane_whose_position_its_child_may_share(path: Path) -> None:
    """P1: after a fork a lane is a new description, for the guard trusts a position only if no other process can move it."""
    code = (
        FORKS
        + """
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    log.write("parent")
    assert lane._lane.segment is not segment
    assert segment.fileno() == -1
    """
    )
    run(code, path)
    assert path.read_text().splitlines() == ["first", "met", "parent"]


def test_fork_while_another_thread_is_in_a_lane(path: Path) -> None:
    """P1, P5: its record is there once, by the parent; the child hangs nowhere and keeps nothing open."""
    code = (
        FORKS
        + SLOWLY
        + """
    number, inherited = segment.fileno(), os.fstat(segment.fileno()).st_ino
    result = []
    def fork():
        came.wait(60)
        pid = os.fork()
        if pid == 0:
            try:
                same = os.fstat(number).st_ino == inherited
            except OSError:
                same = False
            log.write("child")
            log.close()
            os._exit(same)
        result.append(os.waitpid(pid, 0)[1])
        go_on.set()
    beside("slow", came=came.is_set, after=fork)
    assert result == [0], result
    """
    )
    run(code, path)
    assert sorted(path.read_text().splitlines()) == ["child", "first", "met", "slow"]


def test_child_has_nothing_of_a_lane_that_was_just_left(path: Path) -> None:
    """P5: another thread is still in there. Else the segment could not be sealed as long as the child lives."""
    code = (
        FORKS
        + SLOWLY
        + """
    there = os.fstat(segment.fileno())
    def mine():
        found = []
        for number in range(3, 1024):
            try:
                one = os.fstat(number)
            except OSError:
                continue
            if (one.st_dev, one.st_ino) == (there.st_dev, there.st_ino):
                found.append(number)
        return found
    result = []
    def fork():
        came.wait(60)
        done = threading.Event()
        def rotate():
            log.rotate()
            done.set()
        letting.set()
        rotating = threading.Thread(target=rotate)
        rotating.start()
        done.wait(60)
        assert lane._lane is not None and lane._lane.segment is not segment
        pid = os.fork()
        if pid == 0:
            left = mine()
            os._exit(len(left))
        result.append(os.waitpid(pid, 0)[1])
        assert segment.fileno() in mine()
        go_on.set()
    letting = threading.Event()
    had = threading.Event()
    def hold():
        with writer.lock:
            had.set()
            letting.wait(60)
    holder = threading.Thread(target=hold)
    holder.start()
    had.wait(60)
    other = threading.Thread(target=lambda: log.write("slow"))
    other.start()
    fork()
    holder.join()
    other.join()
    assert result == [0], result
    log.write("after")
    assert not mine(), mine()
    """
    )
    run(code, path)
    texts = "".join(one.read_text() for one in log_files(path.parent, path.name))
    assert sorted(texts.splitlines()) == ["after", "first", "met", "slow"]


def test_signal_handler_that_forks_in_a_lane(path: Path) -> None:
    """P1, P3: the child comes back into the lane, while another thread of the parent has the engine's lock for ever: it writes by
    its own engine, once, and hangs nowhere."""
    code = (
        FORKS
        + """
    really, pids = segment._write, []
    def forking(fd, data):
        segment._write = really
        pids.append(os.fork())
        return really(fd, data)
    segment._write = forking
    had, done = threading.Event(), threading.Event()
    def hold():
        with writer.lock:
            had.set()
            done.wait(60)
    holder = threading.Thread(target=hold)
    holder.start()
    had.wait(60)
    log.write("twice")
    if pids[0] == 0:
        os._exit(0)
    assert os.waitpid(pids[0], 0)[1] == 0
    done.set()
    holder.join()
    """
    )
    run(code, path)
    assert path.read_text().splitlines() == ["first", "met", "twice", "twice"]


# --- all at once ------------------------------------------------------------------------------------------------------


def test_many_threads_over_many_rotations(path: Path, closing: Keep) -> None:
    """P1, P2: eight threads, a rotation each second, splits by size and forced ones: each record once, in its own period, and the
    lane was in use."""
    log = closing(TimedLogFile(path, when="S", utc=True, max_bytes=100_000))
    writer, end = log._writer, time.monotonic() + 3.0
    counts = [0] * 8

    def work(me: int) -> None:
        while time.monotonic() < end:
            created = time.time()
            writer.write(f"{me}-{counts[me]} {created!r}\n".encode(), created)
            counts[me] += 1

    threads = [threading.Thread(target=work, args=(me,)) for me in range(8)]
    for thread in threads:
        thread.start()
    while time.monotonic() < end:
        time.sleep(0.3)
        log.rotate()
    for thread in threads:
        thread.join(PATIENCE)
    beside = writer.lanes.records
    log.close()
    seen: list[str] = []
    for file in log_files(path.parent, path.name):
        periods = set()
        for line in file.read_text().splitlines():
            name, created = line.split(" ")
            seen.append(name)
            periods.add(time.strftime("%Y-%m-%d_%H-%M-%S", time.gmtime(float(created))))
        assert len(periods) <= 1, (file, periods)
        if file != path and periods:
            assert file.name[len("app.log.") :].split(".")[0] in periods
    assert sorted(seen) == sorted(f"{me}-{number}" for me in range(8) for number in range(counts[me]))
    assert beside > 0
    assert log.stats().records == sum(counts)


def test_killed_while_threads_append_beside_each_other(path: Path) -> None:
    """P1: what each thread was told to be written is there once and whole, whatever the kills have left half-written between."""
    code = """
        import mmap, sys, threading
        from mpfhandler import TimedLogFile
        log = TimedLogFile(sys.argv[1], when="D")
        with open(sys.argv[2], "r+b") as file:
            told = mmap.mmap(file.fileno(), 0)
        log.write("begin")
        log._writer.lanes.met = True
        log._writer._due = float("-inf")

        def work(me):
            number = 0
            while True:
                log.write(f"{sys.argv[3]}-{me}-{number} " + "x" * 9000)
                number += 1
                told[8 * me : 8 * me + 8] = number.to_bytes(8, "little")

        for me in range(4):
            threading.Thread(target=work, args=(me,)).start()
    """
    acknowledged: set[str] = set()
    for life in range(6):
        told = path.with_name(f"told{life}")
        told.write_bytes(bytes(32))
        child = start(code, path, told, life)

        def counts(told: Path = told) -> list[int]:
            return [int.from_bytes(told.read_bytes()[8 * me : 8 * me + 8], "little") for me in range(4)]

        with ended(child):
            wait_for(lambda counts=counts: sum(counts()) > 40, "its threads log")
            child.kill()
            child.wait(PATIENCE)
        acknowledged |= {f"{life}-{me}-{number}" for me, count in enumerate(counts()) for number in range(count)}
    TimedLogFile(path, when="D").write("end")
    whole = Counter(line.split(" ")[0] for line in path.read_text().splitlines() if line.endswith(" " + "x" * 9000))
    assert acknowledged <= set(whole)
    assert max(whole.values()) == 1
