"""What is made of many measurements: medians, spreads, percentiles, ratios. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Spread", "percentile", "ratios", "spread"]


@dataclass(frozen=True)
class Spread:
    """A median, and the least and the largest value that it was found among."""

    middle: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Median and range.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    return Spread(statistics.median(values), min(values), max(values))


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that `share` of all (0 to 1) do not exceed, by the nearest rank.

    Raises:
        ValueError: there are no values.
    """
    if not ordered:
        raise ValueError("no values")
    rank = min(int(share * len(ordered)), len(ordered) - 1)
    return ordered[rank]


def ratios(mine: Sequence[float], others: Sequence[float]) -> Spread:
    """Mine over the other, formed round by round, so that a slow spell of the machine hits both sides.

    Raises:
        ValueError: the rounds are not the same, or there are none.
    """
    return spread([one / other for one, other in zip(mine, others, strict=True)])
