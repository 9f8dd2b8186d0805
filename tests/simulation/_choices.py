"""Where a run's choices come from: a list of numbers that is played back, a random generator, or both one after the other.

Choice 0 is always the plainest: the same thread goes on, nothing goes wrong. A list that ends early goes on with zeros, so a
shorter list, or one with more zeros, is a simpler run: that is what shrinking looks for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_PLAIN = 0.8  # how often a random run goes on plainly
_BLOCKS = (64, 32, 16, 8, 4, 2, 1)


class Choices:
    """Numbers on demand, all of them remembered in `made`.

    Args:
        given: played back first.
        random_source: goes on after that; None goes on with zeros.
    """

    def __init__(self, given: Sequence[int] = (), random_source: random.Random | None = None) -> None:
        self._given = given
        self._random = random_source
        self.made: list[int] = []

    def pick(self, count: int, plain: float = _PLAIN) -> int:
        """A number below `count`; 0 in `plain` of the random cases."""
        if count > 1:
            return 0 if self.plain(plain) else self.other(count)
        self.made.append(0)
        return 0

    def plain(self, plain: float = _PLAIN) -> bool:
        """Whether the next number is 0, however many there are to choose from; if not, `other` gives it."""
        position = len(self.made)
        given = position < len(self._given)
        zero = not self._given[position] if given else self._random is None or self._random.random() < plain
        if zero:
            self.made.append(0)
        return zero

    def other(self, count: int) -> int:
        """A number from 1 to below `count`."""
        position = len(self.made)
        if position < len(self._given):
            number = min(self._given[position], count - 1)
        else:
            number = self._random.randrange(1, count) if self._random else 0
        self.made.append(number)
        return number


def shrink(choices: Sequence[int], fails: Callable[[Sequence[int]], bool], budget: int = 2000) -> list[int]:
    """A simpler list of choices that still fails: parts left out, numbers made zero or smaller.

    Args:
        choices: that fail.
        fails: runs a list of choices.
        budget: runs at most.
    """
    best = _without_zeros(choices)
    tried = 0
    progress = True
    while progress and tried < budget:
        progress = False
        for candidate in _simpler(best):
            tried += 1
            if fails(candidate):
                best, progress = _without_zeros(candidate), True
                break
            if tried >= budget:
                break
    return best


def _simpler(choices: list[int]):
    for size in _BLOCKS:
        for start in range(0, len(choices), size):
            if any(choices[start : start + size]):
                yield [*choices[:start], *[0] * len(choices[start : start + size]), *choices[start + size :]]
            yield choices[:start] + choices[start + size :]
    for index, number in enumerate(choices):
        for smaller in {number // 2, number - 1} if number > 1 else ():
            yield [*choices[:index], smaller, *choices[index + 1 :]]


def _without_zeros(choices: Sequence[int]) -> list[int]:
    """Zeros at the end are what a list goes on with anyway."""
    kept = list(choices)
    while kept and kept[-1] == 0:
        kept.pop()
    return kept
