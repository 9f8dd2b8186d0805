"""asyncio under load: what a logging call costs the event loop, beside `logging.FileHandler` in the same run."""

from __future__ import annotations

import json

import pytest
from _programs import Program, Run, on_each_scale, run, side_by_side

__all__ = ["run", "side_by_side"]  # fixtures

pytestmark = pytest.mark.integration

LOOPS = Program(
    "four servers in event loops, each with eight clients, a record for each request", ("event_loops.py",), kinds=("loop",)
)
MOST = 4  # times the lag with `FileHandler`
FLOOR = 0.005  # seconds: what a machine with two cores and other work makes of any lag


@on_each_scale(LOOPS)
def test_the_loop_goes_on(program: Program, run: Run) -> None:
    """P1, P2, P3: each request is logged once, over all rotations, and the loop's lag is that with `FileHandler`, loosely."""
    said = program.assert_counted(run)
    measured = json.loads(said.splitlines()[-1])
    lags: dict[str, list[float]] = measured["lags"]
    print("event-loop lag in ms    median   99 %    most   requests")
    for way, found in lags.items():
        figures = [1000 * at(found, share) for share in (0.5, 0.99, 1.0)]
        name = "FileHandler" if way == "plain" else f"ours, {way}"
        print(f"{name:20} {figures[0]:9.2f} {figures[1]:7.2f} {figures[2]:7.2f} {measured['requests'][way]:9}")
    for way in ("direct", "buffered"):
        assert len(lags[way]) > 50
        for share in (0.5, 0.9, 0.99):
            assert at(lags[way], share) <= MOST * (at(lags["plain"], share) + FLOOR), f"{way}: {share:.0%} of the looks"


def at(found: list[float], share: float) -> float:
    """The lag that so much of the sorted looks do not exceed."""
    return found[min(int(share * len(found)), len(found) - 1)]
