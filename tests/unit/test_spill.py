"""The bounded queue of records that could not be written yet: nothing is lost uncounted."""

from __future__ import annotations

from mpfhandler._resources.spill import Lost, Spill


def test_empty_queue_is_false_and_has_no_first() -> None:
    """Nothing waits at first."""
    spill = Spill(10)
    assert not spill
    assert spill.take() is None
    assert (spill.waiting, spill.lost) == (0, 0)


def test_records_come_out_in_order() -> None:
    """What was added first comes first, and stays first until it is taken."""
    spill = Spill(10)
    assert spill.add(b"one", 1.0)
    assert spill.add(b"two", 2.0)
    assert spill.first() == spill.first() == (b"one", 1.0)
    assert spill.waiting == 2
    assert spill.take() == (b"one", 1.0)
    assert spill.waiting == 1
    assert spill.take() == (b"two", 2.0)
    assert not spill


def test_limit_is_in_bytes_and_can_be_reached() -> None:
    """Records that fill the limit exactly are kept; one byte more is dropped."""
    spill = Spill(6)
    assert spill.add(b"one", 1.0)
    assert spill.add(b"two", 2.0)
    assert not spill.add(b"x", 3.0)
    assert (spill.waiting, spill.lost) == (2, 1)


def test_dropped_records_leave_one_marker_in_their_place() -> None:
    """A run of drops is one marker with the count and both ends in time, whatever their order."""
    spill = Spill(3)
    spill.add(b"one", 1.0)
    for created in (5.0, 2.0, 9.0, 4.0):
        assert not spill.add(b"x", created)
    spill.take()
    assert spill.take() == Lost(4, 2.0, 9.0)


def test_smaller_record_may_follow_a_dropped_one() -> None:
    """What fits is kept behind the marker: the order tells where something is missing."""
    spill = Spill(4)
    spill.add(b"one", 1.0)
    spill.add(b"xx", 2.0)
    spill.add(b"y", 3.0)
    spill.add(b"z", 4.0)
    out = []
    while (waiting := spill.take()) is not None:
        out.append(waiting)
    assert out == [(b"one", 1.0), Lost(1, 2.0, 2.0), (b"y", 3.0), Lost(1, 4.0, 4.0)]
    assert (spill.waiting, spill.lost) == (0, 2)


def test_written_records_make_room() -> None:
    """The bytes of what was written can be used again."""
    spill = Spill(3)
    for number in range(5):
        assert spill.add(b"one", number)
        spill.take()
    assert spill.lost == 0


def test_record_larger_than_the_limit_is_counted() -> None:
    """A single huge record is dropped and counted, and the next small one is kept."""
    spill = Spill(3)
    assert not spill.add(b"four", 1.0)
    assert spill.add(b"one", 2.0)
    assert spill.take() == Lost(1, 1.0, 1.0)


def test_limit_zero_keeps_nothing_and_counts_everything() -> None:
    """With `spill_bytes=0` every record is dropped and counted."""
    spill = Spill(0)
    assert [spill.add(b"x", 1.0) for _ in range(3)] == [False] * 3
    assert spill.lost == 3


def test_giving_up_counts_what_is_left() -> None:
    """At the very end what waits is lost too, and is said to be."""
    spill = Spill(6)
    spill.add(b"one", 1.0)
    spill.add(b"two", 2.0)
    spill.add(b"x", 3.0)
    assert spill.give_up() == 2
    assert (spill.waiting, spill.lost, bool(spill)) == (0, 3, False)
    assert spill.add(b"sixsix", 4.0)


def test_clearing_counts_nothing() -> None:
    """A forked child forgets what is its parent's to write."""
    spill = Spill(3)
    spill.add(b"one", 1.0)
    spill.clear()
    assert (spill.waiting, spill.lost, bool(spill)) == (0, 0, False)
    assert spill.add(b"one", 2.0)


def test_unbounded_records_are_kept_beyond_the_limit() -> None:
    """A record that waits for a moment only, not for the disk, is not dropped for want of room."""
    spill = Spill(0)
    assert spill.add(b"from a namer", 1.0, bounded=False)
    assert (spill.waiting, spill.lost) == (1, 0)


def test_last_one_is_known_by_its_identity() -> None:
    """After an exception it must be certain whether this very record was queued: the same text may be logged twice."""
    spill = Spill(100)
    record = (bytes([120, 10]), 1.0)
    assert not spill.ends_with(record)
    spill.add(*record)
    assert spill.ends_with(record)
    assert not spill.ends_with((bytes([120, 10]), 1.0))
    lost = Lost(1, 2.0, 2.0)
    assert not spill.ends_with(lost)
    spill.mark(lost)
    assert spill.ends_with(lost)
    assert not spill.ends_with(Lost(1, 2.0, 2.0))
    assert not spill.ends_with(record)
