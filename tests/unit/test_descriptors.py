"""Who owns which descriptor number."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mpfhandler._platform import OPERATIONS
from mpfhandler._resources.descriptors import claim
from mpfhandler._resources.held import HeldDescriptors

NUMBER = 1_000_003  # no process has it


class Owner:
    """Remembers what it has lost."""

    def __init__(self) -> None:
        self.lost: list[int] = []

    def disown(self, number: int) -> None:
        self.lost.append(number)


def test_owner_of_a_number_that_is_given_out_again_is_told() -> None:
    """A number comes back from the system only after somebody has closed it: who believed to own it has lost it, once."""
    first, second = Owner(), Owner()
    claim(OPERATIONS, NUMBER, first)
    claim(OPERATIONS, NUMBER, first)
    assert first.lost == []
    claim(OPERATIONS, NUMBER, second)
    claim(OPERATIONS, NUMBER, second)
    assert (first.lost, second.lost) == ([NUMBER], [])


def test_run_closes_nothing_but_what_it_has_opened(tmp_path: Path) -> None:
    """A number that a forked child has given up may be another file's by now, and is not the run's to close."""
    held = HeldDescriptors(OPERATIONS)
    table = held.table()
    (tmp_path / "file").touch()
    mine = table.open_side(str(tmp_path / "file"))
    held.after_fork_in_child()
    with pytest.raises(OSError, match=r"Bad file descriptor|handle"):
        os.fstat(mine)
    others = os.open(tmp_path / "file", os.O_RDONLY)
    table.close(others)
    assert os.fstat(others).st_size == 0
    os.close(others)
