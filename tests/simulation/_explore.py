"""Many runs of one world: all of them, where it is small, or many random ones.

All of them: depth first over the choices, each run played from the start. A state (disk, descriptors, clock, what every
process has seen, where every thread stands) that was seen before is not gone into again: processes are functions of what they
have seen, so everything that can follow is the same. That needs no notion of which operations commute.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from _choices import Choices, shrink
from _oracle import Violation
from _scheduler import Pruned
from _world import Spec, World, failing, random_run, story


@dataclass
class Counts:
    """What a search has covered."""

    whole: int = 0  # distinct schedules that came to their end
    cut: int = 0  # those that came to a state from which everything was known
    states: int = 0
    seconds: float = 0.0
    finished: bool = True
    placed: int = 0  # acknowledged records that stand in a file at the end
    checked: int = 0  # those of them whose place was held against P2; the others are excused

    @property
    def share(self) -> float:
        """Of the records whose place was checked."""
        return self.checked / self.placed if self.placed else 1.0

    @property
    def runs(self) -> int:
        """All distinct schedules."""
        return self.whole + self.cut

    def __str__(self) -> str:
        cut = f", {self.cut:,} cut at a known state, {self.states:,} states" if self.states else ""
        share = f", the place of {self.share:.0%} of {self.placed:,} records checked" if self.placed else ""
        text = f"{self.whole:,} schedules to their end{cut}{share}, {self.seconds:.1f} s"
        return text if self.finished else text + " (not all)"


class Coverage:
    """Tells what searches have covered, a line each."""

    def __init__(self, tell: Callable[[list[str | int | bool]], None]) -> None:
        self._tell = tell

    def add(self, name: str, spec: Spec, counts: Counts) -> None:
        """One search more."""
        self._tell([f"{name}: {counts}", spec.mishaps, counts.whole, counts.cut])


@dataclass
class Failure(AssertionError):
    """A schedule that breaks a promise, shrunk, with its trace."""

    violation: str
    spec: Spec
    choices: list[int]
    seed: int | None = None
    text: str = field(default="")

    def __str__(self) -> str:
        seed = "" if self.seed is None else f"seed {self.seed}\n"
        return f"{self.violation}\n{seed}replay: failing({self.spec!r}, {self.choices})\n{story(self.spec, self.choices)}"


def explore(
    spec: Spec,
    seconds: float = 3600.0,
    runs: int | None = None,
    *,
    every: bool = True,
    ended: Callable[[World], None] = lambda _world: None,
) -> Counts:
    """Every schedule of a world, or as many as so much time and so many runs allow.

    Args:
        spec: of the world.
        seconds: at most.
        runs: at most.
        every: what makes no difference to others is no point; False leaves out nothing.
        ended: is given each world that has come to its end.

    Raises:
        Failure: one of them breaks a promise.
    """
    counts = Counts()
    begun = time.monotonic()
    seen: set[int] = set()
    spec = replace(spec, every=every)
    waiting: list[bytes] = [b""]
    while waiting:
        if time.monotonic() - begun > seconds or counts.runs == runs:
            counts.finished = False
            break
        if _one(spec, waiting.pop(), seen, waiting, ended):
            counts.whole += 1
        else:
            counts.cut += 1
    counts.states, counts.seconds = len(seen), time.monotonic() - begun
    return counts


def _one(spec: Spec, prefix: bytes, seen: set[int], waiting: list[bytes], ended: Callable[[World], None]) -> bool:
    """One schedule; whether it came to its end."""
    choices = Choices(prefix)
    branches: list[tuple[int, int]] = []

    def see(picture: Callable[[], int], moves: int) -> None:
        position = len(choices.made)
        if position < len(prefix):
            return
        state = picture()
        if state in seen:
            raise Pruned
        seen.add(state)
        branches.append((position, moves))

    world = spec.world(choices, see)
    whole = True
    try:
        world.run()
    except Pruned:
        whole = False
    except Violation as violation:
        raise Failure(str(violation), spec, smallest(spec, choices.made)) from violation
    else:
        ended(world)
    made = bytes(choices.made)
    for position, moves in branches:
        waiting += [made[:position] + bytes([other]) for other in range(1, moves)]
    return whole


def search(specs: Iterable[Spec], seeds: Iterable[int], seconds: float = 3600.0, plain: float = 0.8) -> Counts:
    """Random schedules, one for each seed, of these worlds in turn.

    Raises:
        Failure: one of them breaks a promise.
    """
    counts = Counts()
    begun = time.monotonic()
    distinct: set[int] = set()
    for spec, seed in zip(itertools.cycle(specs), seeds, strict=False):
        if time.monotonic() - begun > seconds:
            break
        violation, world = random_run(spec, seed, plain)
        if violation is not None:
            raise Failure(str(violation), spec, smallest(spec, world.choices.made), seed)
        distinct.add(hash((spec, bytes(world.choices.made))))
        counts.placed += world.ledger.placed
        counts.checked += world.ledger.checked
    counts.whole, counts.seconds = len(distinct), time.monotonic() - begun
    return counts


def smallest(spec: Spec, choices: Sequence[int]) -> list[int]:
    """The simplest choices found that break something."""
    return shrink(choices, lambda shorter: failing(spec, shorter) is not None)
