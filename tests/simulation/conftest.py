"""What the simulation has covered, printed at the end of a run."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator

import pytest

_TOLD = 20_000  # characters of a failure's two ends: seed and choices stand at its beginning, what was found at its end


@pytest.fixture(scope="session", autouse=True)
def _what_is_loaded_stays() -> Iterator[None]:
    """The garbage collector, which every world keeps busy, leaves alone what was there before: a fifth of a run's time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def covered(request: pytest.FixtureRequest) -> object:
    """Takes the counts of a search; they are printed by the terminal summary."""
    from _explore import Coverage

    return Coverage(lambda found: request.node.user_properties.append(("simulated", found)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A run of an hour tells at once what fails."""
    if report.failed and "MPFHANDLER_PROOF" in os.environ and "PYTEST_XDIST_WORKER" not in os.environ:
        text = report.longreprtext
        told = text if len(text) <= 2 * _TOLD else f"{text[:_TOLD]}\n…\n{text[-_TOLD:]}"
        print(f"\nFAILED {report.nodeid}\n{told}", file=sys.__stderr__, flush=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each world, and the sum."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    found = [value for report in reports for key, value in report.user_properties if key == "simulated"]
    if not found:
        return
    terminalreporter.section("simulated schedules")
    for line, *_ in found:
        terminalreporter.write_line(line)
    for title, some in (("with mishaps", [one for one in found if one[1]]), ("all together", found)):
        whole, cut = (sum(one[column] for one in some) for column in (2, 3))
        terminalreporter.write_line(f"{title}: {whole:,} distinct schedules to their end, {cut:,} cut at a known state")
