"""What options have done to sealed segments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from mpfhandler._engine.steps import sealing_of
from mpfhandler._platform import OPERATIONS
from mpfhandler._pure.naming import SegmentName
from mpfhandler._pure.options import Archive, Compression, Options
from mpfhandler._pure.schedule import Schedule
from mpfhandler._pure.sealed import SealedSegment

HOURS = Schedule.create("H")


def test_nothing_is_asked_for() -> None:
    """Then there is nothing to be done."""
    assert not sealing_of(OPERATIONS, Options(HOURS), "/app.log").wanted


def test_every_wish_is_passed_on(tmp_path: Path) -> None:
    """The hook comes before the archive, and gets the segment alone; deleted is after the archive."""
    seen: list[SealedSegment] = []
    options = Options(
        HOURS, late_grace=3.0, compression=Compression("xz", 1, 2.0), on_seal=seen.append, fsync="seal",
        archive=Archive(tmp_path.as_uri(), delete=True),
    )  # fmt: skip
    rules = sealing_of(OPERATIONS, options, str(tmp_path / "app.log"))
    assert (rules.grace, rules.compression, rules.fsync, rules.delete_after) == (3.0, options.compression, "seal", "archive")
    assert [step.name for step in rules.steps] == ["on_seal", "archive"]
    segment = SealedSegment("/app.log.2026", 0.0, 3600.0, 5)
    assert rules.steps[0].run(segment, SegmentName(datetime(2026, 1, 1)), lambda: False) == {}
    assert seen == [segment]


def test_nothing_is_deleted_for_an_archive_that_there_is_not() -> None:
    """P1: `archive_delete` without an archive deletes nothing."""
    options = Options(HOURS, on_seal=print, archive=Archive(None, delete=True))
    assert sealing_of(OPERATIONS, options, "/app.log").delete_after is None


async def coroutine(_segment: SealedSegment) -> None:
    """Does nothing until somebody awaits it."""


def cancelled(_segment: SealedSegment) -> None:
    """What asyncio does to a task."""
    raise asyncio.CancelledError


@pytest.mark.parametrize("hook", [coroutine, cancelled])
@pytest.mark.filterwarnings("error")
def test_hook_that_has_not_done_it_has_failed(hook: Callable[[SealedSegment], object]) -> None:
    """As an ordinary exception, which is told and tried again: the thread has other segments to see to."""
    (step,) = sealing_of(OPERATIONS, Options(HOURS, on_seal=hook), "/app.log").steps
    with pytest.raises(Exception, match=r"^on_seal: "):
        step.run(SealedSegment("/app.log.2026", 0.0, 3600.0, 5), SegmentName(datetime(2026, 1, 1)), lambda: False)


def test_hook_that_says_it_was_interrupted_has_failed() -> None:
    """With that the archive says that another process is at it, which is no failure, and nobody is told."""

    def hook(_segment: SealedSegment) -> None:
        raise InterruptedError(4, "Interrupted system call")

    (step,) = sealing_of(OPERATIONS, Options(HOURS, on_seal=hook), "/app.log").steps
    with pytest.raises(RuntimeError, match="Interrupted system call"):
        step.run(SealedSegment("/app.log.2026", 0.0, 3600.0, 5), SegmentName(datetime(2026, 1, 1)), lambda: False)


class Awaitable:
    """Of some framework: it cannot be closed."""

    def __await__(self) -> Iterator[None]:
        yield


def test_hook_that_gives_what_cannot_be_closed_has_failed() -> None:
    """Nobody awaits it, whatever it is."""
    (step,) = sealing_of(OPERATIONS, Options(HOURS, on_seal=lambda _segment: Awaitable()), "/app.log").steps
    with pytest.raises(TypeError, match=r"^on_seal: .*use a plain function"):
        step.run(SealedSegment("/app.log.2026", 0.0, 3600.0, 5), SegmentName(datetime(2026, 1, 1)), lambda: False)
