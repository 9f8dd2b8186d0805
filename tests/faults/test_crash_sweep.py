"""Every system call of a start, a rotation, a deletion, a user's rotator, a late record, a recovery, a close and a fork as the
last one of its process, and as one that fails: the account is right afterwards.

MPFHANDLER_PROOF=1 goes to every point; without it every fifth is taken, or eleventh, others each day.
"""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from _proof import COUNTS, PROOF
from _support import segment_names
from _sweep import FAULTS, SCENARIOS, Point, Runners, failures, kills, why_not
from _sweep_world import HOUR, PERIODS, Child, Program, Rotator, World, run

Result = tuple[Point, list[str], collections.Counter[str]]

DAY = int(time.time() // 86400)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def runners() -> Iterator[Runners]:
    """Processes that go through points; skips where none can be hurt."""
    problem = why_not()
    if problem is not None:
        pytest.skip(problem)
    with Runners() as started:
        yield started


@pytest.fixture(scope="module")
def calls(runners: Runners) -> dict[tuple[str, str], collections.Counter[str]]:
    """The system calls of every scenario, alone and beside another process; each of them is right without a fault, and it
    is known how each of its calls can fail."""
    alone = [Point(scenario) for scenario in SCENARIOS]
    beside = [Point(scenario, after="aside") for scenario in SCENARIOS if SCENARIOS[scenario].aside]
    results = list(runners.run(alone + beside))
    wrong = [f"{point}: {problems}" for point, problems, _ in results if problems]
    assert not wrong, "\n".join(wrong)
    known_to_fail(results)
    return {(point.scenario, point.after): found for point, _, found in results}


def known_to_fail(results: list[Result]) -> None:
    """How each system call of these points can fail is known, be it that it cannot."""
    unknown = {call: str(point) for point, _, found in results for call in found if call not in FAULTS}
    assert not unknown, f"no errno is known for {unknown}"


def check(kind: str, runners: Runners, points: list[Point]) -> None:
    """Go through these points, or some of them, others each day. Those that nobody has met (a call less than in the run that
    counted) are counted apart, and right all the same."""
    every = 1 if PROOF else SCENARIOS[points[0].scenario].every
    chosen = points[DAY % every :: every]
    results = list(runners.run(chosen))
    known_to_fail(results)
    wrong = [(point, problems) for point, problems, _ in results if problems]
    met = [point for point, _, found in results if found]
    COUNTS[kind] += len(met)
    COUNTS[f"{kind} not met"] += len(chosen) - len(met)
    text = "\n".join(f"{point}\n    {problems}" for point, problems in wrong[:10])
    assert not wrong, f"{len(wrong)} of {len(chosen)} points; `python tests/faults/_sweep.py POINT` shows one:\n{text}"
    assert len(met) >= 0.8 * len(chosen)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_process_may_die_before_any_system_call(
    scenario: str, runners: Runners, calls: dict[tuple[str, str], collections.Counter[str]]
) -> None:
    """P1, P2, I4: whichever system call a SIGKILL comes before, those who go on afterwards complain of nothing, and every record
    whose call had returned is there once, whole, in its period; nothing else is."""
    beside = calls.get((scenario, "aside"), collections.Counter())
    check("crash points", runners, list(kills(scenario, calls[scenario, "same"], beside)))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_any_system_call_may_fail(
    scenario: str, runners: Runners, calls: dict[tuple[str, str], collections.Counter[str]]
) -> None:
    """P1, P3, P5, I7: whichever system call fails, once or from then on, the program sees no exception and no stall; what is not
    on disk then is known to the process, and there once when the fault is gone."""
    check("fault points", runners, list(failures(scenario, calls[scenario, "same"])))


# what the sweep has found, without a fault


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A folder with a clock."""
    return World(tmp_path)


def test_the_last_process_to_close_hands_over_what_its_own_lease_has_kept_waiting(world: World) -> None:
    """P1: a process that does not log after a boundary keeps the closed file waiting; when it closes, the rotator gets it."""
    renames = Rotator(os.rename)

    def idle(program: Program) -> Iterator[None]:
        program.open(rotator=renames)
        program.log()
        yield
        program.end()
        assert not list(world.folder.glob(".*"))

    with Child(world, idle) as child:
        assert child.heard()
        world.step(HOUR)
        run(world, lambda other: (other.open(rotator=renames), other.log()))  # type: ignore[arg-type,func-returns-value]
        assert list(world.folder.glob(".*"))
        child.go()
        assert child.heard()
    assert not world.trouble.read_text()
    assert segment_names(world.folder) == [PERIODS[1]]


def test_a_child_that_was_forked_by_a_rotator_does_not_keep_the_segment(world: World) -> None:
    """P1, P5: a rotator that starts a process which lives on, by a fork alone, leaves a segment that `backupCount` may delete."""
    children: list[int] = []
    came, comes = os.pipe()

    def rename(source: str, target: str) -> None:
        child = os.fork()
        if not child:
            signal.alarm(60)  # whatever becomes of the test
            os.write(comes, b"\n")
            signal.pause()
        children.append(child)
        assert os.read(came, 1)  # until it runs it has what it was born with
        os.rename(source, target)

    def body(program: Program) -> None:
        program.open(rotator=Rotator(rename), backupCount=1)
        assert program.handler is not None
        try:
            for _ in range(3):
                program.log()
                program.handler.doRollover()
            assert len(segment_names(world.folder)) == 1
        finally:
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        program.end()

    run(world, body)
    assert not world.trouble.read_text()
