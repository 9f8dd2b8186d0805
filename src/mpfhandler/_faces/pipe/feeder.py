"""The way of the lines from standard input to the log, and what comes in between: signals, and a disk that takes nothing."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Protocol

from ..._engine.lines import Lines
from ..._engine.timedlogfile import TimedLogFile
from ..._platform import OPERATIONS
from .chunks import Chunks

__all__ = ["Feeder", "Input"]

_PAUSES = (0.05, 1.0)  # seconds before what waits for the disk is tried again: at first, at most


class Input(Protocol):
    """What lines are read from: see `Source`."""

    hangups: int
    ends: list[int]

    def wait(self) -> bool: ...
    def pause(self, seconds: float) -> None: ...
    def read(self, most: int = ...) -> bytes: ...
    def pending(self) -> int: ...


class Feeder:
    """Passes on what comes, as it comes: what can be read is written, at once and as whole lines, before more is read.

    Args:
        source: entered.
        log: stays the caller's to close.
        chunks: cuts lines.
        stamped: the time of arrival is put before each line.
        waits: nothing is read while the disk takes nothing; else what it does not take may be dropped.
        tell: prints what the user has to know.
    """

    def __init__(
        self, source: Input, log: TimedLogFile, chunks: Chunks, *, stamped: bool, waits: bool, tell: Callable[[str], None]
    ) -> None:
        self._source = source
        self._log = log
        self._chunks = chunks
        self._lines = Lines(log, waits=waits)
        self._stamped = stamped
        self._waits = waits
        self._tell = tell
        self._told_of_cut = False
        self.gone = False  # the log is a stream that nobody reads any more

    def run(self) -> None:
        """Until the input ends, or a signal asks for an end: then what has come by then is written, too.

        Raises:
            BrokenPipeError: `gone` has been set.
            OSError: the input cannot be read.
        """
        while not self._source.ends:
            self._answer_hangup()
            if not self._source.wait():
                continue
            data = self._source.read()
            if not data:
                break
            self._take(data)
        else:
            self._take_what_is_there()
        self._write(self._chunks.rest())
        self._lines.retry()  # with a buffer: now, and not within close(), which waits for a moment only
        self._wait_for_the_disk()

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C was what ended it."""
        return self._source.ends[:1] == [signal.SIGINT]

    def _take_what_is_there(self) -> None:
        """Not more: who writes may never stop."""
        left = self._source.pending()
        while left > 0 and (data := self._source.read(left)):
            left -= len(data)
            self._take(data)

    def _take(self, data: bytes) -> None:
        self._write(self._chunks.feed(data))
        if self._chunks.cuts and not self._told_of_cut:
            self._told_of_cut = True
            self._tell("a line is longer than --max-line; what follows goes on the next line, also with later ones")

    def _write(self, block: bytes) -> None:
        if not block:
            return
        created = OPERATIONS.now()
        self._lines.write(self._stamp(block, created) if self._stamped else block, created)
        self._check_reader()
        self._wait_for_the_disk()

    def _wait_for_the_disk(self) -> None:
        """Where something waits for it: who writes to us waits, too, as soon as the pipe is full. Given up when an end is asked
        for a second time."""
        if not self._waits or not self._lines.behind:
            return
        pause, most = _PAUSES
        told = False
        while self._lines.behind and len(self._source.ends) < 2:
            self._source.pause(pause)
            self._answer_hangup()
            self._lines.retry()
            self._check_reader()
            pause = min(2 * pause, most)
            if self._lines.behind and not told:  # what is over by then is not worth a word
                told = True
                self._tell("the log takes nothing; the input is not read until it does")

    def _check_reader(self) -> None:
        if self.gone:
            raise BrokenPipeError

    def _answer_hangup(self) -> None:
        if self._source.hangups:
            self._source.hangups = 0  # several at once are one
            self._log.rotate()

    def _stamp(self, block: bytes, created: float) -> bytes:
        """As `logging` writes `asctime`, by the clock of the log's zone."""
        options, end = self._log._writer.options, self._log._terminator
        time = f"{options.schedule.wall(int(created))},{int(created % 1 * 1000):03} ".encode("ascii")
        return time + block.removesuffix(end).replace(end, end + time) + end
