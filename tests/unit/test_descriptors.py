"""Who owns which descriptor number."""

from __future__ import annotations

from mpfhandler._platform import OPERATIONS
from mpfhandler._resources.descriptors import claim

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
