"""The handler's surface is the standard library's: attributes, streams, hooks, errors, copies (drop-in)."""

from __future__ import annotations

import copy
import inspect
import io
import logging
import logging.handlers
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from datetime import time as TimeOfDay  # noqa: N812  (a class)
from pathlib import Path
from typing import Any

import pytest

import mpfhandler
from mpfhandler import MultProcTimedRotatingFileHandler
from mpfhandler._faces.hooks import teller_of
from mpfhandler._platform import OPERATIONS

Handler = MultProcTimedRotatingFileHandler
Stock = logging.handlers.TimedRotatingFileHandler
Make = Callable[..., Handler]
System = Callable[..., None]

HOUR = 3600


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a log that is not there yet."""
    return tmp_path / "app.log"


@pytest.fixture
def make(path: Path, closing: Callable[[Any], Any]) -> Make:
    """Makes handlers on that path, hourly in universal time unless told otherwise."""

    def make_one(when: str = "H", *arguments: Any, kind: type[Handler] = Handler, **options: Any) -> Handler:
        handler: Handler = closing(kind(path, when, *arguments, **{"utc": True, "encoding": "utf-8", **options}))
        return handler

    return make_one


def record(message: object = "message", *arguments: object, **facts: object) -> logging.LogRecord:
    """A record as a logger makes it."""
    made = logging.LogRecord("name", logging.INFO, __file__, 1, message, arguments, None)
    made.__dict__.update(facts)
    return made


def segments(path: Path) -> dict[str, str]:
    """The closed segments by what follows the log's name."""
    names = sorted(
        name for name in os.listdir(path.parent) if name.startswith("app.log.") and not name.endswith((".lock", ".debug"))
    )
    return {name.removeprefix("app.log."): (path.parent / name).read_text() for name in names}


def test_the_package_tells_what_it_has() -> None:
    """Also what is imported only when it is asked for: a shell's completion finds it, and nothing else is made up."""
    assert {*mpfhandler.__all__} - {*dir(mpfhandler)} == set()
    assert [name for name in dir(mpfhandler) if not hasattr(mpfhandler, name)] == []
    with pytest.raises(AttributeError, match="module 'mpfhandler' has no attribute 'Statts'"):
        _ = mpfhandler.Statts


# --- attributes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("when", "interval"), [("s", 5), ("M", 1), ("h", 3), ("D", 2), ("midnight", 1), ("W0", 1), ("w6", 1)])
def test_attributes_are_the_standard_librarys(make: Make, tmp_path: Path, closing: Any, when: str, interval: int) -> None:
    """What programs read of a `TimedRotatingFileHandler` reads the same here."""
    mine = make(when, interval, 7, delay=True)
    stock = closing(Stock(tmp_path / "app.log", when, interval, 7, "utf-8", delay=True, utc=True))
    for name in ("baseFilename", "mode", "encoding", "delay", "backupCount", "utc", "atTime", "interval", "suffix"):
        assert (name, getattr(mine, name)) == (name, getattr(stock, name))
    assert mine.when.upper() == stock.when.upper()
    assert getattr(mine, "dayOfWeek", None) == getattr(stock, "dayOfWeek", None)
    assert (mine.namer, mine.rotator) == (None, None)
    assert mine.level == stock.level
    assert mine.terminator == stock.terminator


def test_parameters_of_the_first_release_come_first() -> None:
    """The eight positional parameters of version 0.0.2 are in their places; everything newer is by name only."""
    parameters = list(inspect.signature(Handler).parameters.values())
    positional = [one.name for one in parameters if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert positional == ["filename", "when", "interval", "backupCount", "encoding", "delay", "utc", "debug"]
    assert {one.kind for one in parameters[8:]} == {inspect.Parameter.KEYWORD_ONLY}


def test_handler_is_the_standard_librarys_kind(make: Make) -> None:
    """Programs that ask for a `FileHandler` or a `BaseRotatingHandler` find one."""
    assert isinstance(make(), logging.handlers.BaseRotatingHandler)
    assert isinstance(make(), logging.FileHandler)


def test_handler_is_found_among_the_standard_ones() -> None:
    """`class=handlers.MultProcTimedRotatingFileHandler` works in a configuration file once the package is imported."""
    assert logging.handlers.MultProcTimedRotatingFileHandler is Handler  # type: ignore[attr-defined]


def test_encoding_is_the_locales_unless_given(path: Path, closing: Any) -> None:
    """As in the standard library; what is used can be read."""
    import locale

    handler = closing(Handler(path))
    handler.emit(record("ascii"))
    assert handler.stream.encoding.replace("-", "").lower() in {
        locale.getpreferredencoding(False).replace("-", "").lower(),
        "ascii",
    }
    assert path.read_bytes() == b"ascii\n"


def test_path_may_be_any_path(path: Path, closing: Any) -> None:
    """Text and path objects; `baseFilename` is absolute text."""
    for given in (path, str(path), os.path.relpath(path)):
        assert closing(Handler(given, delay=True)).baseFilename == str(path)


# --- rotation by the standard library's names -------------------------------------------------------------------------


@pytest.mark.parametrize(("when", "interval"), [("S", 1), ("M", 1), ("H", 1), ("D", 1), ("midnight", 1), ("W0", 1), ("W6", 1)])
@pytest.mark.parametrize("moment", [0, 1, 86399, 86400, 1_700_000_000, 1_709_164_800, 4_102_444_799])
def test_next_rollover_is_the_schedules(make: Make, when: str, interval: int, moment: int) -> None:
    """`computeRollover` is after its argument, on the unit's own grid, and never further than one unit."""
    handler = make(when, interval, delay=True)
    following = handler.computeRollover(moment)
    unit = {"S": 1, "M": 60, "H": HOUR}.get(when, 86400)
    assert moment < following <= moment + handler.interval
    assert following % unit == 0


@pytest.mark.parametrize("when", ["midnight", "W0", "W3", "W6"])
@pytest.mark.parametrize("at", [None, TimeOfDay(12, 30)])
def test_next_rollover_of_days_is_the_standard_librarys(
    make: Make, path: Path, closing: Any, when: str, at: TimeOfDay | None
) -> None:
    """Where the standard library is aligned to the calendar, both say the same."""
    mine = make(when, delay=True, atTime=at)
    stock = closing(Stock(path, when, delay=True, utc=True, atTime=at))
    for moment in range(1_700_000_000, 1_700_000_000 + 15 * 86400, 7919):
        assert mine.computeRollover(moment) == stock.computeRollover(moment)


def test_rollover_time_is_the_end_of_the_period(make: Make, clock: list[float]) -> None:
    """`rolloverAt` is the next boundary, before the file is open and after, and moves on with it."""
    boundary = (int(clock[0]) // HOUR + 1) * HOUR
    handler = make(delay=True)
    assert handler.rolloverAt == boundary
    handler.emit(record(created=clock[0]))
    assert handler.rolloverAt == boundary
    clock[0] = boundary + 1.0
    handler.emit(record(created=clock[0]))
    assert handler.rolloverAt == boundary + HOUR


def test_clock_decides_whether_to_roll_over_never_a_record(make: Make, clock: list[float], path: Path) -> None:
    """`shouldRollover` is true from the boundary on, whatever the time of the record that asks."""
    handler = make()
    boundary = handler.rolloverAt
    assert not handler.shouldRollover(record(created=boundary + 10.0 * HOUR))
    clock[0] = float(boundary)
    assert handler.shouldRollover(record(created=0.0))
    handler.emit(record("new hour", created=clock[0]))
    assert not handler.shouldRollover(record())
    assert path.read_text() == "new hour\n"


def test_rollover_can_be_forced(make: Make, clock: list[float], path: Path) -> None:
    """`doRollover` closes the segment now, and deletes what is beyond `backupCount`."""
    handler = make(backupCount=2)
    for number in range(4):
        handler.emit(record(str(number), created=clock[0]))
        handler.doRollover()
    assert segments(path) == {"2023-11-14_22.2": "2\n", "2023-11-14_22.3": "3\n"}
    assert handler.stats().rotations == 4


def test_files_to_delete_are_the_oldest_of_ours(make: Make, path: Path) -> None:
    """What `backupCount` would delete, oldest first, and nothing of others."""
    handler = make(backupCount=1)
    for name in ("2023-11-14_20", "2023-11-14_21.10", "2023-11-14_21.9", "2023-11-14_19.csv", "bak"):
        Path(f"{path}.{name}").write_text("")
    assert [os.path.basename(name) for name in handler.getFilesToDelete()] == ["app.log.2023-11-14_20", "app.log.2023-11-14_21.9"]
    assert make(backupCount=0).getFilesToDelete() == []


def test_suffix_namer_and_rotator_may_be_set_later(make: Make, clock: list[float], path: Path, tmp_path: Path) -> None:
    """The standard library's attributes count at the next rotation, whenever they are set."""
    handler = make()
    handler.suffix = "%Y%m%d"
    handler.emit(record("suffix", created=clock[0]))
    handler.doRollover()
    handler.namer = lambda name: name.replace("app.log", "old") + ".txt"
    handler.emit(record("namer", created=clock[0]))
    handler.doRollover()
    rotated: list[tuple[str, str]] = []

    def rotator(source: str, target: str) -> None:
        rotated.append((Path(source).read_text(), os.path.basename(target)))
        os.unlink(source)

    handler.rotator = rotator
    handler.emit(record("rotator", created=clock[0]))
    handler.doRollover()
    assert segments(path) == {"20231114": "suffix\n"}
    assert (tmp_path / "old.20231114.txt").read_text() == "namer\n"
    assert [text for text, _ in rotated] == ["rotator\n"]
    assert rotated[0][1].startswith("old.20231114")


def test_overridden_hooks_count(make: Make, clock: list[float], tmp_path: Path) -> None:
    """A subclass with a `rotation_filename` and a `rotate` of its own is asked."""

    class Mine(Handler):
        def rotation_filename(self, default_name: str) -> str:
            return default_name + ".mine"

        def rotate(self, source: str, dest: str) -> None:
            Path(dest).write_text(Path(source).read_text().upper())
            os.unlink(source)

    handler = make(kind=Mine)
    handler.emit(record("text", created=clock[0]))
    handler.doRollover()
    assert (tmp_path / "app.log.2023-11-14_22.mine").read_text() == "TEXT\n"


# --- the stream -------------------------------------------------------------------------------------------------------


def test_stream_is_none_while_nothing_is_open(make: Make) -> None:
    """Programs ask `if handler.stream`: nothing before the first record with `delay`, nothing after `close`."""
    handler = make(delay=True)
    assert handler.stream is None
    handler.emit(record())
    assert handler.stream
    handler.close()
    assert handler.stream is None


def test_stream_is_enough_of_a_file(make: Make, path: Path) -> None:
    """What programs do with the stream of a handler works."""
    stream = make().stream
    assert stream.write("direct\n") == 7
    stream.flush()
    assert path.read_text() == "direct\n"
    assert os.fstat(stream.fileno()).st_ino == path.stat().st_ino
    assert (stream.name, stream.mode, stream.encoding) == (str(path), "a", "utf-8")
    assert (stream.isatty(), stream.writable(), stream.closed) == (False, True, False)
    stream.close()
    assert stream.closed
    with pytest.raises(ValueError, match="not open"):
        stream.fileno()


def test_print_to_the_stream_is_one_record(make: Make, path: Path) -> None:
    """`print` writes a text and then the end of its line: together they are one record, and nothing at all is none."""
    handler = make()
    print("text", file=handler.stream)
    print(end="", file=handler.stream)
    print(file=handler.stream)
    assert path.read_text() == "text\n"
    assert handler.stats().records == 1


def test_stream_stays_the_same(make: Make) -> None:
    """`setStream` with the present stream changes nothing and says so by None, as in the standard library."""
    handler = make()
    assert handler.setStream(handler.stream) is None


def test_gunicorns_close_on_exec(make: Make) -> None:
    """gunicorn marks the stream's descriptor; it is marked already."""
    import fcntl

    handler = make()
    with handler.lock:  # type: ignore[union-attr]
        if handler.stream:
            flags = fcntl.fcntl(handler.stream.fileno(), fcntl.F_GETFD)
            fcntl.fcntl(handler.stream.fileno(), fcntl.F_SETFD, flags | fcntl.FD_CLOEXEC)
    assert flags & fcntl.FD_CLOEXEC


def test_gunicorns_reopen(make: Make, path: Path) -> None:
    """On USR1 gunicorn closes the handler and gives it what `_open` opens: after a `mv` that is a new file."""
    handler = make()
    handler.emit(record("before"))
    path.rename(f"{path}.moved")
    handler.acquire()
    try:
        if handler.stream:
            handler.close()
            handler.stream = handler._open()
    finally:
        handler.release()
    handler.emit(record("after"))
    assert Path(f"{path}.moved").read_text() == "before\n"
    assert path.read_text() == "after\n"


def test_foreign_stream_is_written_to(make: Make, path: Path) -> None:
    """`setStream` sends records elsewhere and gives the one before back; giving that back returns to the log."""
    handler, foreign = make(), io.StringIO()
    handler.emit(record("one"))
    before = handler.setStream(foreign)
    assert handler.stream is foreign
    handler.emit(record("two é"))
    assert handler.setStream(before) is foreign
    handler.emit(record("three"))
    assert foreign.getvalue() == "two é\n"
    assert path.read_text() == "one\nthree\n"


def test_foreign_stream_needs_no_flush(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """A stream that can only be written to is enough, as in the standard library."""

    class Sink:
        """Just `write`."""

        def __init__(self) -> None:
            self.texts: list[str] = []

        def write(self, text: str) -> None:
            self.texts.append(text)

    handler, sink = make(), Sink()
    handler.setStream(sink)  # type: ignore[arg-type]
    handler.emit(record("one"))
    assert sink.texts == ["one\n"]
    assert capsys.readouterr().err == ""


def test_record_that_was_on_its_way_to_a_foreign_stream_is_logged(make: Make, path: Path) -> None:
    """P1: a thread that has found out where its record goes writes it to the log if `setStream` has led back there meanwhile."""
    handler, foreign = make(), io.StringIO()
    before = handler.setStream(foreign)
    on_its_way = handler._append
    handler.setStream(before)
    on_its_way(b"late\n", record().created)
    assert (foreign.getvalue(), path.read_text()) == ("", "late\n")


@pytest.mark.parametrize("delivery", ["direct", "buffered"])
def test_stream_that_is_set_while_a_record_is_formatted_counts(make: Make, path: Path, delivery: str) -> None:
    """What the program sets in a value's text is in force when the record is written, whole and once."""
    handler, foreign = make(delivery=delivery), io.StringIO()
    handler.setFormatter(logging.Formatter("%(message)s"))

    class Setting:
        def __str__(self) -> str:
            handler.setStream(foreign)
            return "value"

    handler.handle(record("before"))
    handler.handle(record("its %s", Setting()))
    handler.close()
    assert (foreign.getvalue(), path.read_text()) == ("its value\n", "before\n")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_foreign_stream_gets_the_text(make: Make, encoding: str) -> None:
    """What the log's encoding has arrives as it was."""
    handler, foreign = make(encoding=encoding), io.StringIO()
    handler.setStream(foreign)
    handler.emit(record("é"))
    assert foreign.getvalue() == "é\n"


def test_close_ends_a_foreign_stream(make: Make, path: Path) -> None:
    """After `close` the next record opens the log again."""
    handler, foreign = make(), io.StringIO()
    handler.setStream(foreign)
    handler.close()
    handler.emit(record("log"))
    assert foreign.getvalue() == ""
    assert path.read_text() == "log\n"


def test_foreign_stream_that_fails_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of somebody's stream goes to `handleError`, as in the standard library."""
    handler, failed = make(), []
    monkeypatch.setattr(handler, "handleError", failed.append)
    foreign = io.StringIO()
    handler.setStream(foreign)
    foreign.close()
    handler.emit(record("one"))
    assert [one.msg for one in failed] == ["one"]


# --- formatting, encoding, terminators --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [
        ("utf-8", "é漢😀", "é漢😀\n".encode()),
        ("utf-8", "\ud800", b"\\ud800\n"),
        ("utf-8-sig", "é", "é\n".encode()),
        ("latin-1", "é漢", b"\xe9\\u6f22\n"),
        ("ascii", "é\x00", b"\\xe9\x00\n"),
        ("utf-16-le", "é\ud800", "é\\ud800\n".encode("utf-16-le")),
        ("utf-32-be", "é", "é\n".encode("utf-32-be")),
        ("shift_jis", "日本é", "日本\\xe9\n".encode("shift_jis")),
    ],
)
def test_odd_characters_never_cost_a_record(make: Make, path: Path, encoding: str, text: str, written: bytes) -> None:
    """Every record is written in the log's encoding, with escapes for what that does not have."""
    handler = make(encoding=encoding)
    handler.emit(record(text))
    assert path.read_bytes() == written


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_no_mark_stands_between_records(make: Make, path: Path, encoding: str) -> None:
    """The whole file decodes as one text without a byte order mark in the middle."""
    handler = make(encoding=encoding)
    handler.emit(record("one"))
    handler.emit(record("two"))
    order = "-le" if sys.byteorder == "little" else "-be"
    used = "utf-8" if encoding == "utf-8-sig" else encoding + order
    assert path.read_bytes().decode(used) == "one\ntwo\n"


def test_strict_errors_are_the_users_wish(make: Make, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """With `errors="strict"` such a record goes to `handleError`, and the next one is written."""
    handler, failed = make(encoding="ascii", errors="strict"), []
    monkeypatch.setattr(handler, "handleError", failed.append)
    handler.emit(record("é"))
    handler.emit(record("e"))
    assert [one.msg for one in failed] == ["é"]
    assert path.read_bytes() == b"e\n"


def test_errors_none_is_the_default(make: Make, path: Path) -> None:
    """A configuration that passes None gets escapes."""
    make(encoding="ascii", errors=None).emit(record("é"))
    assert path.read_bytes() == b"\\xe9\n"


def test_terminator_can_be_changed(make: Make, path: Path) -> None:
    """The handler's `terminator` counts from the next record on, in the log's encoding."""
    handler = make(encoding="utf-16-le")
    handler.emit(record("a"))
    handler.terminator = "\r\n"
    handler.emit(record("b"))
    handler.terminator = ""
    handler.emit(record("c"))
    assert path.read_bytes().decode("utf-16-le") == "a\nb\r\nc"


@pytest.mark.parametrize("pickled", [False, True])
def test_stump_is_ended_by_the_terminator_in_force(make: Make, path: Path, closing: Any, pickled: bool) -> None:
    """A killed writer's stump is ended by the handler's terminator, also by that of a handler that was sent to a process."""
    handler = make()
    handler.terminator = "\r\n"
    handler.emit(record("first"))
    path.write_bytes(b"x" * 4096)
    if pickled:
        handler = closing(pickle.loads(pickle.dumps(handler)))
    handler.emit(record("mine"))
    assert path.read_bytes() == b"x" * 4094 + b"\r\nmine\r\n"
    assert handler.stats().repaired == 1


@pytest.mark.parametrize("end", ["\r\n", "\0"])
def test_record_with_another_terminator_is_no_stump(make: Make, path: Path, end: str) -> None:
    """Where records of this process end in two ways the guard cannot tell them from stumps: it changes no byte."""
    handler = make()
    handler.emit(record("x" * 4095))
    handler.terminator = end
    handler.emit(record("mine"))
    assert path.read_bytes() == b"x" * 4095 + f"\nmine{end}".encode()
    assert handler.stats().repaired == 0
    handler.close()
    path.write_bytes(b"x" * 4095 + b"\n")
    handler.emit(record("mine"))  # by a segment that was opened anew
    assert path.read_bytes() == b"x" * 4095 + f"\nmine{end}".encode()


def test_terminator_of_a_subclass_counts(make: Make, path: Path) -> None:
    """A class attribute is as good."""

    class Mine(Handler):
        terminator = "\0"

    handler = make(kind=Mine)
    handler.emit(record("a"))
    assert path.read_bytes() == b"a\0"


def test_formatter_can_be_changed(make: Make, path: Path) -> None:
    """The formatter in force is asked for each record; without one the message is written."""
    handler = make()
    handler.handle(record("one"))
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler.handle(record("two"))
    handler.setFormatter(logging.Formatter("{name} {message}", style="{"))
    handler.handle(record("three"))
    handler.setFormatter(None)
    handler.handle(record("four"))
    assert path.read_text() == "one\nINFO two\nname three\nfour\n"


def test_formatter_of_ones_own_runs_under_the_handlers_lock(make: Make) -> None:
    """A formatter may keep state, as in the standard library: no two threads are in it at the same time."""
    free: list[bool] = []

    class Mine(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            thread = threading.Thread(target=try_lock)
            thread.start()
            thread.join()
            return super().format(record)

    def try_lock() -> None:
        free.append(handler.lock.acquire(blocking=False))
        if free[-1]:
            handler.lock.release()

    handler = make()
    handler.setFormatter(Mine())
    handler.handle(record("one"))
    assert free == [False]


def test_overridden_format_counts(make: Make, path: Path) -> None:
    """A subclass that formats itself is asked."""

    class Mine(Handler):
        def format(self, record: logging.LogRecord) -> str:
            return f"mine: {record.getMessage()}"

    handler = make(kind=Mine)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler.handle(record("one"))
    assert path.read_text() == "mine: one\n"


@pytest.mark.parametrize("early", [True, False])
def test_format_that_is_set_on_the_handler_counts(make: Make, path: Path, monkeypatch: pytest.MonkeyPatch, early: bool) -> None:
    """A function put in the place of `handler.format` is asked, as in the standard library."""
    handler = make()
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    if not early:
        handler.handle(record("first"))
    monkeypatch.setattr(handler, "format", lambda record: f"mine: {record.getMessage()}")
    handler.handle(record("one"))
    assert path.read_text().splitlines()[-1] == "mine: one"


def test_traceback_is_one_record(make: Make, path: Path) -> None:
    """A record of many lines is written at once."""
    handler = make()
    try:
        raise KeyError("an error of the program")
    except KeyError:
        handler.handle(record("failed", exc_info=sys.exc_info()))
    lines = path.read_text().splitlines()
    assert (lines[0], lines[1], lines[-1]) == (
        "failed",
        "Traceback (most recent call last):",
        "KeyError: 'an error of the program'",
    )
    assert handler.stats().records == 1


# --- filters ----------------------------------------------------------------------------------------------------------


def test_filter_that_says_no_writes_nothing(make: Make, path: Path) -> None:
    """A filtered record is not written, and `handle` says so."""
    handler = make()
    handler.addFilter(lambda record: record.msg != "no")
    assert not handler.handle(record("no"))
    assert handler.handle(record("yes"))
    assert path.read_text() == "yes\n"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="filters return records from Python 3.12 on")
def test_filter_that_gives_another_record(make: Make, path: Path) -> None:
    """The record that a filter gives is written in the place of the first one."""
    handler = make()
    handler.addFilter(lambda _record: record("replaced"))  # type: ignore[arg-type,return-value]
    handler.handle(record("original"))
    assert path.read_text() == "replaced\n"


def test_overridden_filter_counts(make: Make, path: Path) -> None:
    """A subclass that filters itself is asked."""

    class Mine(Handler):
        def filter(self, record: logging.LogRecord) -> bool:
            return record.msg != "no"

    handler = make(kind=Mine)
    handler.handle(record("no"))
    handler.handle(record("yes"))
    assert path.read_text() == "yes\n"


def test_filter_that_is_set_on_the_handler_counts(make: Make, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function put in the place of `handler.filter` is asked, as in the standard library."""
    handler = make()
    monkeypatch.setattr(handler, "filter", lambda record: record.msg != "no")
    handler.handle(record("no"))
    handler.handle(record("yes"))
    assert path.read_text() == "yes\n"


def test_methods_of_the_standard_librarys_handler_may_be_replaced(
    make: Make, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a tracing agent puts in the place of `Handler.format` and `Handler.filter` counts from the next record on."""
    handler = make()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.handle(record("one"))
    monkeypatch.setattr(logging.Handler, "format", lambda self, one: "patched")
    monkeypatch.setattr(logging.Handler, "filter", lambda self, one: one.msg != "drop")
    handler.handle(record("two"))
    handler.handle(record("drop"))
    monkeypatch.undo()
    handler.handle(record("three"))
    assert path.read_text() == "one\npatched\nthree\n"


@pytest.mark.parametrize("delivery", ["direct", "buffered"])
@pytest.mark.parametrize("on_class", [False, True])
@pytest.mark.parametrize(
    ("method", "replacement", "written"),
    [
        ("emit", lambda *_arguments: None, ["one", "three"]),
        ("format", lambda *_arguments: "another", ["one", "another", "three"]),
        ("filter", lambda *_arguments: False, ["one", "three"]),
    ],
)
def test_method_that_is_replaced_between_two_records_counts(
    make: Make, path: Path, monkeypatch: pytest.MonkeyPatch, delivery: str, on_class: bool, method: str, replacement: Any,
    written: list[str],
) -> None:  # fmt: skip
    """On the handler or on its class, with the stock formatter and its short way; and no more when it is taken back."""
    handler = make(delivery=delivery)
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.handle(record("one"))
    monkeypatch.setattr(Handler if on_class else handler, method, replacement, raising=False)
    handler.handle(record("two"))
    monkeypatch.undo()
    handler.handle(record("three"))
    handler.flush()
    assert path.read_text().split() == written


class Counting:
    """A function that is not made for several threads at once: it tells how many were in it."""

    def __init__(self) -> None:
        self.inside = self.most = 0

    def __call__(self, *_arguments: object) -> str:
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.002)
        self.inside -= 1
        return "text"


@pytest.mark.parametrize("delivery", ["direct", "buffered"])
@pytest.mark.parametrize("where", ["format of the class", "format", "emit", "emit of the class", "format of the formatter"])
def test_what_a_program_puts_in_runs_in_one_thread_at_a_time(
    make: Make, monkeypatch: pytest.MonkeyPatch, delivery: str, where: str
) -> None:
    """As in the standard library: a method of a program's own has the handler's lock, whether it was there before the first
    record or not."""
    counting = Counting()
    kind = type("Mine", (Handler,), {"format": lambda _self, one: counting(one)} if where == "format of the class" else {})
    handler = make(kind=kind, delivery=delivery)
    handler.setFormatter(logging.Formatter("%(message)s"))
    if where == "format of the formatter":
        monkeypatch.setattr(handler.formatter, "format", counting)
    if "of the class" not in where:
        handler.handle(record("first"))
    if where in {"format", "emit"}:
        monkeypatch.setattr(handler, where, counting)
    if where == "emit of the class":
        monkeypatch.setattr(Handler, "emit", lambda _self, one: counting(one))
    threads = [threading.Thread(target=lambda: [handler.handle(record("one")) for _ in range(5)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counting.most == 1


def test_stream_of_another_handler_is_written_to(make: Make, path: Path, closing: Any) -> None:
    """`handler.stream` of another log is a stream like any other."""
    handler, other = make(), closing(Handler(path.with_name("other.log"), "H", utc=True))
    handler.setStream(other.stream)
    handler.handle(record("one"))
    assert (path.read_text(), path.with_name("other.log").read_text()) == ("", "one\n")
    handler.setStream(handler._open())
    handler.handle(record("two"))
    assert path.read_text() == "two\n"


def test_another_stream_gets_characters_that_have_no_bytes(make: Make) -> None:
    """What can be written to the log with its error handler gets to another stream, too."""
    handler, stream = make(errors="surrogateescape"), io.StringIO()
    handler.setStream(stream)
    handler.handle(record("a\udce9b"))
    assert stream.getvalue() == "a\udce9b\n"


@pytest.mark.parametrize("delivery", ["direct", "buffered"])
def test_short_way_of_the_stock_formatter_writes_what_any_text_is(make: Make, path: Path, delivery: str) -> None:
    """Characters that the encoding does not have, a terminator that is set, and a record that another process has made."""
    handler = make(delivery=delivery, encoding="ascii")
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.handle(record("caf\u00e9"))
    handler.handle(record("of another", process=1))
    handler.terminator = ";\n"
    handler.handle(record("ended"))
    handler.flush()
    assert path.read_bytes() == b"caf\\xe9\nof another\nended;\n"


def test_terminator_that_is_set_while_a_record_is_formatted_counts(make: Make, path: Path) -> None:
    """Also one that is no ASCII, which another record has brought into force meanwhile: an error is written before its call
    returns, as ever, with what came before it."""
    handler = make(delivery="buffered", flush_interval=60)
    handler.setFormatter(logging.Formatter("%(message)s"))

    class Setting:
        def __str__(self) -> str:
            handler.terminator = "\u2028\n"
            handler.handle(record("inner"))
            return "value"

    handler.handle(record("before"))
    handler.handle(record("its %s", Setting(), levelno=logging.ERROR))
    assert path.read_text(encoding="utf-8") == "before\ninner\u2028\nits value\u2028\n"


def test_record_is_kept_while_another_period_begins(make: Make, path: Path, clock: list[float]) -> None:
    """Between the look at its time and its place in the buffer the program logs in the next period and writes all: both records
    are written, each once and in the file of its own time."""
    began = clock[0] = 1_700_002_799.5  # half a second before 23:00 UTC
    handler = make(delivery="buffered", flush_interval=60)
    handler.setFormatter(logging.Formatter("%(message)s"))

    class Level(int):
        def __lt__(self, other: int) -> bool:
            return not self >= other

        def __ge__(self, other: int) -> bool:
            clock[0] = began + 1
            handler.handle(record("inner", created=clock[0]))
            handler.flush()
            return int(self) >= other

        def __bool__(self) -> bool:
            return True

    handler.handle(record("first", created=began))
    handler.handle(record("outer", created=began, levelno=Level(logging.INFO)))
    handler.flush()
    assert path.read_text() == "inner\n"
    assert segments(path) == {"2023-11-14_22": "first\nouter\n"}


@pytest.mark.parametrize("formatter", [None, logging.Formatter("%(message)s")])
def test_handle_returns_what_the_standard_librarys_does(make: Make, formatter: Any) -> None:
    """The record from Python 3.12 on, True before, and what the filter said where it said no."""
    mine = make()
    stock = logging.StreamHandler(io.StringIO())
    for handler in (mine, stock):
        handler.setFormatter(formatter)
    one = record("message")
    assert mine.handle(one) == stock.handle(one)
    for handler in (mine, stock):
        handler.addFilter(lambda one: one.msg != "message")
    assert mine.handle(one) is stock.handle(one)


def test_deepcopy_has_its_own_filters(make: Make, closing: Any) -> None:
    """A filter that is added to a deep copy is not on the original; those that were there are on both."""
    handler = make()
    handler.addFilter(print)
    twin = closing(copy.deepcopy(handler))
    twin.addFilter(len)
    assert (handler.filters, twin.filters) == ([print], [print, len])


def test_backup_count_and_size_may_be_changed(make: Make, path: Path, clock: list[float]) -> None:
    """`handler.backupCount = n` and `handler.maxBytes = n` count from then on, in copies too, and are checked like the
    parameters."""
    handler = make()
    handler.backupCount, handler.maxBytes = "2", 10
    assert (handler.backupCount, handler.maxBytes) == (2, 10)
    for number in range(-4, 6):
        handler.handle(record(f"record {number}"))
    handler.close()
    assert len(segments(path)) == 2
    twin = pickle.loads(pickle.dumps(handler))
    assert (twin.backupCount, twin.maxBytes, twin._writer.options.backup_count) == (2, 10, 2)
    with pytest.raises(ValueError, match="backupCount=-1: "):
        handler.backupCount = -1
    with pytest.raises(TypeError, match="maxBytes=None: "):
        handler.maxBytes = None
    assert (handler.backupCount, handler.maxBytes) == (2, 10)
    handler.maxBytes = 0
    handler.handle(record("record 6"))
    handler.handle(record("record 7"))
    assert path.read_text() == "record 4\nrecord 5\nrecord 6\nrecord 7\n"


def test_level_of_the_handler_counts(make: Make, path: Path) -> None:
    """Through a logger, records below the level are not written."""
    handler = make()
    handler.setLevel(logging.WARNING)
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.info("quiet")
    logger.warning("loud")
    assert path.read_text() == "loud\n"


# --- errors -----------------------------------------------------------------------------------------------------------


def test_formatting_error_goes_to_handle_error(make: Make, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """A message that does not fit its arguments is told with its record, and the next record is written."""
    handler, failed = make(), []
    monkeypatch.setattr(handler, "handleError", failed.append)
    handler.handle(record("%d items", "many"))
    handler.handle(record("%d items", 7))
    assert [one.msg for one in failed] == ["%d items"]
    assert path.read_text() == "7 items\n"


def test_formatting_error_is_printed_as_ever(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error stands what the standard library prints: the error, and where the record comes from."""
    make().handle(record("%d items", "many"))
    printed = capsys.readouterr().err
    assert printed.startswith("--- Logging error ---")
    with pytest.raises(TypeError) as expected:
        record("%d items", "many").getMessage()
    assert f"TypeError: {expected.value}" in printed
    assert "Message: '%d items'" in printed


@pytest.mark.parametrize("result", [None, 7, b"bytes"])
def test_formatter_that_gives_no_text(make: Make, monkeypatch: pytest.MonkeyPatch, path: Path, result: object) -> None:
    """What is no text goes to `handleError`; nothing is written."""

    class Odd(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return result  # type: ignore[return-value]

    handler, failed = make(), []
    monkeypatch.setattr(handler, "handleError", failed.append)
    handler.setFormatter(Odd())
    handler.handle(record())
    assert len(failed) == 1
    assert path.read_bytes() == b""


class Deep(logging.Formatter):
    """A program's own formatter, at the end of the stack."""

    def format(self, record: logging.LogRecord) -> str:
        raise RecursionError("too deep")


class Nested:
    """A value whose text is too deep."""

    def __str__(self) -> str:
        raise RecursionError("too deep")


@pytest.mark.parametrize("delivery", ["direct", "buffered"])
@pytest.mark.parametrize("formatter", [Deep(), logging.Formatter("%(message)s")], ids=["own", "stock"])
def test_recursion_error_passes(
    make: Make, monkeypatch: pytest.MonkeyPatch, path: Path, formatter: logging.Formatter, delivery: str
) -> None:
    """A program at its limit is told so; handling the error would meet it again."""
    handler, failed = make(delivery=delivery), []
    monkeypatch.setattr(handler, "handleError", failed.append)
    handler.setFormatter(formatter)
    for _ in range(2):  # the short way is known from the second record on
        with pytest.raises(RecursionError):
            handler.handle(record("%s", Nested()))
    assert failed == []
    handler.flush()
    assert path.read_bytes() == b""
    assert handler.lock is not None
    assert handler.lock.acquire(blocking=False), "the lock is free"
    handler.lock.release()


class Unspeakable(Exception):
    """What a user's hook may raise."""

    def __str__(self) -> str:
        raise ValueError("no text")


def test_failure_whose_text_cannot_be_had_is_told(make: Make, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """`handleError` is called for it as for any other one."""
    handler, told = make(), list[tuple[str, object]]()
    monkeypatch.setattr(handler, "handleError", lambda made: told.append((made.getMessage(), sys.exc_info()[1])))
    error = Unspeakable()
    teller_of(handler)(error)
    assert told == [(f"{path}: Unspeakable: <its text cannot be had: ValueError>", error)]


def test_silent_when_exceptions_are_not_raised(
    make: Make, system: System, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `logging.raiseExceptions = False` neither a bad record nor a failing disk prints anything."""

    def full(_fd: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(logging, "raiseExceptions", False)
    system(write=full)
    handler = make()
    handler.handle(record("%d", "x"))
    handler.handle(record("y"))
    handler.close()
    assert capsys.readouterr().err == ""
    assert handler.stats().lost == 1


def test_failure_of_the_engine_is_told_once(make: Make, system: System, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """A full disk calls `handleError` once, with a record that names the log, and inside an `except`."""
    room = [False]
    told: list[tuple[str, BaseException | None]] = []

    def write(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        return OPERATIONS.write(fd, data)

    system(write=write)
    handler = make()
    monkeypatch.setattr(handler, "handleError", lambda one: told.append((one.getMessage(), sys.exc_info()[1])))
    for number in range(10):
        handler.handle(record(str(number)))
    assert [message for message, _ in told] == [f"{path}: [Errno 28] No space left on device"]
    assert isinstance(told[0][1], OSError)
    room[0] = True
    handler.flush()
    assert path.read_text().split() == [str(number) for number in range(10)]


def test_closed_handler_opens_again(make: Make, path: Path) -> None:
    """A record after `close`, at interpreter shutdown for instance, is kept."""
    handler = make()
    handler.handle(record("one"))
    handler.close()
    handler.close()
    handler.handle(record("two"))
    assert path.read_text() == "one\ntwo\n"


# --- copies and texts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "twice", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["copy", "deepcopy", "pickle"]
)
def test_copy_is_another_handler_of_the_same_log(
    make: Make, path: Path, closing: Any, twice: Callable[[Handler], Handler]
) -> None:
    """A copy has the configuration, opens the log itself, and leaves the original alone when it is closed."""
    handler = make("midnight", 2, 5, atTime=TimeOfDay(4), maxBytes=1000)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler.terminator = "\r\n"
    handler.suffix = "%Y%m%d"
    handler.handle(record("one"))
    twin = closing(twice(handler))
    for name in (
        "baseFilename",
        "when",
        "interval",
        "backupCount",
        "atTime",
        "level",
        "terminator",
        "suffix",
        "encoding",
        "maxBytes",
    ):
        assert (name, getattr(twin, name)) == (name, getattr(handler, name))
    assert twin.stream is None, "nothing is shared, nothing is open"
    twin.handle(record("two"))
    twin.close()
    handler.handle(record("three"))
    assert path.read_bytes() == b"INFO one\r\nINFO two\r\nINFO three\r\n"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda handler: pickle.loads(pickle.dumps(handler))])
def test_copy_keeps_the_file_wherever_the_program_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closing: Any, copied: Callable[[Handler], Handler]
) -> None:
    """A relative path means what it meant when the handler was made, as `baseFilename` does."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    handler = closing(Handler("app.log", lock_dir="locks", encoding="utf-8"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    twin = closing(copied(handler))
    twin.handle(record("of the copy"))
    assert twin.baseFilename == handler.baseFilename == str(tmp_path / "app.log")
    assert (tmp_path / "app.log").read_text() == "of the copy\n"
    assert os.listdir(tmp_path / "elsewhere") == []


def test_path_as_bytes(path: Path, closing: Any) -> None:
    """A path given as bytes is told as text."""
    handler = closing(Handler(os.fsencode(path), encoding="utf-8"))
    handler.handle(record("message"))
    assert handler.baseFilename == str(path)
    assert path.read_text() == "message\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no list of descriptors on Windows")
def test_pickled_handler_has_no_descriptors(make: Make) -> None:
    """What goes to a spawned process is configuration only."""
    handler = make()
    handler.handle(record("one"))
    before = set(os.listdir("/dev/fd"))
    pickle.loads(pickle.dumps(handler))
    assert set(os.listdir("/dev/fd")) == before


def test_repr_tells_file_schedule_and_state(make: Make, path: Path) -> None:
    """Enough to see in a debugger what it is and what it does."""
    handler = make("M", 15)
    handler.setLevel(logging.ERROR)
    assert repr(handler) == f"<MultProcTimedRotatingFileHandler {path} (ERROR) when=M interval=15 zone=UTC open>"
    handler.close()
    assert repr(handler).endswith(" closed>")


@pytest.mark.usefixtures("clock")
def test_symbolic_link_is_followed(tmp_path: Path, closing: Any) -> None:
    """A linked log is its target, with one lock; `baseFilename` is what the user wrote."""
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "app.log"
    link = tmp_path / "link.log"
    link.symlink_to(target)
    through, direct = closing(Handler(link, "H", utc=True)), closing(Handler(target, "H", utc=True))
    through.emit(record("through"))
    direct.emit(record("direct"))
    through.doRollover()
    assert through.baseFilename == str(link)
    assert link.is_symlink()
    assert segments(target) == {"2023-11-14_22": "through\ndirect\n"}
    assert sorted(os.listdir(tmp_path)) == ["link.log", "real"]


def test_record_of_another_process_is_only_a_record(make: Make, path: Path) -> None:
    """What a queue brought from another process is written like any other: this one has not forked, and opens nothing anew."""
    handler = make()
    handler.emit(record("ours"))
    before = handler.stream.fileno(), handler.stats().records
    foreign = record("theirs")
    foreign.process = 1
    handler.emit(foreign)
    assert path.read_text() == "ours\ntheirs\n"
    assert (handler.stream.fileno(), handler.stats().records) == (before[0], before[1] + 1)


def test_stream_of_a_device_is_the_device(closing: Callable[[Any], Any]) -> None:
    """The descriptor of a log that is no regular file is told like any other's."""
    handler = closing(Handler(os.devnull))
    handler.emit(record())
    assert os.fstat(handler.stream.fileno()).st_rdev == os.stat(os.devnull).st_rdev
