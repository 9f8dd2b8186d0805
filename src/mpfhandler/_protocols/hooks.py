"""What a user may put in the way of a rotation: a suffix, a `namer`, a `rotator`. Asked anew at every rotation,
because the standard library's attributes are set after the handler was made."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from .._platform import Operations
from .._pure.naming import Names, allowed
from .._pure.schedule import Schedule
from .._resources.calling import called, is_in_thread_of_ours
from .._resources.report import Reporter

__all__ = ["Hooks", "names_of"]


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Hooks:
    """Three questions to the face that the user sees; each answers None where the user set nothing."""

    suffix: Callable[[], str | None] = _nothing
    namer: Callable[[], Callable[[str], str] | None] = _nothing
    rotator: Callable[[], Callable[[str, str], None] | None] = _nothing


def names_of(ops: Operations, log: str, schedule: Schedule, hooks: Hooks, report: Reporter) -> Names:
    """The names of the log's segments as of now. A `namer` that fails, or gives no usable name, is reported, and the
    default name is used: a rotation is never held up by a name. A child that it forks in a thread of ours does not come back from
    it; in the program's own calls it does, as from a function of the program's."""
    namer = hooks.namer()
    suffix = allowed(hooks.suffix() or schedule.suffix, ops.forbidden)
    if namer is None:
        return Names(log, suffix)

    def alter(default: str) -> str:
        try:
            given = called(ops, lambda: namer(default)) if is_in_thread_of_ours(ops) else namer(default)
            altered = _as_allowed(os.path.abspath(os.fsdecode(given)), ops.forbidden)
        except Exception as error:
            report("namer", error)
            return default
        if altered not in {log, os.path.dirname(log)} and "\0" not in altered:
            return altered
        report("namer", ValueError(f"namer({default!r}) gave {altered!r}, which is no name for a segment"))
        return default

    return Names(log, suffix, alter)


def _as_allowed(path: str, forbidden: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, allowed(name, forbidden)) if forbidden else path
