"""Which closed segments go, by which rule, and why. Pure: from a listing, the time and the free space.

The rules hold together. The oldest period goes first. A segment that nobody can delete still counts, and a younger one goes in
its place where a rule is about bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from .naming import SegmentName
from .options import Retention
from .quantity import show_age, show_size

__all__ = ["Closed", "Doomed", "Rules", "doomed", "next_too_old"]


@dataclass(frozen=True)
class Rules:
    """All rules of a log. 0 is no such rule."""

    count: int = 0
    retention: Retention = field(default_factory=Retention)

    @property
    def names(self) -> tuple[str, ...]:
        """Those that there are, as parameters of the handler."""
        rules = self.retention
        asked = {
            "backupCount": self.count,
            "max_age": rules.max_age,
            "max_total_bytes": rules.max_total_bytes,
            "min_free_bytes": rules.min_free_bytes,
        }
        return tuple(name for name, value in asked.items() if value)


@dataclass(frozen=True)
class Closed:
    """A closed segment: a plain file, a compressed one, or one of each while it is being compressed."""

    name: SegmentName  # of the plain file
    paths: tuple[str, ...]
    size: int  # of all its files (bytes)
    ended: float  # end of its period, for `max_age`; the last write where nobody asks for that (epoch seconds)


@dataclass(frozen=True)
class Doomed:
    """A closed segment that a rule has deleted."""

    name: SegmentName
    paths: tuple[str, ...]
    rule: str  # the parameter: "backupCount", "max_age", "max_total_bytes" or "min_free_bytes"
    size: int  # bytes
    reason: str  # for a reader


def doomed(
    closed: Sequence[Closed], rules: Rules, now: float, free: int | None, stuck: Collection[SegmentName] = ()
) -> list[Doomed]:
    """The segments that are to go, oldest first, each with the first rule that it breaks.

    Args:
        closed: the segments, oldest first.
        rules: to go by.
        now: wall clock (epoch seconds).
        free: bytes of the file system that are free; None: not known, and `min_free_bytes` rests.
        stuck: segments that could not be deleted.
    """
    why = dict(_too_many(closed, rules.count))
    for one, reason in _too_old(closed, rules.retention.max_age, now):
        why.setdefault(one, reason)
    for one in list(why):
        if one in stuck:
            del why[one]
    left = [one for one in closed if one.name not in why]
    why.update(_too_large(left, rules.retention.max_total_bytes, stuck))
    if free is not None:
        gained = sum(one.size for one in closed if one.name in why)
        left = [one for one in left if one.name not in why]
        why.update(_too_full(left, rules.retention, free, gained, stuck))
    return [Doomed(one.name, one.paths, why[one.name][0], one.size, why[one.name][1]) for one in closed if one.name in why]


def next_too_old(closed: Sequence[Closed], rules: Rules, now: float) -> float | None:
    """When `max_age` has the next segment deleted (epoch seconds); None: it has none."""
    age = rules.retention.max_age
    return min((one.ended + age for one in closed if one.ended + age > now), default=None) if age else None


_Reason = tuple[str, str]  # the rule, and what a reader is told


def _too_many(closed: Sequence[Closed], count: int) -> Iterator[tuple[SegmentName, _Reason]]:
    if count:
        for place, one in enumerate(closed[: max(0, len(closed) - count)]):
            yield one.name, ("backupCount", f"{len(closed) - place - 1} are newer, {count} are kept")


def _too_old(closed: Sequence[Closed], age: float, now: float) -> Iterator[tuple[SegmentName, _Reason]]:
    for one in closed if age else ():
        if now - one.ended >= age:
            yield one.name, ("max_age", f"its period ended {show_age(now - one.ended)} ago, {show_age(age)} are allowed")


def _too_large(left: Sequence[Closed], most: int, stuck: Collection[SegmentName]) -> Iterator[tuple[SegmentName, _Reason]]:
    total = sum(one.size for one in left)
    for one in left if most else ():
        if total <= most:
            return
        if one.name not in stuck and one.size:
            reason = f"with it the closed segments have {show_size(total)}, {show_size(most)} are allowed"
            yield one.name, ("max_total_bytes", reason)
            total -= one.size


def _too_full(
    left: Sequence[Closed], rules: Retention, free: int, gained: int, stuck: Collection[SegmentName]
) -> Iterator[tuple[SegmentName, _Reason]]:
    """What else goes is taken as gained at once: some file systems free it only later, and a program that is just reading a
    segment keeps its space, for which younger ones must not pay."""
    free += gained
    for one in left:
        if free >= rules.min_free_bytes:
            return
        if one.name not in stuck and one.size:
            reason = f"only {show_size(free)} of the file system would be free, {show_size(rules.min_free_bytes)} are wanted"
            yield one.name, ("min_free_bytes", reason)
            free += one.size
