"""Worlds whose processes gather records first: a record is promised when the flush behind it has returned.

The flusher's thread is left out: programs flush themselves, at any point, and the buffer is small, so that it is full often.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from unittest.mock import patch

from _choices import Choices
from _oracle import Record
from _process import Process
from _world import Program, See, Spec, World

from mpfhandler._engine.buffer import Buffer
from mpfhandler._engine.writer import Writer
from mpfhandler._pure.options import Delivery
from mpfhandler._resources import exits, fork

RECORDS = 4  # that a buffer holds


@dataclass(frozen=True)
class BufferedSpec(Spec):
    """What such a world is like."""

    def world(self, choices: Choices, see: See | None = None, *, traced: bool = False, plain: float = 0.8) -> World:
        return BufferedWorld(self, choices, see, traced=traced, plain=plain)


class BufferedWorld(World):
    """One run of it."""

    def __init__(self, spec: Spec, choices: Choices, see: See | None = None, *, traced: bool = False, plain: float = 0.8) -> None:
        super().__init__(spec, choices, see, traced=traced, plain=plain)
        self.options = replace(self.options, delivery=Delivery(buffered=True, size=RECORDS * spec.size))
        self._buffers: dict[Writer, Buffer] = {}

    def program(self, process: Process, writer: Writer, name: str) -> Program:
        return BufferedProgram(self, process, writer, name, buffer=self._buffer(writer))

    def _buffer(self, writer: Writer) -> Buffer:
        """Of this engine; one for all threads."""
        if writer not in self._buffers:
            with patch.object(fork, "register", _nothing), patch.object(exits, "register", _nothing):
                made = self._buffers[writer] = Buffer(writer)
            made._flusher._threads = replace(made._flusher._threads, start=lambda _work, _name: NeverRuns())
        return self._buffers[writer]


class NeverRuns:
    """A thread that was started, as far as the engine can tell."""

    def join(self, timeout: float | None = None) -> None:
        """It has ended."""


@dataclass
class BufferedProgram(Program):
    """What one thread does."""

    buffer: Buffer = None  # type: ignore[assignment]
    waiting: list[Record] = field(default_factory=list)  # not promised yet

    def rotate(self) -> None:
        self._flushing(self.buffer.rotate)

    def flush(self) -> None:
        self._flushing(self.buffer.flush)

    def close(self) -> None:
        waited = self.world.ledger.waiting(self.process)
        self._flushing(self.buffer.close)
        self.world.ledger.closed(self.process, waited)

    def fork(self, *_: str) -> None:
        self.log()

    def leave(self) -> None:
        self.flush()
        super().leave()

    def _flushing(self, call: Callable[[], object]) -> None:
        self._call(call)
        while self.waiting:
            self.world.ledger.end(self.waiting.pop(0))

    def _record(self, created: float) -> None:
        record = self._begin(created)
        self.waiting.append(record)
        self._call(lambda: self.buffer.write(record.line + b"\n", created))
        record.buffered = True


def _nothing(_one: object) -> None:
    """Nobody is told."""
