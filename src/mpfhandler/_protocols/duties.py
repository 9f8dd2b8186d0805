"""What is to be done to sealed segments, and what came of it, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .._platform import FileId
from .._pure.naming import SegmentName
from .._pure.options import Compression
from .._pure.sealed import SealedSegment

__all__ = ["Key", "Memory", "Progress", "Sealed", "Sealing", "Step"]

Progress = Callable[[str, int, int], None]  # path, bytes of it that are compressed, bytes that it has


def _needs_nothing() -> bool:
    return True


@dataclass(frozen=True)
class Step:
    """Something that is done to each sealed segment once.

    Attributes:
        name: in the marker, and in what is reported.
        run: does it, and gives what is to be written down about it; an exception means that it is to be tried again. The last
            argument is asked whether to stop. `InterruptedError` is no failure: it says so, or another process is at it, and this
            step is left out for the rest of the run.
        reads: it only reads the segment: where somebody who knows nothing of leases has written to that meanwhile, it is to be
            done again.
        prepare: makes what it will need while there is room for it, and tells whether that is there; is called until it is.
    """

    name: str
    run: Callable[[SealedSegment, SegmentName, Callable[[], bool]], dict[str, object]]
    reads: bool = False
    prepare: Callable[[], bool] = _needs_nothing


@dataclass(frozen=True)
class Sealing:
    """What is to be done to a sealed segment.

    Attributes:
        grace: seconds after a period's end in which late records come.
        compression: how, and after which delay.
        fsync: "never", or "seal" or "always", which are the same here.
        steps: in this order; one that fails does not hold up the others.
        delete_after: the step after which (and all others) the segment is removed; None keeps it.
    """

    grace: float
    compression: Compression = field(default_factory=Compression)
    fsync: str = "never"
    steps: tuple[Step, ...] = ()
    delete_after: str | None = None

    @property
    def wanted(self) -> bool:
        """Whether there is anything to be done."""
        return self.compression.method is not None or self.fsync != "never" or bool(self.steps)


@dataclass
class Sealed:
    """What came of a run."""

    done: int = 0  # segments to which all was done
    held: set[FileId] = field(default_factory=set[FileId])  # somebody has these: a lease, or another process that seals
    busy: set[str] = field(default_factory=set[str])  # steps that another process is at, which lets no second one do them
    next_at: float | None = None  # epoch seconds at which the next segment becomes due; None: none is waited for
    failed: bool = False  # something is to be tried again, with a back-off that is the caller's
    stopped: bool = False  # it was told to stop before it was through

    def wait_until(self, instant: float) -> None:
        """A segment becomes due then."""
        self.next_at = instant if self.next_at is None else min(self.next_at, instant)

    @property
    def goes_on(self) -> bool:
        """Whether there is something left to be done."""
        return bool(self.held or self.busy) or self.next_at is not None or self.failed or self.stopped

    def add(self, other: Sealed) -> None:
        """What came of the run over another folder."""
        self.done += other.done
        self.held |= other.held
        self.busy |= other.busy
        if other.next_at is not None:
            self.wait_until(other.next_at)
        self.failed, self.stopped = self.failed or other.failed, self.stopped or other.stopped


# A segment as it was: file, size, last write; size and last write of the compressed files beside a plain one.
Key = tuple[FileId, int, int, tuple[tuple[int, int], ...]]


@dataclass
class Memory:
    """What this process knows to need nothing more, by path: a run then costs a look for each segment. Belongs to the caller, who
    passes the same one each time; without one everything is looked at anew."""

    settled: dict[str, Key] = field(default_factory=dict[str, Key])
    synced: dict[str, Key] = field(default_factory=dict[str, Key])

    def keep_only(self, paths: set[str]) -> None:
        """The others are gone."""
        for known in (self.settled, self.synced):
            for path in [one for one in known if one not in paths]:
                known.pop(path, None)  # another thread may be at it, too
