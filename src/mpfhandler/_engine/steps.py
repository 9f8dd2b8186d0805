"""What the options of a log have done to its sealed segments, as the protocol knows it."""

from __future__ import annotations

from collections.abc import Callable

from .._platform import Operations
from .._protocols.sealing import Sealing, Step
from .._pure.naming import SegmentName
from .._pure.options import Options
from .._pure.sealed import SealedSegment
from .._resources.calling import called

__all__ = ["sealing_of"]


def sealing_of(ops: Operations, options: Options, log: str) -> Sealing:
    """What is to be done to each sealed segment of a log.

    Args:
        ops: the system calls.
        options: checked.
        log: its real path.
    """
    return Sealing(
        grace=options.late_grace,
        compression=options.compression,
        fsync=options.fsync,
        steps=tuple(_steps(ops, options, log)),
        delete_after="archive" if options.archive.delete and options.archive.url is not None else None,
    )


def _called(ops: Operations, hook: Callable[[SealedSegment], object], segment: SealedSegment) -> object:
    try:
        return called(ops, lambda: hook(segment))
    except InterruptedError as error:  # the archive alone says with it that another process is at it
        raise RuntimeError(f"on_seal: {error!r}") from error
    except (Exception, SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # asyncio's, gevent's, trio's: meant for the hook's own loop, not for this thread
        raise RuntimeError(f"on_seal: {error!r}") from error


def _check(given: object) -> None:
    """Whether it has been done when the call returns."""
    if hasattr(given, "__await__"):
        end = getattr(given, "close", None)
        if callable(end):
            end()
        raise TypeError("on_seal: has given something that is to be awaited, which nobody does here; use a plain function")


def _steps(ops: Operations, options: Options, log: str) -> list[Step]:
    steps: list[Step] = []
    hook = options.on_seal
    if hook is not None:

        def call(segment: SealedSegment, _name: SegmentName, _stop: Callable[[], bool]) -> dict[str, object]:
            _check(_called(ops, hook, segment))
            return {}

        steps.append(Step("on_seal", call))
    if options.archive.url is not None:
        from .._protocols.archive import Archive  # only a log that is archived pays for it

        archive = Archive(options.archive.url, "", log, ops=ops)
        steps.append(Step("archive", archive.store, reads=True, prepare=archive.prepare))
    return steps
