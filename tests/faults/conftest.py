"""Tells at the end of a run how much the tests of faults have covered."""

from __future__ import annotations

import pytest
from _proof import COUNTS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was counted, if anything was."""
    if COUNTS:
        covered = ", ".join(f"{count} {kind}" for kind, count in sorted(COUNTS.items()))
        terminalreporter.write_line(f"faults covered: {covered}")
