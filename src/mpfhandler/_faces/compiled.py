"""A format string as one function: filling in a dictionary by name, over and over, is most of what formatting costs.

`text_of(style)` gives a function of a record, its message and its asctime that returns what the style's own `format` does, or
raises anything at all where that raises. A field as programs write it becomes a part of one f-string, which reads the record's
attribute: asking a record for its dictionary makes one, which costs more than ten attributes. Whatever else a style can be is
filled in as logging does it, without the way there.

The record is exactly a `logging.LogRecord`. Logging looks for a field in a record's dictionary alone, so a name that the class
has (a method, or what a program has added to it) is no attribute to be read here.
"""

from __future__ import annotations

import keyword
import logging
import re
import string
from collections.abc import Callable, Iterator
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Text", "text_of"]

Text = Callable[[logging.LogRecord, str, str], str]  # a record, its message and asctime → its text

_PERCENT = re.compile(
    r"%(?:(?P<percent>%)|\((?P<name>[A-Za-z_]\w*)\)(?P<spec>[-#0 +]*\d*(?:\.\d+)?[diouxXeEfFgGcrsa]))", re.ASCII
)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SPEC = re.compile(r"[\w<>=^+\-# .,]*", re.ASCII)
_LOCAL = {"message", "asctime"}  # names that the function has at hand


class _Unusual(Exception):
    """No field that is worth a word of its own."""


def text_of(style: logging.PercentStyle) -> Text:
    """What fills in this style, which is exactly one of logging's three."""
    fmt, defaults = style._fmt, getattr(style, "_defaults", None)
    if not defaults and type(fmt) is str:
        try:
            if type(style) is logging.PercentStyle:
                return _of_records(*_compiled(fmt, _percent))
            if type(style) is logging.StrFormatStyle:
                return _of_records(*_compiled(fmt, _braces))
        except (_Unusual, ValueError):
            pass
    fill = _filled_in(style)
    return (
        (lambda record, _message, _asctime: fill({**defaults, **record.__dict__}))
        if defaults
        else lambda record, _message, _asctime: fill(record.__dict__)
    )


def _filled_in(style: logging.PercentStyle) -> Callable[[dict[str, Any]], str]:
    fmt = style._fmt
    if isinstance(style, logging.StringTemplateStyle):
        return style._tpl.substitute
    if isinstance(style, logging.StrFormatStyle):
        return lambda values: fmt.format(**values)
    return lambda values: fmt % values


def _of_records(text: Text, names: frozenset[str]) -> Text:
    """The text, if what it reads can only be an attribute of the record itself.

    Raises:
        _Unusual: the class has such an attribute.
    """
    if any(hasattr(logging.LogRecord, name) for name in names):
        raise _Unusual
    return text


@lru_cache(maxsize=16)
def _compiled(fmt: str, parts: Callable[[str, set[str]], Iterator[str]]) -> tuple[Text, frozenset[str]]:
    """The parts as one f-string, and the attributes that it reads.

    Raises:
        _Unusual, ValueError: it has to be filled in by the style.
    """
    names: set[str] = set()
    source = "".join(parts(fmt, names))
    made: Text = eval(f'lambda record, message, asctime: f"{source}"', {})  # noqa: S307  every name and specification in it was matched
    return made, frozenset(names)


def _percent(fmt: str, names: set[str]) -> Iterator[str]:
    end = 0
    for found in _PERCENT.finditer(fmt):
        yield _literal(fmt[end : found.start()], "%")
        end = found.end()
        if found["percent"]:
            yield "%"
        elif found["spec"] == "s":
            yield f"{{{_value(found['name'], names)}!s}}"
        else:
            yield f"{{'%{found['spec']}' % ({_value(found['name'], names)},)}}"
    yield _literal(fmt[end:], "%")


def _braces(fmt: str, names: set[str]) -> Iterator[str]:
    for text, name, spec, conversion in string.Formatter().parse(fmt):
        yield _literal(text)
        if name is not None:
            if not _NAME.fullmatch(name) or not _SPEC.fullmatch(spec or ""):
                raise _Unusual
            yield f"{{{_value(name, names)}{'!' + conversion if conversion else ''}{':' + spec if spec else ''}}}"


def _value(name: str, names: set[str]) -> str:
    if name in _LOCAL:
        return name
    if keyword.iskeyword(name):
        raise _Unusual
    names.add(name)
    return f"record.{name}"


def _literal(text: str, forbidden: str = "") -> str:
    """As it stands in an f-string."""
    if forbidden and forbidden in text:
        raise _Unusual
    return ascii(text)[1:-1].replace('"', '\\"').replace("{", "{{").replace("}", "}}")  # an encoding would be imported
