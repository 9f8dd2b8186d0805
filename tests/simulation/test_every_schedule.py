"""Promises P1 to P5 under every schedule of small worlds, many of somewhat larger ones, and random ones of large worlds.

`MPFHANDLER_PROOF` is the number of seconds that each world gets (`nox -s proof`); without it a run is short. What a run has
covered is printed at its end.
"""

from __future__ import annotations

import os
import random

import pytest

pytest.importorskip("greenlet", reason="simulated threads are greenlets")

from _choices import Choices, shrink
from _explore import Coverage, explore, search
from _scheduler import Budget
from _world import Spec, World, failing, story
from _worlds import BOUNDED, CHECKED, RANDOM, SMALL, WHOLE

pytestmark = pytest.mark.simulation

PROOF = float(os.environ.get("MPFHANDLER_PROOF", "0"))
SECONDS = PROOF or 60.0  # for each world, at most
WHOLE_SECONDS = max(600.0, SECONDS)  # these come to an end
SMALL_SECONDS = 4 * SECONDS
SCHEDULES, SEEDS = (None, 10**9) if PROOF else (1300, 130)  # an ordinary run is the same each time
FEW = 400  # records tell nothing of a share


@pytest.mark.parametrize("name", WHOLE)
def test_every_schedule_of_a_small_world(name: str, covered: Coverage) -> None:
    """Whoever goes on at each operation, no record is lost, doubled, torn or misfiled, and nobody waits too long."""
    counts = explore(WHOLE[name], WHOLE_SECONDS, SCHEDULES)
    covered.add(name, WHOLE[name], counts)
    assert counts.finished or not PROOF


@pytest.mark.parametrize("name", SMALL)
def test_as_many_schedules_as_time_allows(name: str, covered: Coverage) -> None:
    """The same in worlds with more of them."""
    covered.add(name, SMALL[name], explore(SMALL[name], SMALL_SECONDS, SCHEDULES))


@pytest.mark.parametrize("name", BOUNDED)
def test_schedules_with_few_preemptions(name: str, covered: Coverage) -> None:
    """The same for more processes or periods, with one or two preemptions anywhere."""
    covered.add(name, BOUNDED[name], explore(BOUNDED[name], SECONDS, SCHEDULES))


@pytest.mark.parametrize("name", RANDOM)
def test_random_schedules(name: str, covered: Coverage) -> None:
    """The same with kills, torn and short writes, errors, stopped processes, clock steps and files that are taken away. Of the
    records' places as many were held against P2 as are not excused for what happens in this world."""
    first = random.SystemRandom().randrange(1 << 40) if PROOF else 0
    counts = search([RANDOM[name]], range(first, first + SEEDS), SECONDS)
    covered.add(name, RANDOM[name], counts)
    assert counts.share >= CHECKED[name] or counts.placed < FEW


def test_a_run_is_replayed_exactly() -> None:
    """The same choices give the same trace: what fails can be looked at again."""
    spec = RANDOM["kills and stops"]
    choices = Choices(random_source=random.Random(7))
    World(spec, choices).run()
    assert story(spec, choices.made) == story(spec, choices.made)
    assert failing(spec, choices.made) is None


def test_what_fails_is_shrunk() -> None:
    """Of the choices that matter, none is lost, and the others go."""
    fails = [3, 0, 5, 1, 0, 7, 2, 2]
    assert shrink(fails, lambda choices: 5 in choices and 7 in choices) == [5, 7]


def test_a_world_without_choices_is_one_schedule() -> None:
    """One process alone has one schedule, and it ends."""
    counts = explore(Spec((("log", "log"),)))
    assert (counts.runs, counts.finished) == (1, True)


def test_independent_steps_are_not_told_apart() -> None:
    """Two processes that never meet have many schedules, but only so many states as they have steps together."""
    counts = explore(Spec((("log",), ("log",)), budget=Budget(preemptions=0)))
    assert counts.runs <= 2


ALIKE = [Spec((("log",), ("log",)), max_bytes=40, before=0.9), Spec((("log", "log"), ("log",)), max_bytes=80, before=0.9)]
if PROOF:
    ALIKE += [Spec((("log",), ("rotate",)), before=0.9)]


@pytest.mark.parametrize("spec", ALIKE)
def test_what_is_left_out_makes_no_difference(spec: Spec) -> None:
    """With and without the steps that are no points, a world has the same outcomes: names, records and their order."""
    assert outcomes(spec, every=True) == outcomes(spec, every=False)


def outcomes(spec: Spec, *, every: bool) -> set[frozenset[tuple[str, bytes]]]:
    """The files with which a world can end; the lock file tells times, which depend on how long somebody waited."""
    found: set[frozenset[tuple[str, bytes]]] = set()

    def ended(world: World) -> None:
        files = world.kernel.files()
        found.add(frozenset((name, data) for name, data in files.items() if not name.endswith(".lock")))

    counts = explore(spec, every=every, ended=ended)
    assert counts.finished
    assert len(found) > 1
    return found
