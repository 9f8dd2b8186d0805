"""Bytes per period as bars; neighbouring periods share one where there are many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .files import LogFile

__all__ = ["Bar", "histogram"]

_BARS, _WIDTH = 24, 40


class Bar(NamedTuple):
    """One bar.

    Attributes:
        start: of its first period (epoch seconds).
        size: of its files (bytes).
        width: from 0 to 40; at least 1 if there are any bytes.
    """

    start: float
    size: int
    width: int


def histogram(files: Iterable[LogFile]) -> list[Bar]:
    """At most 24 bars, in the order of time, of as many periods each; the last one may have fewer. Periods without a
    file are none here. Files whose period is not known belong to the one before them."""
    sizes: dict[float, int] = {}
    at: float | None = None
    for one in files:
        at = at if one.start is None else one.start
        if at is not None:
            sizes[at] = sizes.get(at, 0) + one.size
    starts = sorted(sizes)
    each = -(-len(starts) // _BARS) or 1
    shares = [starts[first : first + each] for first in range(0, len(starts), each)]
    sums = [(share[0], sum(sizes[start] for start in share)) for share in shares]
    most = max((size for _, size in sums), default=0) or 1
    return [Bar(start, size, -(-size * _WIDTH // most)) for start, size in sums]
