"""Sealing, and deleting by rules, beside late writers, other processes that seal, kills, failures and clocks that are set: every
schedule of small worlds, and random ones of larger worlds.

`MPFHANDLER_PROOF` is the number of seconds that each world gets (`nox -s proof`); without it a run is short.
"""

from __future__ import annotations

import os
import random

import pytest

pytest.importorskip("greenlet", reason="simulated threads are greenlets")

from _explore import Coverage, explore, search
from _sealing_worlds import CHECKED, RANDOM, SMALL, WHOLE

pytestmark = pytest.mark.simulation

PROOF = float(os.environ.get("MPFHANDLER_PROOF", "0"))
SECONDS = PROOF or 60.0  # for each world, at most
WHOLE_SECONDS = max(600.0, SECONDS)  # these come to an end
SCHEDULES, SEEDS = (None, 10**9) if PROOF else (60, 12)  # an ordinary run is the same each time
MANY = (
    "a late record for a segment that is sealed",
    "two processes seal, with a hook",
    "a late record for a segment that is deleted",
)  # an ordinary run leaves most of them out
FEW = 100  # records tell nothing of a share


@pytest.mark.parametrize("name", WHOLE)
def test_every_schedule_of_a_small_world(name: str, covered: Coverage) -> None:
    """Whoever goes on at each operation: a segment is sealed when its grace is over and nobody has it, by one process, without
    loss, and a record that comes late is in exactly one file. What is deleted is free, and a rule asks for it."""
    counts = explore(WHOLE[name], WHOLE_SECONDS, SCHEDULES if name in MANY else None)
    covered.add(name, WHOLE[name], counts)
    assert counts.finished or (name in MANY and not PROOF)


@pytest.mark.parametrize("name", SMALL)
def test_as_many_schedules_as_time_allows(name: str, covered: Coverage) -> None:
    """The same where one process is killed, or one operation fails, anywhere: the next one that seals makes up for it."""
    covered.add(name, SMALL[name], explore(SMALL[name], 4 * SECONDS, SCHEDULES))


@pytest.mark.parametrize("name", RANDOM)
def test_random_schedules(name: str, covered: Coverage) -> None:
    """The same for three processes that log, seal, start commands that seal, and fork."""
    first = random.SystemRandom().randrange(1 << 40) if PROOF else 0
    counts = search([RANDOM[name]], range(first, first + SEEDS), SECONDS)
    covered.add(f"sealing, {name}", RANDOM[name], counts)
    assert counts.share >= CHECKED[name] or counts.placed < FEW
