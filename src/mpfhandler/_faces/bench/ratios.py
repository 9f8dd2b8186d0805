"""The ratios that the project speaks of, each formed round by round within one run. What was not measured has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .figures import Spread, ratios
from .handlers import BASELINE, BUFFERED, INCUMBENT, OURS
from .results import Cell, Results, Round

__all__ = ["Ratio", "found_in"]


@dataclass(frozen=True)
class Ratio:
    """Ours over another: the claim in words, the median over the rounds with its range, and which direction is better."""

    claim: str
    value: Spread
    better: str  # "more" or "less"


def found_in(results: Results) -> list[Ratio]:
    """All that this run can tell."""
    return [*_throughput(results), *_cpu(results), *_cost(results)]


def _throughput(results: Results) -> Iterator[Ratio]:
    wanted = ((8, 1, INCUMBENT), (8, 1, BASELINE), (64, 1, BASELINE), (1, 8, BASELINE))
    for procs, threads, base in wanted:
        mine, other = results.cell(OURS, procs, threads), results.cell(base, procs, threads)
        if mine is None or other is None:
            continue
        where = f"{procs} process{'es' if procs > 1 else ''}" if threads == 1 else f"{threads} threads in one process"
        claim = f"records per second of {results.name(OURS)} over {results.name(base)}, {where}"
        yield Ratio(claim, ratios(_rates(mine), _rates(other)), "more")


def _cpu(results: Results) -> Iterator[Ratio]:
    many, one = results.cell(OURS, 64, 1), results.cell(OURS, 1, 1)
    if many is not None and one is not None:
        claim = f"CPU per record of {results.name(OURS)} with 64 processes over that with one"
        yield Ratio(claim, ratios(_of(many, lambda each: each.cpu_us), _of(one, lambda each: each.cpu_us)), "less")


def _cost(results: Results) -> Iterator[Ratio]:
    costs = {one.key: one.cpu_us for one in results.costs}
    whole = {one.key: one.whole_us for one in results.costs}
    for key in (OURS, BUFFERED):
        if key in costs and BASELINE in costs:
            claim = f"CPU in the handler of {results.name(key)} over {results.name(BASELINE)}, Python {results.machine.python}"
            yield Ratio(claim, ratios(costs[key], costs[BASELINE]), "less")
            claim = f"CPU of a whole logging call with {results.name(key)} over that with {results.name(BASELINE)}"
            yield Ratio(claim, ratios(whole[key], whole[BASELINE]), "less")


def _rates(cell: Cell) -> list[float]:
    return _of(cell, lambda each: each.rate)


def _of(cell: Cell, what: Callable[[Round], float]) -> list[float]:
    rounds: Sequence[Round] = cell.rounds
    return [what(each) for each in rounds]
