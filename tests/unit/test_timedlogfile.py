"""`TimedLogFile`: a file that anything can write to, without `logging`."""

from __future__ import annotations

import array
import contextlib
import copy
import gc
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mpfhandler import Stats, TimedLogFile
from mpfhandler._platform import OPERATIONS

HOUR = 3600
System = Callable[..., None]
Keep = Callable[[TimedLogFile], TimedLogFile]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a log that is not there yet."""
    return tmp_path / "app.log"


@pytest.fixture
def make(path: Path, closing: Keep) -> Callable[..., TimedLogFile]:
    """Makes logs on that path, in universal time."""
    return lambda **options: closing(TimedLogFile(path, "H", utc=True, **options))


Make = Callable[..., TimedLogFile]


def segments(path: Path) -> dict[str, bytes]:
    """The closed segments by what follows the log's name."""
    names = sorted(
        name for name in os.listdir(path.parent) if name.startswith("app.log.") and not name.endswith((".lock", ".debug"))
    )
    return {name.removeprefix("app.log."): (path.parent / name).read_bytes() for name in names}


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "length", "written"),
    [
        ("text", 4, b"text\n"),
        ("line\n", 5, b"line\n"),
        ("two\nlines", 9, b"two\nlines\n"),
        ("é漢😀", 3, "é漢😀\n".encode()),
        (b"bytes", 5, b"bytes\n"),
        (b"line\n", 5, b"line\n"),
        (b"\xff\x00", 2, b"\xff\x00\n"),
        (bytearray(b"array"), 5, b"array\n"),
        (memoryview(b"a view of it")[2:6], 4, b"view\n"),
        (memoryview(b"abcdef")[::2], 3, b"ace\n"),
        (array.array("B", b"numbers"), 7, b"numbers\n"),
        ("\n", 1, b""),
        ("", 0, b""),
        (b"", 0, b""),
    ],
)
def test_each_write_is_a_line_of_its_own(make: Make, path: Path, given: Any, length: int, written: bytes) -> None:
    """Text and bytes are written as they are, the terminator is added where it is missing, and the length is given back."""
    log = make()
    assert log.write(given) == length
    assert path.read_bytes() == written


@pytest.mark.parametrize("given", [None, 7, 1.5, ["text"], object()])
def test_what_is_no_text_is_a_type_error(make: Make, path: Path, given: Any) -> None:
    """A thing that is neither text nor bytes is refused, and nothing is written."""
    log = make()
    with pytest.raises(TypeError):
        log.write(given)
    assert path.read_bytes() == b""


def test_caller_may_change_its_buffer_afterwards(make: Make, path: Path) -> None:
    """What was written is in the file: a buffer that is used again does not change it."""
    log, buffer = make(), bytearray(b"first")
    log.write(buffer)
    buffer[:] = b"later"
    assert path.read_bytes() == b"first\n"


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [
        ("latin-1", "é漢\ud800", b"\xe9\\u6f22\\ud800\n"),
        ("ascii", "é", b"\\xe9\n"),
        ("utf-8", "\ud800", b"\\ud800\n"),
        ("utf-8-sig", "é", "é\n".encode()),
        ("utf-16-be", "é", "é\n".encode("utf-16-be")),
        ("gb18030", "漢\n", "漢\n".encode("gb18030")),
        ("cp037", "abc", "abc\n".encode("cp037")),
    ],
)
def test_odd_characters_never_cost_a_record(make: Make, path: Path, encoding: str, text: str, written: bytes) -> None:
    """What the encoding does not have is written as an escape."""
    make(encoding=encoding).write(text)
    assert path.read_bytes() == written


def test_strict_errors_are_the_callers_wish(make: Make, path: Path) -> None:
    """With `errors="strict"` a character that the encoding does not have is an error of the call."""
    log = make(encoding="ascii", errors="strict")
    with pytest.raises(UnicodeEncodeError):
        log.write("é")
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    ("terminator", "written"), [("\r\n", b"a\r\nb\r\nc\n\r\n"), ("\0", b"a\0b\r\n\0c\n\0"), (b"\n\n", b"a\n\nb\r\n\n\nc\n\n\n")]
)
def test_terminator_is_what_was_asked_for(make: Make, path: Path, terminator: str | bytes, written: bytes) -> None:
    """Records end in the terminator, once, and it may be given as bytes."""
    log = make(terminator=terminator)
    for text in ("a", "b\r\n", "c\n"):
        log.write(text)
    assert path.read_bytes() == written


def test_two_logs_of_one_file_share_it(make: Make, path: Path) -> None:
    """Objects of one process are like processes: each record is whole and none is lost."""
    first, second = make(), make()
    for number in range(100):
        (first if number % 2 else second).write(f"record {number}")
    assert path.read_text().splitlines() == [f"record {number}" for number in range(100)]


# --- the time of a record ---------------------------------------------------------------------------------------------


def test_boundary_rotates_and_names_the_segment_for_its_start(make: Make, path: Path, clock: list[float]) -> None:
    """The first record of an hour closes the hour before, under that hour's name."""
    log = make()
    log.write("22 h")
    clock[0] += HOUR
    log.write("23 h")
    assert segments(path) == {"2023-11-14_22": b"22 h\n"}
    assert path.read_bytes() == b"23 h\n"


def test_record_goes_to_the_file_of_its_own_time(make: Make, path: Path, clock: list[float]) -> None:
    """Within the grace a record that was made before the boundary stands in the segment before it (promise P2)."""
    log = make()
    log.write("22 h")
    clock[0] = (clock[0] // HOUR + 1) * HOUR + 5
    log.write("23 h")
    log.write("late", created=clock[0] - 6)
    assert segments(path) == {"2023-11-14_22": b"22 h\nlate\n"}
    assert log.stats().late == 1


@pytest.mark.parametrize("created", [0.0, -1e12, 1e12, float("inf"), float("-inf"), float("nan")])
def test_odd_time_goes_to_the_active_file(make: Make, path: Path, clock: list[float], created: float) -> None:
    """A record of another year, of the future or of no time at all is written, and rotates nothing."""
    log = make()
    log.write("first")
    log.write("odd", created)
    log.write("last")
    assert path.read_text().splitlines() == ["first", "odd", "last"]
    assert segments(path) == {}


def test_time_is_now_unless_given(make: Make, path: Path, clock: list[float]) -> None:
    """`created` may be left out, be a whole number, or be given by name."""
    log = make()
    log.write("now")
    log.write("given", int(clock[0]))
    log.write("named", created=clock[0])
    assert path.read_text().splitlines() == ["now", "given", "named"]


# --- as the file of others --------------------------------------------------------------------------------------------


def test_time_zero_is_a_time(make: Make, path: Path, clock: list[float]) -> None:
    """A `created` of 0 is the first hour of 1970; None is now, also where the grace reaches back that far."""
    log = make(late_grace=3e9)
    log.write("now")
    log.write("epoch", 0.0)
    log.write("now")
    assert path.read_bytes() == b"now\nnow\n"
    assert segments(path) == {"1970-01-01_00": b"epoch\n"}
    assert log.stats().late == 1


def test_print_writes_one_line(make: Make, path: Path) -> None:
    """`print(text, file=log)`, which writes the text and the line's end by two calls, gives one line."""
    log = make()
    print("hello", file=log)
    print("world", file=log, flush=True)
    assert path.read_bytes() == b"hello\nworld\n"


def test_print_without_end_writes_one_record(make: Make, path: Path) -> None:
    """`print(text, end="", file=log)` is one record."""
    log = make()
    print("hello", end="", file=log)
    print("world", end="", file=log)
    assert path.read_bytes() == b"hello\nworld\n"


def test_as_structlogs_file(make: Make, path: Path) -> None:
    """A `WriteLogger` keeps the two bound methods, and calls them for each message."""
    log = make()
    write, flush = log.write, log.flush
    for message in ("event=a", "event=b"):
        write(message + "\n")
        flush()
    assert path.read_bytes() == b"event=a\nevent=b\n"


def test_as_logurus_sink(make: Make, path: Path) -> None:
    """A sink gets strings of a class of their own, which end in a newline and may have many lines."""

    class Message(str):
        """A string that carries a record."""

        __slots__ = ("record",)

    log = make()
    assert callable(log.write)
    message = Message("2026-11-23 | ERROR | failed\nTraceback …\n")
    message.record = {"time": 0}
    log.write(message)
    log.flush()
    assert path.read_text(encoding="utf-8") == message


def test_as_standard_output(make: Make, path: Path) -> None:
    """A program whose standard output is redirected to the log writes whole lines by `sys.stdout.write`."""
    import sys

    log = make()
    with contextlib.redirect_stdout(log):  # type: ignore[type-var]
        sys.stdout.write("one line\n")
        sys.stdout.flush()
    assert path.read_bytes() == b"one line\n"


# --- rotate, flush, close, reopen -------------------------------------------------------------------------------------


def test_rotate_closes_the_segment_now(make: Make, path: Path, clock: list[float]) -> None:
    """A forced rotation names the segment for its period; the next one of that period takes a number."""
    log = make()
    for text in ("one", "two", "three"):
        log.write(text)
        assert log.rotate()
    assert segments(path) == {"2023-11-14_22": b"one\n", "2023-11-14_22.1": b"two\n", "2023-11-14_22.2": b"three\n"}
    assert path.read_bytes() == b""
    assert log.stats().rotations == 3


def test_rotate_that_cannot_be_done_is_false(system: System, make: Make, path: Path, clock: list[float]) -> None:
    """What the folder forbids is reported and tried again later; records go on."""

    def refuse(_source: str, _target: str) -> None:
        raise PermissionError(13, "not permitted")

    system(rename_new=refuse)
    told: list[Exception] = []
    log = make(on_error=told.append)
    log.write("one")
    assert log.rotate() is False
    log.write("two")
    assert path.read_bytes() == b"one\ntwo\n"
    assert [type(error) for error in told] == [PermissionError]
    assert "rotation" in (log.stats().last_error or "")


def test_rotate_keeps_so_many_segments(make: Make, path: Path, clock: list[float]) -> None:
    """`backup_count` holds when `rotate()` comes back: the oldest went first."""
    log = make(backup_count=2)
    for number in range(5):
        log.write(f"{number}")
        log.rotate()
    assert segments(path) == {"2023-11-14_22.3": b"3\n", "2023-11-14_22.4": b"4\n"}


def test_size_splits_within_the_period(make: Make, path: Path, clock: list[float]) -> None:
    """At `max_bytes` the next record begins a new segment; each is over by one record at most."""
    log = make(max_bytes=10)
    for number in range(7):
        log.write(f"rec{number}")
    assert segments(path) == {
        "2023-11-14_22": b"rec0\nrec1\n",
        "2023-11-14_22.1": b"rec2\nrec3\n",
        "2023-11-14_22.2": b"rec4\nrec5\n",
    }
    assert path.read_bytes() == b"rec6\n"


def test_flush_has_nothing_to_do(make: Make, path: Path) -> None:
    """Every record is in the kernel's hands when `write` returns."""
    log = make()
    log.write("one")
    assert path.read_bytes() == b"one\n"
    log.flush()
    assert path.read_bytes() == b"one\n"


def test_closed_log_opens_again(make: Make, path: Path) -> None:
    """A record after `close()` opens the log anew; closing twice is harmless."""
    log = make()
    log.write("one")
    log.close()
    log.close()
    log.write("two")
    assert path.read_bytes() == b"one\ntwo\n"


def test_close_leaves_no_descriptor(make: Make) -> None:
    """All descriptors go, also the ones for late records."""
    before = set(os.listdir("/dev/fd"))
    log = make()
    log.write("one")
    log.rotate()
    log.write("two")
    log.close()
    assert set(os.listdir("/dev/fd")) == before


def test_forgotten_log_leaves_no_descriptor(path: Path) -> None:
    """A log that nobody closed and nobody holds gives its descriptors back."""
    gc.collect()  # those of earlier tests
    before = set(os.listdir("/dev/fd"))
    log = TimedLogFile(path)
    log.write("one")
    del log
    gc.collect()
    assert set(os.listdir("/dev/fd")) == before


def test_log_is_a_context_manager(path: Path) -> None:
    """`with` closes, also after an error, which passes."""
    with pytest.raises(KeyError), TimedLogFile(path) as log:
        log.write("one")
        raise KeyError("an error of the program")
    with pytest.raises(ValueError, match="not open"):
        log.fileno()
    assert path.read_bytes() == b"one\n"


def test_delay_creates_nothing_until_the_first_record(make: Make, path: Path) -> None:
    """With `delay=True` neither log nor lock exist before something is written."""
    log = make(delay=True)
    assert os.listdir(path.parent) == []
    log.write("one")
    assert sorted(os.listdir(path.parent)) == ["app.log", "app.log.lock"]


def test_without_delay_the_file_is_there_at_once(make: Make, path: Path) -> None:
    """A constructor that succeeds has a file that can be written to."""
    log = make()
    assert path.read_bytes() == b""
    assert os.fstat(log.fileno()).st_ino == path.stat().st_ino


def test_moved_log_is_back_within_a_second(make: Make, path: Path, clock: list[float], system: Callable[..., None]) -> None:
    """Somebody else's `mv` is followed at the next look, at most a second later; nothing is lost."""
    begun = clock[0]
    system(monotonic=lambda: clock[0] - begun)
    log = make()
    log.write("one")
    path.rename(path.parent / "taken")
    log.write("two")
    clock[0] += 1.0
    log.write("three")
    assert (path.parent / "taken").read_bytes() == b"one\ntwo\n"
    assert path.read_bytes() == b"three\n"


def test_missing_folders_are_made(tmp_path: Path) -> None:
    """`mkdir=True` creates them, also when they are deleted later."""
    path = tmp_path / "a" / "b" / "app.log"
    with TimedLogFile(path, mkdir=True) as log:
        log.write("one")
        assert path.read_bytes() == b"one\n"
        log.close()
        for name in os.listdir(path.parent):
            (path.parent / name).unlink()
        path.parent.rmdir()
        log.write("two")
        assert path.read_bytes() == b"two\n"


# --- what it tells ----------------------------------------------------------------------------------------------------


def test_counters_are_exact(make: Make, clock: list[float]) -> None:
    """Records, bytes with terminators, rotations, late ones."""
    log = make()
    assert log.stats() == Stats()
    log.write("12345")
    log.write(b"123\n")
    log.rotate()
    log.write("x")
    log.write("")
    assert log.stats() == Stats(records=3, bytes=12, rotations=1)


def test_disk_that_is_full_is_told_once_and_counted(system: System, path: Path, closing: Keep) -> None:
    """Records wait in memory, one report is made, and `flush` writes them in order once there is room."""
    full = [False]

    def write(fd: int, data: bytes) -> int:
        if full[0]:
            raise OSError(28, "No space left on device")
        return OPERATIONS.write(fd, data)

    system(write=write)
    told: list[Exception] = []
    log = closing(TimedLogFile(path, on_error=told.append))
    log.write("one")
    full[0] = True
    for text in ("two", "three", "four"):
        log.write(text)
    assert (log.stats().spilled, log.stats().records, log.stats().lost) == (3, 1, 0)
    assert "No space left" in (log.stats().last_error or "")
    full[0] = False
    log.flush()
    log.write("five")
    assert path.read_text().splitlines() == ["one", "two", "three", "four", "five"]
    assert [str(error) for error in told] == ["[Errno 28] No space left on device"]
    assert (log.stats().spilled, log.stats().records) == (0, 5)


@pytest.mark.parametrize("failure", [RuntimeError("listener"), OSError(5, "listener")])
def test_listener_that_raises_costs_nothing(system: System, path: Path, closing: Keep, failure: Exception) -> None:
    """What `on_error` raises does not reach the caller of `write` (promise P5)."""

    def raising(_error: Exception) -> None:
        raise failure

    def refuse(_source: str, _target: str) -> None:
        raise PermissionError(13, "not permitted")

    system(rename_new=refuse)
    log = closing(TimedLogFile(path, on_error=raising))
    log.write("one")
    log.rotate()
    log.write("two")
    assert path.read_bytes() == b"one\ntwo\n"


def test_listener_may_write_to_the_log(system: System, path: Path, closing: Keep) -> None:
    """An `on_error` that logs to the same log neither hangs nor loses what it says."""

    def refuse(_source: str, _target: str) -> None:
        raise PermissionError(13, "not permitted")

    system(rename_new=refuse)
    logs: list[TimedLogFile] = []
    logs.append(closing(TimedLogFile(path, on_error=lambda error: logs[0].write(f"told: {type(error).__name__}") and None)))
    logs[0].write("one")
    logs[0].rotate()
    logs[0].write("two")
    assert path.read_text().splitlines() == ["one", "told: PermissionError", "two"]


def test_repr_tells_file_schedule_and_state(make: Make, path: Path) -> None:
    """Enough to see in a debugger what it is and what it does."""
    log = make()
    assert repr(log) == f"<TimedLogFile {path} when=H interval=1 zone=UTC open>"
    log.close()
    assert repr(log).endswith(" closed>")
    assert log.name == str(path)


def test_debug_file_tells_decisions(make: Make, path: Path) -> None:
    """With `debug=True` openings and rotations are written beside the log."""
    log = make(debug=True)
    log.write("one")
    log.rotate()
    text = Path(f"{path}.debug").read_text()
    assert " open " in text
    assert " rotate to=" in text


# --- forks ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def alone() -> None:
    """Waits for threads of earlier tests: a fork beside threads is warned of."""
    import threading

    deadline = time.monotonic() + 5
    while threading.active_count() > 1 and time.monotonic() < deadline:
        time.sleep(0.001)


@pytest.mark.usefixtures("alone")
def test_parent_and_child_go_on_with_the_same_object(make: Make, path: Path) -> None:
    """After a fork both write to the same log, and the child's counters begin anew."""
    log = make()
    log.write("before")
    child = os.fork()
    if child == 0:
        log.write("child")
        os._exit(0 if log.stats().records == 1 else 1)
    log.write("parent")
    assert os.waitpid(child, 0)[1] == 0
    log.write("after")
    assert sorted(path.read_text().splitlines()) == ["after", "before", "child", "parent"]
    assert log.stats().records == 3


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda log: pickle.loads(pickle.dumps(log))])
def test_copy_is_another_engine_of_the_same_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closing: Keep, copied: Any
) -> None:
    """A copy has the same options and opens the same file for itself, wherever the program stands by then."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    log = closing(TimedLogFile("app.log", "D", max_bytes=10, terminator="\r\n", lock_dir="locks", encoding="utf-16"))
    log.write("of the first")
    monkeypatch.chdir(tmp_path / "elsewhere")
    twin = closing(copied(log))
    assert twin._writer is not log._writer
    assert twin._writer.options == log._writer.options
    assert twin._writer.place == log._writer.place
    log.close()
    twin.write("of the copy")
    assert twin.stats().records == 1
    assert os.listdir(tmp_path / "elsewhere") == []
    text = "".join(path.read_bytes().decode("utf-16-le") for path in sorted(tmp_path.glob("app.log*"), reverse=True))
    assert text == "of the first\r\nof the copy\r\n"


def test_each_write_is_a_record_also_of_one_print(make: Make, path: Path) -> None:
    """`print` with several arguments writes each of them as a record, as the docstring says, and joined they are one."""
    log = make()
    print("a", "b", file=log)
    print("c d", file=log)
    assert path.read_text() == "a\n \nb\nc d\n"
