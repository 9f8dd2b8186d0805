"""The queue against a model that remembers every record: counts, order and bounds are exact after any history."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mpfhandler._resources.spill import Lost, Spill

LIMIT = 20


@dataclass
class Seen:
    """One record as the model has it."""

    data: bytes
    created: float
    kept: bool


class SpillModel(RuleBasedStateMachine):
    """Does to the queue what an engine can do, and keeps a plain list of everything that was ever added."""

    def __init__(self) -> None:
        super().__init__()
        self.spill = Spill(LIMIT)
        self.waiting: list[Seen] = []  # kept and dropped ones, in order
        self.added = self.written = self.told = self.given_up = self.forgotten = 0
        self.dropped = 0

    @rule(size=st.integers(1, LIMIT + 5), created=st.floats(0, 1e9))
    def add(self, size: int, created: float) -> None:
        """A record that could not be written."""
        room = LIMIT - sum(len(one.data) for one in self.waiting if one.kept)
        data = bytes([65 + self.added % 26]) * size
        self.added += 1
        assert self.spill.add(data, created) is (size <= room)
        self.waiting.append(Seen(data, created, kept=size <= room))
        self.dropped += size > room

    @precondition(lambda self: self.waiting)
    @rule()
    def write(self) -> None:
        """The disk takes the next one: a record, or the line about a run of lost ones."""
        first = self.waiting[0]
        if first.kept:
            assert self.spill.take() == (first.data, first.created)
            self.waiting.pop(0)
            self.written += 1
        else:
            run = [first]
            while len(run) < len(self.waiting) and not self.waiting[len(run)].kept:
                run.append(self.waiting[len(run)])
            times = [one.created for one in run]
            assert self.spill.take() == Lost(len(run), min(times), max(times))
            self.told += len(run)
            del self.waiting[: len(run)]

    @rule()
    def give_up(self) -> None:
        """The program ends, or closes the log."""
        kept = sum(one.kept for one in self.waiting)
        assert self.spill.give_up() == kept
        self.given_up += kept
        self.forgotten += len(self.waiting) - kept
        self.waiting.clear()

    @invariant()
    def counts_are_exact(self) -> None:
        """Every record that was ever added is written, waiting, or counted as lost."""
        kept = sum(one.kept for one in self.waiting)
        assert self.spill.waiting == kept
        assert self.spill.lost == self.dropped + self.given_up
        assert self.added == self.written + self.spill.waiting + self.spill.lost

    @invariant()
    def bound_holds(self) -> None:
        """No more than the limit is kept, and an empty queue is false."""
        assert sum(len(one.data) for one in self.waiting if one.kept) <= LIMIT
        assert bool(self.spill) is bool(self.waiting)


TestSpill = SpillModel.TestCase
TestSpill.settings = settings(deadline=None, max_examples=80, stateful_step_count=30)
