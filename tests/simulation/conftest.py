"""What the simulation has covered, printed at the end of a run."""

from __future__ import annotations

import pytest


@pytest.fixture
def covered(request: pytest.FixtureRequest) -> object:
    """Takes the counts of a search; they are printed by the terminal summary."""
    from _explore import Coverage

    return Coverage(lambda line: request.node.user_properties.append(("simulated", line)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each world, and the sum."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    found = [value for report in reports for key, value in report.user_properties if key == "simulated"]
    if not found:
        return
    terminalreporter.section("simulated schedules")
    for line in found:
        terminalreporter.write_line(str(line))
    total = sum(int(str(line).split(":")[1].split()[0].replace(",", "")) for line in found)
    terminalreporter.write_line(f"all together: {total:,} distinct schedules")
