"""Buffered delivery on the simulated kernel: the promises hold from the flush on, whatever happens to others or to the disk.

The flusher's thread is left out: programs flush themselves, at any point, and the buffer is small, so that it is full often.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("greenlet", reason="simulated threads are greenlets")

import _world
from _choices import Choices
from _oracle import Record, Violation
from _scheduler import Budget
from _world import Program, Spec, World

from mpfhandler._engine.buffer import Buffer
from mpfhandler._engine.writer import Writer
from mpfhandler._pure.options import Delivery
from mpfhandler._resources import exits, fork

pytestmark = pytest.mark.simulation

PROOF = float(os.environ.get("MPFHANDLER_PROOF", "0"))
SEEDS = 3000 if PROOF else 60
_TIMES = (("clock_boundary", 2), ("clock_second", 2))
_BASE = Spec((("anything",) * 8,) * 3, step_ns=20_000, size=50, events=_TIMES)
WORLDS = {
    "times": _BASE,
    "kills": replace(_BASE, budget=Budget(kills=2, tears=True)),
    "short writes": replace(_BASE, budget=Budget(short_writes=3)),
    "full disk": replace(_BASE, events=(*_TIMES, ("disk_freed", 1)), capacity=8192, size=1500, granularity=4096),
    "size splits": replace(_BASE, max_bytes=150, budget=Budget(kills=1)),
    "log removed": replace(_BASE, events=(*_TIMES, ("log_removed", 2))),
    "threads": replace(_BASE, threads=2),
}


class NeverRuns:
    """A thread that was started, as far as the engine can tell."""

    def join(self, timeout: float | None = None) -> None:
        """It has ended."""


class BufferedProgram(Program):
    """A program whose records are promised when the flush behind them has returned."""

    def _buffer(self) -> Buffer:
        buffers: dict[Writer, Buffer] = self.world.__dict__.setdefault("buffers", {})
        if self.writer not in buffers:
            made = buffers[self.writer] = Buffer(self.writer)
            made._flusher._threads = replace(made._flusher._threads, start=lambda _work, _name: NeverRuns())
        return buffers[self.writer]

    def _waiting(self) -> list[Record]:
        waiting: list[Record] = self.__dict__.setdefault("waiting", [])
        return waiting

    def _flushing(self, call: Callable[[], object]) -> None:
        self._call(call)
        while self._waiting():
            self.world.ledger.end(self._waiting().pop(0))

    def rotate(self) -> None:
        self._flushing(self._buffer().rotate)

    def flush(self) -> None:
        self._flushing(self._buffer().flush)

    def close(self) -> None:
        self._flushing(self._buffer().close)
        self.world.ledger.closed(self.process)

    def fork(self, *_: str) -> None:
        self.log()

    def leave(self) -> None:
        self.flush()
        super().leave()

    def _record(self, created: float) -> None:
        name = f"{self.name}-{self.number}"
        self.number += 1
        line = (name.encode() + b" ").ljust(self.world.spec.size - 1, b"x")
        record = self.world.ledger.begin(self.process, name, line, created)
        self._waiting().append(record)
        self._call(lambda: self._buffer().write(line + b"\n", created))
        record.buffered = True


@pytest.mark.parametrize("name", WORLDS)
def test_random_schedules(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1, P2, P5: no record that was flushed is lost, doubled, torn or misfiled, and no other one is doubled."""
    nothing: Callable[[Any], None] = lambda _one: None  # noqa: E731
    monkeypatch.setattr(_world, "Program", BufferedProgram)
    monkeypatch.setattr(fork, "register", nothing)
    monkeypatch.setattr(exits, "register", nothing)
    first = random.SystemRandom().randrange(1 << 40) if PROOF else 0
    for seed in range(first, first + SEEDS):
        world = World(WORLDS[name], Choices(random_source=random.Random(seed)))
        world.options = replace(world.options, delivery=Delivery(buffered=True, size=4 * world.spec.size))
        try:
            world.run()
        except Violation as violation:
            pytest.fail(f"seed {seed}: {violation}")
