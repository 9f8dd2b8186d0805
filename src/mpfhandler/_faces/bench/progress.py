"""A progress bar on stderr while a command runs: rich's where it is installed, else a plain one; none where nobody looks."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Progress", "line"]

_WIDTH = 24


class Progress:
    """So many steps are to come; each is named when it begins.

    Args:
        total: steps.
        out: where it is shown, if that is a terminal.
    """

    def __init__(self, total: int, out: TextIO | None = None) -> None:
        self._total = max(total, 1)
        self._done = 0
        self._out = sys.stderr if out is None else out
        self._begun = time.monotonic()
        self._shown = self._out.isatty()
        self._rich: Any = None

    def __enter__(self) -> Self:
        if self._shown and importlib.util.find_spec("rich") is not None:
            self._start_rich()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._rich is not None:
            self._rich.stop()
        elif self._shown:
            self._out.write("\r\x1b[K")
            self._out.flush()

    def begin(self, what: str) -> None:
        """The next step begins."""
        self._show(self._done, what)
        self._done += 1

    def tell(self, what: str) -> None:
        """What the present step is at."""
        self._show(max(self._done - 1, 0), what)

    def _show(self, done: int, what: str) -> None:
        if self._rich is not None:
            self._rich.update(self._task, completed=done, description=what)
        elif self._shown:
            self._out.write(f"\r\x1b[K{line(done, self._total, time.monotonic() - self._begun, what)}")
            self._out.flush()

    def say(self, text: str) -> None:
        """A line that stays, on stderr, also where there is no bar."""
        if self._shown and self._rich is None:
            self._out.write("\r\x1b[K")
        if self._rich is not None:
            self._rich.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self._out, flush=True)

    def _start_rich(self) -> None:
        bars: Any = importlib.import_module("rich.progress")
        console: Any = importlib.import_module("rich.console").Console(file=self._out)
        columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.MofNCompleteColumn(), bars.TimeRemainingColumn())
        self._rich = bars.Progress(*columns, console=console, transient=True)
        self._task = self._rich.add_task("", total=self._total)
        self._rich.start()


def line(done: int, total: int, seconds: float, what: str) -> str:
    """The plain bar: how far, how long it may still take, and what is being done."""
    full = _WIDTH * done // total
    left = f"{seconds * (total - done) / done:.0f} s left" if done else "…"
    return f"[{'#' * full}{'.' * (_WIDTH - full)}] {done}/{total}, {left}: {what}"
