r"""`escape=True`: no byte of what a program's users send begins a line of the log, or steers the terminal of who reads it."""

from __future__ import annotations

import io
import logging
import pickle
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpfhandler import MultProcTimedRotatingFileHandler, TimedLogFile
from mpfhandler._engine.lines import Lines
from mpfhandler._faces.formatting import StockFormat
from mpfhandler._pure.escaping import escaped, escaped_bytes, escaped_record

FORGED = "login of mallory\n2026-11-23 16:00:00 INFO login of root"
SPELLED = "login of mallory\\n2026-11-23 16:00:00 INFO login of root"
CLEAR = "\x1b]0;title\x07\x1b[2J\x9b1A\r\x00\x7f\u202e\u2028\x85"
CLEAR_SPELLED = r"\x1b]0;title\x07\x1b[2J\x9b1A\r\x00\x7f\u202e\u2028\x85"
DELIVERIES = [{"delivery": "direct"}, {"delivery": "buffered"}]

Closing = Callable[[Any], Any]
Make = Callable[..., MultProcTimedRotatingFileHandler]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a log that is not there yet."""
    return tmp_path / "app.log"


@pytest.fixture
def make(path: Path, closing: Closing) -> Make:
    """Makes handlers on that path, with a format that has a tab in it."""

    def make_one(kind: type[MultProcTimedRotatingFileHandler] = MultProcTimedRotatingFileHandler, **options: Any) -> Any:
        handler = closing(kind(path, "D", encoding="utf-8", escape=True, **options))
        handler.setFormatter(logging.Formatter("%(levelname)s\t%(message)s"))
        return handler

    return make_one


def record(message: str, *arguments: object, exc_info: Any = None) -> logging.LogRecord:
    """As a logger makes it."""
    return logging.LogRecord("name", logging.INFO, __file__, 1, message, arguments, exc_info)


# --- which characters, and to what ------------------------------------------------------------------------------------


def test_every_character() -> None:
    """Spelled out, as Python spells them, are the controls of Unicode but the tab, its separators of lines, and what turns the
    direction. Every other character, of all there are, stays."""
    turning = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        unsafe = character in turning or unicodedata.category(character) in {"Cc", "Zl", "Zp"}
        wanted = ascii(character)[1:-1] if unsafe and character != "\t" else character
        assert escaped(character) == wanted, hex(code)


@given(st.text())
def test_a_record_is_one_line(text: str) -> None:
    """Whatever the text is, no program sees two lines in it; twice is once; and text that Python can print is not touched."""
    safe = escaped(text)
    assert len(safe.splitlines()) <= 1
    assert escaped(safe) == safe
    if text.isprintable():
        assert safe is text


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252", "gbk", "shift_jis", "utf-16-le", "utf-32-be", "koi8-r"])
@given(data=st.binary())
def test_any_bytes(encoding: str, data: bytes) -> None:
    """Nothing is too odd to be written, what comes has one line, and twice is once."""
    safe = escaped_bytes(data, encoding)
    assert escaped_bytes(safe, encoding) == safe
    assert len(safe.decode(encoding, "replace").splitlines()) <= 1


@given(st.binary())
def test_other_bytes_stay(data: bytes) -> None:
    """In UTF-8 whatever is no control character keeps its bytes, also where it is no text at all."""
    text = data.decode("utf-8", "surrogateescape")
    assert escaped_bytes(data, "utf-8") == "".join(map(escaped, text)).encode("utf-8", "surrogateescape")


@given(st.text(), st.sampled_from(["utf-8", "utf-16-le", "gb18030"]))
def test_bytes_and_text_are_escaped_alike(text: str, encoding: str) -> None:
    """A record that is given as bytes is written as the same record in text would be."""
    text = text.encode(encoding, "replace").decode(encoding)
    assert escaped_bytes(text.encode(encoding), encoding) == escaped(text).encode(encoding)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0", b"|"])
def test_the_end_stays(end: bytes) -> None:
    """A record's own end is none of its characters; one within it is, if it is a control character."""
    assert escaped_record(b"one\ntwo" + end, end, "utf-8") == b"one\\ntwo" + end
    inside = b"one" + end + b"two" + end
    assert escaped_record(inside, end, "utf-8").count(end) == (2 if end == b"|" else 1)


# --- the handler ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_nobody_forges_a_line(make: Make, path: Path, delivery: dict[str, Any]) -> None:
    """A line end that is logged does not end the line, in both deliveries, whether the text is ASCII or not; the format's tab and
    backslashes stay."""
    handler = make(**delivery)
    for message in (FORGED, "用户 " + FORGED, CLEAR, r"C:\new"):
        handler.handle(record("%s", message))
    handler.close()
    told = path.read_text(encoding="utf-8")
    assert told == f"INFO\t{SPELLED}\nINFO\t用户 {SPELLED}\nINFO\t{CLEAR_SPELLED}\nINFO\tC:\\new\n"


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_traceback_is_one_line(make: Make, path: Path, delivery: dict[str, Any]) -> None:
    """What an exception says comes from outside as well."""
    handler = make(**delivery)
    try:
        raise ValueError(FORGED)
    except ValueError as error:
        handler.handle(record("failed", exc_info=(type(error), error, error.__traceback__)))
    handler.close()
    [line] = path.read_text(encoding="utf-8").splitlines()
    assert line.startswith("INFO\tfailed\\nTraceback (most recent call last):\\n")
    assert line.endswith(f"ValueError: {SPELLED}")


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize(
    ("encoding", "halves", "spelled"),
    [("utf-8", "\udcc2\udc9b", r"\x9b"), ("utf-8", "\udce2\udc80\udca8", r"\u2028"), ("latin-1", "\udc9b", r"\x9b")],
)
def test_bytes_in_the_disguise_of_surrogates(
    path: Path, closing: Closing, delivery: dict[str, Any], encoding: str, halves: str, spelled: str
) -> None:
    """With `errors="surrogateescape"` the encoder makes bytes of lone surrogates, which together may be a control character. What
    makes none stays."""
    handler = closing(
        MultProcTimedRotatingFileHandler(path, encoding=encoding, errors="surrogateescape", escape=True, **delivery)
    )
    handler.handle(record("%s", f"{halves}2J"))
    handler.handle(record("%s", "\udcff"))
    handler.close()
    assert path.read_bytes() == f"{spelled}2J\n".encode() + b"\xff\n"


class Emits(MultProcTimedRotatingFileHandler):
    """With an `emit` of its own."""

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)


class Formats(MultProcTimedRotatingFileHandler):
    """With a `format` of its own."""

    def format(self, record: logging.LogRecord) -> str:
        return f"INFO\t{record.getMessage()}"


class Streams(MultProcTimedRotatingFileHandler):
    """Writes to the stream, as handlers of the standard library do."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream.write(self.format(record) + self.terminator)


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("kind", [Emits, Formats, Streams])
def test_subclasses(make: Make, path: Path, kind: type[MultProcTimedRotatingFileHandler], delivery: dict[str, Any]) -> None:
    """Whatever way a subclass has of writing a record."""
    handler = make(kind, **delivery)
    handler.handle(record(FORGED))
    handler.close()
    assert path.read_text() == f"INFO\t{SPELLED}\n"


def test_another_end_of_who_writes_to_the_stream(make: Make, path: Path) -> None:
    """An end that is set later counts for a subclass that writes to the stream, too: nothing of it is spelled out."""
    handler = make(Streams)
    handler.handle(record(FORGED))
    handler.terminator = "\r\n"
    handler.handle(record(FORGED))
    handler.close()
    assert path.read_bytes().decode() == f"INFO\t{SPELLED}\nINFO\t{SPELLED}\r\n"


def test_whatever_is_set_later(make: Make, path: Path) -> None:
    """Another formatter, a `format` put on the object, another end, a stream of the program's: it still holds."""
    handler = make()
    handler.setFormatter(logging.Formatter("{message}", style="{"))
    handler.handle(record(FORGED))
    handler.format = lambda record: f"<{record.getMessage()}>"  # type: ignore[method-assign]
    handler.handle(record(FORGED))
    handler.terminator = "\r\n"
    handler.handle(record(FORGED))
    stream = io.StringIO(newline="")
    handler.stream = stream
    handler.handle(record(FORGED))
    handler.close()
    assert path.read_bytes().decode() == f"{SPELLED}\n<{SPELLED}>\n<{SPELLED}>\r\n"
    assert stream.getvalue() == f"<{SPELLED}>\r\n"


def test_copies_escape_too(make: Make, path: Path) -> None:
    """The handler of a spawned process as well."""
    twin = pickle.loads(pickle.dumps(make()))
    twin.handle(record(FORGED))
    twin.close()
    assert path.read_text() == f"INFO\t{SPELLED}\n"


def test_it_costs_nothing_when_off(path: Path, closing: Closing) -> None:
    """Without it a record's text comes from the same function as ever, and a log's bytes go straight to the engine."""
    handler = closing(MultProcTimedRotatingFileHandler(path))
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.handle(record("message"))
    assert getattr(handler._format, "__func__", None) is StockFormat.format
    log = closing(TimedLogFile(path))
    assert log._append == log._writer.write


def test_it_is_off(path: Path, closing: Closing) -> None:
    """A drop-in writes what it is given."""
    handler = closing(MultProcTimedRotatingFileHandler(path, encoding="utf-8"))
    handler.handle(record(FORGED + CLEAR))
    handler.close()
    assert path.read_bytes().decode() == FORGED + CLEAR + "\n"


# --- the log and its lines --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_log(path: Path, closing: Closing, delivery: dict[str, Any]) -> None:
    """Text and bytes, with and without their end; a copy, too."""
    log = closing(TimedLogFile(path, escape=True, **delivery))
    log.write(FORGED)
    log.write(FORGED.encode() + b"\n")
    log.write(b"\xff\n\n")
    print(FORGED, file=log)
    log.close()
    with pickle.loads(pickle.dumps(log)) as twin:
        twin.write(FORGED)
    assert path.read_bytes() == b"\n".join([SPELLED.encode()] * 2 + [b"\xff\\n"] + [SPELLED.encode()] * 2 + [b""])


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("end", ["\n", "\0"])
def test_lines(path: Path, closing: Closing, delivery: dict[str, Any], end: str) -> None:
    """Of a block each line is escaped, and ends where it ended; the first block, and one in the steady state."""
    log = closing(TimedLogFile(path, terminator=end, escape=True, **delivery))
    lines = Lines(log)
    now = log._now()
    for _ in range(2):
        lines.write(f"one\r{end}\x1b[2J{end}{end}plain{end}".encode(), now)
    log.close()
    assert path.read_bytes().decode() == f"one\\r{end}\\x1b[2J{end}{end}plain{end}" * 2
