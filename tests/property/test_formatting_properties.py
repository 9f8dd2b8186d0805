"""The remembered text of a second is the stock formatter's, byte for byte."""

from __future__ import annotations

import copy
import logging
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpfhandler._faces.formatting import StockFormat

FORMATS = [
    ("%", "%(asctime)s %(levelname)s %(message)s"),
    ("%", "%(message)s"),
    ("%", "%(asctime)s.%(msecs)03d %(name)s %(created).6f"),
    ("{", "{asctime} {levelname:>8} {message}"),
    ("{", "{message}"),
    ("$", "$asctime ${levelname} $message"),
    ("$", "$message"),
]
DATES = [None, "%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", ""]


def make(created: float, message: str, **more: object) -> logging.LogRecord:
    record = logging.LogRecord("n", logging.INFO, "p", 1, message, None, None)
    record.created = created
    record.msecs = (created - int(created)) * 1000 if math.isfinite(created) else 0.0
    record.__dict__.update(more)
    return record


LITERALS = st.sampled_from(
    ["", " ", "'", '"', "\\", "\\n", "\n", "{}", "}", "{", "%", "%%", "$$", "$", "é", "\U0001f600", "\ud800", "\0", "#"]
)
PERCENT = (
    "%(message)s %(asctime)s %(levelname)-8s %(msecs)03d %(created).6f %(lineno)05d %(name).2s %(args)r "
    "%(process)d "
    "%(no_such_field)s %(levelno)x %(message)a %(name)d %()s %s %(message)"
)
BRACES = (
    "{message} {asctime} {levelname:<8} {msecs:03.0f} {created:.6f} {lineno:05d} {name!r:>9} {args!s} {process} "
    "{no_such_field} {name:{lineno}} {levelno:x} {message!a} {name:d} {0} {args[0]} {name.real}"
)
DOLLARS = "$message ${asctime} $levelname $no_such_field ${ $args"
FIELDS = {"%": [*PERCENT.split(), "%(name) s"], "{": BRACES.split(), "$": DOLLARS.split()}


@given(st.sampled_from(list(FIELDS)), st.data(), st.text(max_size=5))
def test_any_format_gives_what_the_stock_formatter_gives(style: str, data: st.DataObject, message: str) -> None:
    """Fields, specifications, text between them that means something elsewhere, and formats that do not work at all."""
    parts = data.draw(st.lists(st.sampled_from(FIELDS[style]) | LITERALS, max_size=6))
    formatter = logging.Formatter("".join(parts), style=style, validate=False)  # type: ignore[arg-type]
    mine = make(1.7e9 + 0.25, message)
    theirs = copy.copy(mine)
    assert outcome(StockFormat(formatter).format, mine) == outcome(formatter.format, theirs)
    assert mine.__dict__ == theirs.__dict__


@pytest.mark.parametrize(
    ("style", "text"), [("%", "100%% of %(message)s, %(lineno)05d%%"), ("{", "{{{message}}} {lineno:05d}"), ("$", "$$ $message")]
)
def test_what_means_the_sign_itself_is_the_sign(style: Any, text: str) -> None:
    """Doubled it stands for itself, once."""
    formatter = logging.Formatter(text, style=style)
    wanted = {"%": "100% of it, 00001%", "{": "{it} 00001", "$": "$ it"}[style]
    assert StockFormat(formatter).format(make(1.7e9, "it")) == formatter.format(make(1.7e9, "it")) == wanted


def outcome(form: Callable[[logging.LogRecord], str], record: logging.LogRecord) -> object:
    """The text, or what is raised."""
    try:
        return form(record)
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("style", ["%", "{"])
def test_values_are_shown_as_the_stock_formatter_shows_them(style: str) -> None:
    """Objects with texts of their own, subclasses of str, numbers and None, as message and as extra field."""

    class Text(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "str"

        def __format__(self, spec: str) -> str:
            return f"format {spec}"

    formatter = logging.Formatter(
        {"%": "%(message)s|%(extra)s|%(extra)10s", "{": "{message}|{extra}|{extra!s:>10}"}[style], style=style
    )
    for value in (Text("plain"), None, 7, 2.5, b"bytes", ValueError("x"), (1, 2)):
        mine, theirs = make(1.7e9, "m", extra=value), make(1.7e9, "m", extra=value)
        mine.msg = theirs.msg = value  # type: ignore[assignment]
        assert StockFormat(formatter).format(mine) == formatter.format(theirs)


EARLIEST = 0.0 if sys.platform == "win32" else -4e9  # the C library of Windows knows no time before 1970
times = st.lists(
    st.one_of(
        st.floats(EARLIEST, 4e9),
        st.floats(max(-2, EARLIEST), 2),
        st.floats(1.7e9, 1.7e9 + 3),
        st.sampled_from([0.0, 0.999999, 1.7e9, 1.7e9 + 0.9999999]),
    ),
    min_size=1,
    max_size=12,
)


@given(times, st.sampled_from(FORMATS), st.sampled_from(DATES), st.sampled_from([time.localtime, time.gmtime]), st.text())
def test_same_text(created: list[float], style: tuple[str, str], date: str | None, converter: object, message: str) -> None:
    """Over all styles, date formats and converters, in any order of seconds, both give the same text and attributes."""
    formatter = logging.Formatter(style[1], date, style[0])  # type: ignore[arg-type]
    before = logging.Formatter.converter
    logging.Formatter.converter = staticmethod(converter)  # type: ignore[assignment]
    try:
        fast = StockFormat(formatter).format
        for moment in created:
            mine = make(moment, message)
            theirs = copy.copy(mine)
            assert fast(mine) == formatter.format(theirs)
            assert mine.__dict__ == theirs.__dict__
    finally:
        logging.Formatter.converter = before


def exception() -> object:
    try:
        raise ValueError("broken")
    except ValueError:
        return sys.exc_info()


@pytest.mark.parametrize(
    "more",
    [{"exc_info": exception()}, {"exc_text": "text of an exception"}, {"stack_info": "Stack:\n  line"}],
    ids=["exc_info", "exc_text", "stack_info"],
)
def test_exceptions_and_stacks(more: dict[str, object]) -> None:
    """A record with an exception or a stack goes the formatter's own way."""
    formatter = logging.Formatter("%(asctime)s %(message)s")
    fast = StockFormat(formatter).format
    fast(make(1.7e9, "warm"))
    assert fast(make(1.7e9 + 0.5, "m", **more)) == formatter.format(make(1.7e9 + 0.5, "m", **more))


def test_everything_that_is_not_stock_goes_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """An override on the instance, the class, the style or the converter is obeyed, at the latest in the next second."""
    moments = [1.7e9 + 1, 1.7e9 + 2, 1.7e9 + 3, 1.7e9 + 4]
    formatter = logging.Formatter("%(asctime)s %(message)s")
    fast = StockFormat(formatter).format
    fast(make(1.7e9, "warm"))
    formatter.default_msec_format = "%s.%03d"  # type: ignore[misc]
    assert fast(make(1.7e9, "m")) == formatter.format(make(1.7e9, "m"))
    del formatter.default_msec_format
    formatter._style = logging.PercentStyle("%(message)s!")
    assert fast(make(1.7e9, "m")) == "m!"
    fast = StockFormat(formatter).format
    monkeypatch.setattr(logging.Formatter, "formatMessage", lambda self, record: "patched")
    assert fast(make(moments[0], "m")) == "patched"
    monkeypatch.undo()
    monkeypatch.setattr(logging.Formatter, "formatTime", lambda self, record, datefmt=None: "noon")
    formatter = logging.Formatter("%(asctime)s %(message)s")
    fast = StockFormat(formatter).format
    assert fast(make(moments[1], "m")) == "noon m"
    monkeypatch.undo()
    monkeypatch.setattr(logging.Formatter, "converter", staticmethod(lambda created: time.gmtime(0)))
    assert fast(make(moments[2], "m")).startswith("1970-01-01 00:00:00")


def test_date_format_that_is_changed_counts_at_once() -> None:
    """A date format that is set within a second shows in the next record of that second."""
    formatter = logging.Formatter("%(asctime)s %(message)s", "%Y")
    fast = StockFormat(formatter).format
    assert fast(make(1.7e9, "m")) == "2023 m"
    formatter.datefmt = "%Y-%m"
    assert fast(make(1.7e9, "m")) == "2023-11 m"


def test_converter_of_ones_own_is_asked_for_each_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """A converter that is no pure function of the second is not asked once for all records of a second."""
    monkeypatch.setattr(logging.Formatter, "converter", staticmethod(lambda created: time.gmtime(created % 1 * 100)))
    fast = StockFormat(logging.Formatter("%(asctime)s %(message)s", "%S")).format
    assert [fast(make(1.7e9 + part, "m")) for part in (0.0, 0.25, 0.5)] == ["00 m", "25 m", "50 m"]


def test_formatter_of_a_subclass_goes_its_own_way() -> None:
    """What a subclass overrides is obeyed, whatever it is."""

    class Loud(logging.Formatter):
        def formatMessage(self, record: logging.LogRecord) -> str:
            return super().formatMessage(record).upper()

    fast = StockFormat(Loud("%(asctime)s %(message)s")).format
    fast(make(1.7e9, "warm"))
    assert fast(make(1.7e9, "m")).endswith(" M")


def test_style_of_ones_own_goes_its_own_way() -> None:
    """A style that is none of the standard library's, or was changed itself, is asked for each record."""

    class Sometimes(logging.PercentStyle):
        wanted = True

        def usesTime(self) -> bool:
            return self.wanted

    formatter = logging.Formatter("%(message)s")
    formatter._style = style = Sometimes("%(message)s")
    fast = StockFormat(formatter).format
    fast(make(1.7e9, "warm"))
    style.wanted = False
    plain = make(1.7e9, "m")
    assert fast(plain) == "m"
    assert "asctime" not in plain.__dict__

    formatter = logging.Formatter("%(message)s")
    fast = StockFormat(formatter).format
    fast(make(1.7e9, "warm"))
    formatter._style.format = lambda record: "own"  # type: ignore[method-assign]
    assert fast(make(1.7e9 + 1, "m")) == "own"


@pytest.mark.skipif(sys.platform == "win32", reason="the C library of Windows knows no such times")
@pytest.mark.parametrize("created", [[-1.0, -1.5], [-1.5, -1.0], [-86400.5, -86400.0]])
def test_times_before_the_epoch(created: list[float]) -> None:
    """Times before 1970, where a second is not the whole part of the time, give the stock text too."""
    formatter = logging.Formatter("%(asctime)s %(message)s")
    fast = StockFormat(formatter).format
    for moment in created:
        assert fast(make(moment, "m")) == formatter.format(make(moment, "m"))


@pytest.mark.parametrize("created", [float("nan"), float("inf"), None, "yesterday"])
def test_a_record_without_a_usable_time_is_formatted_if_its_format_needs_none(created: object) -> None:
    """A time that is none does not cost a record whose format does not show it."""
    record = make(0.0, "m")
    record.created = created  # type: ignore[assignment]
    assert StockFormat(logging.Formatter("%(message)s")).format(record) == "m"


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Formatter has no defaults")
def test_defaults() -> None:
    """A formatter's defaults are filled in."""
    formatter = logging.Formatter("%(asctime)s %(message)s %(extra)s", defaults={"extra": "none"})
    assert StockFormat(formatter).format(make(1.7e9, "m")) == formatter.format(make(1.7e9, "m"))


CHANGES = {
    "default_msec_format": None,
    "default_time_format": "%H",
    "converter": staticmethod(lambda _created: time.gmtime(0)),
    "formatTime": lambda _self, _record, _datefmt=None: "noon",
}


@pytest.mark.parametrize("name", list(CHANGES))
@pytest.mark.parametrize("on", ["class", "instance"])
def test_change_counts_from_the_next_record_on(monkeypatch: pytest.MonkeyPatch, name: str, on: str) -> None:
    """How the class or the formatter writes times may be changed at any moment, also within a second, and back again."""
    formatter = logging.Formatter("%(asctime)s %(message)s")
    fast = StockFormat(formatter).format
    fast(make(1.7e9, "warm"))
    for value in (CHANGES[name], getattr(logging.Formatter, name)):
        if on == "instance":
            value = getattr(value, "__func__", value)
            value = (lambda record, datefmt=None: "noon") if name == "formatTime" else value
        monkeypatch.setattr(logging.Formatter if on == "class" else formatter, name, value, raising=False)
        assert fast(make(1.7e9 + 0.25, "m")) == formatter.format(make(1.7e9 + 0.25, "m"))


def test_change_of_the_style_counts_from_the_next_record_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """So do the format of a style and the style's own methods."""
    formatter = logging.Formatter("%(asctime)s %(message)s")
    fast = StockFormat(formatter).format
    fast(make(1.7e9, "warm"))
    formatter._style._fmt = "%(message)s!"
    assert fast(make(1.7e9, "m")) == "m!"
    monkeypatch.setattr(logging.PercentStyle, "format", lambda _self, _record: "patched")
    assert fast(make(1.7e9, "m")) == "patched"


@pytest.mark.parametrize("on", ["class", "instance", "subclass"])
def test_message_of_ones_own_counts_at_once(monkeypatch: pytest.MonkeyPatch, on: str) -> None:
    """A record that makes its message otherwise is asked for it, whoever taught it so, and from when on."""
    fast = StockFormat(logging.Formatter("%(message)s")).format
    fast(make(1.7e9, "warm"))
    record = make(1.7e9, "m")
    if on == "class":
        monkeypatch.setattr(logging.LogRecord, "getMessage", lambda _self: "own")
    elif on == "instance":
        record.getMessage = lambda: "own"  # type: ignore[method-assign]
    else:
        record.__class__ = type("Record", (logging.LogRecord,), {"getMessage": lambda _self: "own"})
    assert fast(record) == "own"


@pytest.mark.parametrize("fmt", ["%(name_of)s", "%(getMessage)s", "%(class)s %(from)5s", "%(__class__)s", "%(__dict__)s"])
@pytest.mark.parametrize("style", ["%", "{"])
def test_fields_that_are_no_attributes(monkeypatch: pytest.MonkeyPatch, fmt: str, style: str) -> None:
    """A field is what the record's dictionary has: a method of the class, or what a program adds to it later, is none, and a
    keyword may be one."""
    if style == "{":
        fmt = fmt.replace("%(", "{").replace(")s", "}").replace(")5s", ":>5}")
    formatter = logging.Formatter(fmt, style=style)  # type: ignore[arg-type]
    fast = StockFormat(formatter).format
    more = {"name_of": "own", "class": "c", "from": "f"}
    for fields in (more, {}):
        for second in (1.7e9, 1.7e9 + 5):
            stock, ours = make(second, "m", **fields), make(second, "m", **fields)
            assert outcome(fast, ours) == outcome(formatter.format, stock)
            monkeypatch.setattr(logging.LogRecord, "name_of", "the class's", raising=False)


def test_style_of_another_kind() -> None:
    """A style that only has what a formatter asks of it is obeyed, at every record."""

    class Shout:
        def usesTime(self) -> bool:
            return False

        def format(self, record: logging.LogRecord) -> str:
            return record.message.upper()

    formatter = logging.Formatter()
    formatter._style = Shout()  # type: ignore[assignment]
    fast = StockFormat(formatter).format
    assert [fast(make(1.7e9, text)) for text in ("a", "b")] == ["A", "B"]


PATCHED = """
import logging, sys
logging.Formatter.formatTime = lambda self, record, datefmt=None: "noon"
logging.Handler.format = (lambda stock: lambda self, record: "[" + stock(self, record) + "]")(logging.Handler.format)
logging.Handler.filter = lambda self, record: record.msg != "drop"
from mpfhandler import MultProcTimedRotatingFileHandler
handler = MultProcTimedRotatingFileHandler(sys.argv[1], encoding="utf-8")
handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
for text in ("keep", "drop"):
    handler.handle(logging.makeLogRecord({"msg": text}))
"""


def test_what_was_replaced_before_the_import_counts(tmp_path: Path) -> None:
    """Whoever replaces methods of `logging` may do so before this package is imported."""
    subprocess.run([sys.executable, "-c", PATCHED, str(tmp_path / "app.log")], check=True, timeout=60)
    assert (tmp_path / "app.log").read_text() == "[noon keep]\n"
