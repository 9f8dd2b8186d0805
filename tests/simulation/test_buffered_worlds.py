"""Buffered delivery on the simulated kernel: the promises hold from the flush on, whatever happens to others or to the disk."""

from __future__ import annotations

import os
import random
import re
from dataclasses import replace

import pytest

pytest.importorskip("greenlet", reason="simulated threads are greenlets")

import _buffered
from _buffered import BufferedSpec
from _explore import Coverage, Failure, search
from _scheduler import Budget
from _world import failing, story

from mpfhandler._engine.buffer import Buffer

pytestmark = pytest.mark.simulation

PROOF = float(os.environ.get("MPFHANDLER_PROOF", "0"))
SEEDS = 3000 if PROOF else 60
_TIMES = (("clock_boundary", 2), ("clock_second", 2))
_BASE = BufferedSpec((("anything",) * 8,) * 3, step_ns=20_000, size=50, events=_TIMES)
WORLDS = {
    "times": _BASE,
    "kills": replace(_BASE, budget=Budget(kills=2, tears=True)),
    "short writes": replace(_BASE, budget=Budget(short_writes=3)),
    "full disk": replace(_BASE, events=(*_TIMES, ("disk_freed", 1)), capacity=8192, size=1500, granularity=4096),
    "size splits": replace(_BASE, max_bytes=150, budget=Budget(kills=1)),
    "log removed": replace(_BASE, events=(*_TIMES, ("log_removed", 2))),
    "threads": replace(_BASE, threads=2),
}

# Of the records in these worlds at least so many are not excused from P2; measured were some 0.08 more.
CHECKED = {
    "times": 0.66,
    "kills": 0.90,
    "short writes": 0.63,
    "full disk": 0.62,
    "size splits": 0.74,
    "log removed": 0.62,
    "threads": 0.49,
}


@pytest.mark.parametrize("name", WORLDS)
def test_random_schedules(name: str, covered: Coverage) -> None:
    """P1, P2, P5: no record that was flushed is lost, doubled, torn or misfiled, and no other one is doubled."""
    first = random.SystemRandom().randrange(1 << 40) if PROOF else 0
    counts = search([WORLDS[name]], range(first, first + SEEDS))
    covered.add(f"buffered, {name}", WORLDS[name], counts)
    assert counts.share >= CHECKED[name]


def test_a_broken_promise_is_told_with_a_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a rotation forgets what is in the buffer: the seed, few choices that replay the loss, and the trace of that run."""
    forgets = Buffer.rotate

    def rotate(self: Buffer) -> bool:
        self._renew()
        return forgets(self)

    monkeypatch.setattr(Buffer, "rotate", rotate)
    with pytest.raises(Failure) as caught:
        search([WORLDS["times"]], range(SEEDS))
    told = str(caught.value)
    assert f"seed {caught.value.seed}\n" in told
    assert 0 < sum(map(bool, caught.value.choices)) < 4
    again = re.search(r"^replay: failing\((.*), (\[.*\])\)$", told, re.MULTILINE)
    assert again is not None
    spec, choices = (eval(text, {**vars(_buffered), "Budget": Budget}) for text in again.groups())
    assert (spec, choices) == (WORLDS["times"], caught.value.choices)
    assert told.endswith(story(spec, choices))
    assert f"VIOLATION {failing(spec, choices)}" in told
    assert re.search(r"^VIOLATION P1", told, re.MULTILINE)
    monkeypatch.undo()
    assert failing(spec, choices) is None
