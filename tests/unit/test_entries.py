"""What is in a buffer, and a batch of it: the mark of a flush is no record, wherever it stands."""

from __future__ import annotations

from mpfhandler._engine.entries import Batch, Taken, Waiting
from mpfhandler._pure.schedule import Period
from mpfhandler._resources.spill import Lost

HOUR = Period(3600, 7200)


def test_mark_of_a_flush_is_no_record() -> None:
    """An exception may leave it among the records: it is passed over, has no size, and is never written."""
    batch = Batch(b"\n", Waiting(HOUR), 4000.0)
    lost = Lost(2, 1.0, 2.0)
    batch.entries += [Taken(), "text", Taken(), (b"bytes\n", 9.0), lost, Taken()]
    assert [batch.size(entry) for entry in batch.entries] == [0, 5, 0, 6, 0, 0]
    found = []
    while (entry := batch.first()) is not None:
        found.append(entry)
        batch.done += 1
    assert found == [(b"text\n", 4000.0), (b"bytes\n", 9.0), lost]
    assert not batch


def test_what_has_only_the_grace() -> None:
    """A list is late if its period is over, or if a record in it is of before: an empty one never is."""
    waiting = Waiting(HOUR)
    assert not waiting.is_late(7200)
    waiting.append("text")
    assert waiting.is_late(7200)
    assert not waiting.is_late(3600)
    waiting.append(("late", 3599.0))
    assert waiting.is_late(3600)
    without = Waiting()
    without.append(("text", 3600.0))
    assert (without.is_late(3600), without.is_late(3601)) == (False, True)
