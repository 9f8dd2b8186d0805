"""The remembered text of a second is the stock formatter's, byte for byte."""

from __future__ import annotations

import copy
import logging
import math
import sys
import time

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


times = st.lists(
    st.one_of(st.floats(0, 4e9), st.floats(1.7e9, 1.7e9 + 3), st.sampled_from([0.0, 0.999999, 1.7e9, 1.7e9 + 0.9999999])),
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
        fast = StockFormat(formatter)
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
    fast = StockFormat(formatter)
    fast(make(1.7e9, "warm"))
    assert fast(make(1.7e9 + 0.5, "m", **more)) == formatter.format(make(1.7e9 + 0.5, "m", **more))


def test_everything_that_is_not_stock_goes_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """An override on the instance, the class, the style or the converter is obeyed, at the latest in the next second."""
    moments = [1.7e9 + 1, 1.7e9 + 2, 1.7e9 + 3, 1.7e9 + 4]
    formatter = logging.Formatter("%(asctime)s %(message)s")
    fast = StockFormat(formatter)
    fast(make(1.7e9, "warm"))
    formatter.default_msec_format = "%s.%03d"  # type: ignore[misc]
    assert fast(make(1.7e9, "m")) == formatter.format(make(1.7e9, "m"))
    del formatter.default_msec_format
    formatter._style = logging.PercentStyle("%(message)s!")
    assert fast(make(1.7e9, "m")) == "m!"
    fast = StockFormat(formatter)
    monkeypatch.setattr(logging.Formatter, "formatMessage", lambda self, record: "patched")
    assert fast(make(moments[0], "m")) == "patched"
    monkeypatch.undo()
    monkeypatch.setattr(logging.Formatter, "formatTime", lambda self, record, datefmt=None: "noon")
    formatter = logging.Formatter("%(asctime)s %(message)s")
    fast = StockFormat(formatter)
    assert fast(make(moments[1], "m")) == "noon m"
    monkeypatch.undo()
    monkeypatch.setattr(logging.Formatter, "converter", staticmethod(lambda created: time.gmtime(0)))
    assert fast(make(moments[2], "m")).startswith("1970-01-01 00:00:00")


@pytest.mark.parametrize("created", [float("nan"), float("inf"), None, "yesterday"])
def test_a_record_without_a_usable_time_is_formatted_if_its_format_needs_none(created: object) -> None:
    """A time that is none does not cost a record whose format does not show it."""
    record = make(0.0, "m")
    record.created = created  # type: ignore[assignment]
    assert StockFormat(logging.Formatter("%(message)s"))(record) == "m"


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Formatter has no defaults")
def test_defaults() -> None:
    """A formatter's defaults are filled in."""
    formatter = logging.Formatter("%(asctime)s %(message)s %(extra)s", defaults={"extra": "none"})
    assert StockFormat(formatter)(make(1.7e9, "m")) == formatter.format(make(1.7e9, "m"))
