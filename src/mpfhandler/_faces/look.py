"""What every command prints with: lines, tables, JSON, complaints, a progress bar.

On a terminal, where rich is installed (extra `cli`) and the user has not asked for less (NO_COLOR, TERM=dumb), there are colours
and drawn tables. Anywhere else the same text comes without them, so that `grep` and `awk` can read it. This is the one module
that knows rich; it is imported when the first line goes to such a terminal.

Names of files are shown, never obeyed: a control character in one, also a line's end, is printed as an escape, and what the
terminal's encoding does not have, too. So what is printed as one line is one, whatever is in it.
"""

from __future__ import annotations

import errno
import functools
import importlib
import json
import os
import sys
import time
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "Column",
    "Painted",
    "Progress",
    "complain",
    "document",
    "of_output",
    "plain_bar",
    "print_json",
    "say",
    "shown",
    "table",
]

_BAR_WIDTH = 24
_CLEAR = "\r\x1b[K"
_OF_OUTPUT = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EAGAIN}  # not EIO, which reading has, too
_UNSEEN = {"Cc", "Zl", "Zp"}  # categories of what controls a terminal, or ends a line


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: in the first line.
        right: whether its cells stand at the right edge, as numbers do (default: no).
        style: in rich's words, such as "dim" or "bold red" (default: none).
    """

    title: str
    right: bool = False
    style: str = ""


class Painted(NamedTuple):
    """A cell with a style of its own."""

    text: str
    style: str


def table(columns: Sequence[Column], rows: Iterable[Sequence[str | Painted]]) -> None:
    """Print a table on standard output: drawn on a terminal, else aligned by blanks. It is all in memory before it is printed.

    Args:
        columns: from left to right.
        rows: each with as many cells as there are columns.
    """
    cells = [[_painted(cell, column) for cell, column in zip(row, columns, strict=True)] for row in rows]
    console = _console(sys.stdout)
    if console is None:
        for text in _aligned(columns, cells):
            print(text)
        return
    drawn: Any = _rich("table").Table(box=_rich("box").SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        drawn.add_column(_text(column.title, ""), justify="right" if column.right else "left", overflow="fold")
    for row in cells:
        drawn.add_row(*(_text(cell.text, cell.style) for cell in row))
    console.print(drawn)


def of_output(error: OSError) -> bool:
    """Whether an error can only be the output's, for these commands write nothing else. The program's own end tells it."""
    return error.errno in _OF_OUTPUT and error.filename is None


def say(text: str, style: str = "") -> None:
    """Print a line on standard output.

    Args:
        text: without the line's end.
        style: on a terminal, in rich's words (default: none).
    """
    _print(sys.stdout, text, style)


def document(text: str) -> None:
    """Print Markdown on standard output: drawn on a terminal with colours, else as it is.

    Args:
        text: with its tables.
    """
    console, drawn = _console(sys.stdout), _rich("markdown")
    if console is None or drawn is None:
        print(text)
    else:
        console.print(drawn.Markdown(text))


def complain(command: str, text: str) -> None:
    """Print what is wrong on standard error.

    Args:
        command: that says so; "" for the program.
        text: with what to do about it.
    """
    _print(sys.stderr, f"{f'mpfhandler {command}'.rstrip()}: {text}", "")


def print_json(value: object) -> None:
    """Print one JSON document on standard output, in ASCII.

    Args:
        value: of what JSON has: dict, list, str, int, float, bool, None.
    """
    print(json.dumps(value, indent=2))


def shown(text: str, stream: TextIO) -> str:
    """The text as that stream can show it, in one line: what controls a terminal is an escape, and what its encoding lacks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    printable = "".join(ascii(one)[1:-1] if unicodedata.category(one) in _UNSEEN else one for one in text)
    return printable.encode(encoding, "backslashreplace").decode(encoding)


class Progress:
    """A bar on standard error: so many steps are to come; each is named when it begins. Rich's on a terminal with colours, a
    plain one on any other, none where nobody looks.

    Args:
        total: steps.
        out: where it is shown, if that is a terminal (default: standard error).
    """

    def __init__(self, total: int, out: TextIO | None = None) -> None:
        self._total = max(total, 1)
        self._done = 0
        self._out = sys.stderr if out is None else out
        self._begun = time.monotonic()
        self._shown = self._out.isatty() and os.environ.get("TERM") != "dumb"
        self._bar: Any = None

    def __enter__(self) -> Self:
        console = _console(self._out)
        if console is not None:
            self._draw(console)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._shown:
            self._out.write(_CLEAR)
            self._out.flush()

    def begin(self, what: str) -> None:
        """The next step begins."""
        self._show(self._done, what)
        self._done += 1

    def tell(self, what: str) -> None:
        """What the present step is at."""
        self._show(max(self._done - 1, 0), what)

    def say(self, text: str) -> None:
        """A line that stays, on the same stream, also where there is no bar."""
        if self._bar is not None:
            self._bar.console.print(_text(shown(text, self._out), ""), soft_wrap=True)
            return
        start = _CLEAR if self._shown else ""
        print(start + shown(text, self._out), file=self._out, flush=True)

    def _show(self, done: int, what: str) -> None:
        text = shown(what, self._out)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=text)
        elif self._shown:
            self._out.write(_CLEAR + plain_bar(done, self._total, time.monotonic() - self._begun, text))
            self._out.flush()

    def _draw(self, console: Any) -> None:
        bars: Any = _rich("progress")
        name = bars.TextColumn("{task.description}", markup=False)
        columns = (name, bars.BarColumn(), bars.MofNCompleteColumn(), bars.TimeRemainingColumn())
        # Left alone: what a command prints meanwhile would go to this stream instead of its own.
        alone: dict[str, Any] = {"redirect_stdout": False, "redirect_stderr": False}
        self._bar = bars.Progress(*columns, console=console, transient=True, **alone)
        self._task = self._bar.add_task("", total=self._total)
        self._bar.start()


def plain_bar(done: int, total: int, seconds: float, what: str) -> str:
    """How far, how long it may still take, and what is being done."""
    full = _BAR_WIDTH * done // total
    left = f"{seconds * (total - done) / done:.0f} s left" if done else "…"
    return f"[{'#' * full}{'.' * (_BAR_WIDTH - full)}] {done}/{total}, {left}: {what}"


def _print(stream: TextIO, text: str, style: str) -> None:
    console = _console(stream) if style else None
    if console is None:
        print(shown(text, stream), file=stream)
    else:
        console.print(_text(shown(text, stream), style), soft_wrap=True)


def _painted(cell: str | Painted, column: Column) -> Painted:
    given = cell if isinstance(cell, Painted) else Painted(cell, column.style)
    return Painted(shown(given.text, sys.stdout), given.style)


def _aligned(columns: Sequence[Column], cells: list[list[Painted]]) -> list[str]:
    rows = [[column.title for column in columns], *([cell.text for cell in row] for row in cells)]
    widths = [max(map(_width, texts)) for texts in zip(*rows, strict=True)]
    return ["  ".join(map(_padded, row, widths, [one.right for one in columns])).rstrip() for row in rows]


def _padded(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - _width(text))
    return blanks + text if right else text + blanks


def _width(text: str) -> int:
    """In a terminal's cells."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def _text(text: str, style: str) -> Any:
    """Taken as it is: no markup in it."""
    return _rich("text").Text(text, style)


def _console(stream: TextIO) -> Any:
    """Rich's view of that stream, or None where it is to be plain."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return None
    console = _rich("console")
    return None if console is None else console.Console(file=stream, highlight=False, markup=False, emoji=False)


@functools.cache
def _rich(name: str) -> Any:
    """That module of rich, or None where it is not installed."""
    try:
        return importlib.import_module(f"rich.{name}")
    except ImportError:
        return None
