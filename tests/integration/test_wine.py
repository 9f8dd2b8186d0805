"""Windows, as far as Wine is one: the table of operations, what happens while others hold files, and four processes at one log.

What Wine shows, and what not, is in docs/how-to/windows.md. The unit and property suites under Wine are `nox -s wine`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from _wine import Missing, Wine, wine

pytestmark = [pytest.mark.integration, pytest.mark.load, pytest.mark.timeout(900)]

PATIENCE = 600.0  # seconds; the first run fetches and sets up, and the machine may have a lot to do


@pytest.fixture(scope="module")
def windows() -> Iterator[Wine]:
    """A Windows CPython, or a reason why there is none."""
    try:
        found = wine()
    except Missing as why:
        pytest.skip(str(why))
    yield found
    found.end()


def test_the_table_of_operations(windows: Wine) -> None:
    """Sharing, retries, locks and names hold as `tests/unit/test_windows.py` has them, and none of these tests is skipped."""
    code, text = windows.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/test_windows.py", timeout=PATIENCE)
    assert code == 0, text
    assert "passed" in text.splitlines()[-1]
    assert "skipped" not in text.splitlines()[-1], text


def torture(windows: Wine, which: str) -> dict[str, Any]:
    """Four processes with this handler."""
    code, text = windows.run("tests/wine/torture.py", which, timeout=PATIENCE)
    assert code == 0, text
    assert "WinError" not in text
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


def test_four_processes(windows: Wine) -> None:
    """Every record of four spawned processes is there, once and whole, over rotations by several of them; nothing has failed."""
    found = torture(windows, "ours")
    assert (found["kept"], found["doubled"], found["broken"]) == (found["logged"], 0, 0), found
    assert sum(one["rotations"] for one in found["processes"]) >= 2, found
    assert [one["splits"] for one in found["processes"]] == [0] * 4, found
    assert [one["last_error"] for one in found["processes"]] == [None] * 4, found


def test_the_commands(windows: Wine) -> None:
    """`ls` is there, and `check`, which forks, says that it cannot run."""
    code, text = windows.run("-m", "mpfhandler", "ls", "--help", timeout=PATIENCE)
    assert code == 0, text
    code, text = windows.run("-m", "mpfhandler", "check", timeout=PATIENCE)
    assert code == 2, text
    assert "forked" in text
