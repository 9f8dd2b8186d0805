"""Several records appended to a segment with one write(2), each of them a line of its own whatever happens.

As with one record (`OpenSegment.append`): a stump of a killed writer before the first of them is ended, and of a short write
the part of a record is made a line. The records before that part are there, and must not be written again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized

from .append import Incomplete, OpenSegment

__all__ = ["append_together", "count_whole"]


def append_together(segment: OpenSegment, data: bytes, records: Callable[[], list[bytes]], ours: Sized) -> int:
    """Append records, terminators included; the offset of their end.

    Args:
        segment: that takes them.
        data: all of them.
        records: one by one, for when something goes wrong.
        ours: if it is empty, nothing is written: a signal handler that forks empties it in the child, where this function goes
            on, for the records are the parent's.

    Raises:
        Incomplete: only some of them are there, see `there`; the others have to be written again.
        OSError: nothing was written.
    """
    if segment._owed:
        return _append_singly(segment, records(), ours)
    if not ours:  # from here to the write no signal handler comes in
        return 0
    written = segment._write(segment._fd, data)
    try:
        end = segment._seek(segment._fd, 0, 1)
    except OSError:  # closed meanwhile, as in `append`
        end = 0
    if written == len(data):
        _guard(segment, data, end - written, records)
        return end
    single = records()
    count, whole = count_whole(single, written)
    segment._end_fragment(single[count], written - whole, end)
    _guard(segment, data[:whole], end - written, lambda: single[:count])
    error = Incomplete(f"{segment.path}: {written} of {len(data)} bytes written: no space, quota or size limit")
    error.there = 0, count
    raise error


def count_whole(records: Sequence[bytes], written: int) -> tuple[int, int]:
    """How many of these records lie whole within so many bytes, and the length of those."""
    whole = 0
    for count, record in enumerate(records):
        if whole + len(record) > written:
            return count, whole
        whole += len(record)
    return len(records), whole


def _guard(segment: OpenSegment, data: bytes, start: int, records: Callable[[], list[bytes]]) -> None:
    """The torn-tail guard. Where it cannot end the stump, only the first record is a part of the stump's line."""
    if not data or start <= 0 or start & segment._mask:
        return
    try:
        segment._guard(data, start)
    except Incomplete as error:
        error.there = 1, len(records())
        raise


def _append_singly(segment: OpenSegment, records: list[bytes], ours: Sized) -> int:
    """The file is owed what ends a fragment: the first record is special."""
    end = 0
    for count, record in enumerate(records):
        if not ours:
            break
        try:
            end = segment.append(record)
        except OSError as error:
            if count == 0 and not isinstance(error, Incomplete):
                raise
            failed = Incomplete(f"{segment.path}: {error}")
            failed.there = 0, count
            raise failed from error
    return end
