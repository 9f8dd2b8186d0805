"""Tells at the end of a run how much the tests of faults have covered."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Generator, Iterator

import pytest
from _proof import COUNTS


@pytest.fixture
def young_heap() -> Iterator[None]:
    """For tests that collect garbage at each point: what other tests have left in memory is not looked at each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """What a test has counted goes with its report, from whatever process it ran in."""
    COUNTS.clear()
    try:
        return (yield)
    finally:
        item.user_properties.append(("faults", dict(COUNTS)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was counted, if anything was."""
    counts = Counter[str]()
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for found in (value for key, value in report.user_properties if key == "faults"):
            counts.update(found)
    if counts:
        covered = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        terminalreporter.write_line(f"faults covered: {covered}")
