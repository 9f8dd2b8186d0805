"""A logging handler for many processes and one file, rotated by the clock, without losing a record."""

from ._faces.handler import MultProcTimedRotatingFileHandler
from ._pure.errors import InvalidOption, InvalidOptionType, MpfHandlerError, UnsupportedPlatform
from ._pure.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._engine.stats import Stats
    from ._engine.timedlogfile import TimedLogFile
    from ._faces.concurrent import ConcurrentRotatingFileHandler, ConcurrentTimedRotatingFileHandler
    from ._pure.sealed import SealedSegment

__all__ = [
    "ConcurrentRotatingFileHandler",
    "ConcurrentTimedRotatingFileHandler",
    "InvalidOption",
    "InvalidOptionType",
    "MpfHandlerError",
    "MultProcTimedRotatingFileHandler",
    "SealedSegment",
    "Stats",
    "TimedLogFile",
    "UnsupportedPlatform",
    "__version__",
]


def __getattr__(name: str) -> object:
    """What not every program needs, imported when it is asked for."""
    from ._resources.importing import importing

    with importing():
        if name == "Stats":
            from ._engine.stats import Stats

            return Stats
        if name == "SealedSegment":
            from ._pure.sealed import SealedSegment

            return SealedSegment
        if name == "TimedLogFile":
            from ._engine.timedlogfile import TimedLogFile

            return TimedLogFile
        if name in {"ConcurrentRotatingFileHandler", "ConcurrentTimedRotatingFileHandler"}:
            from ._faces import concurrent

            return getattr(concurrent, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
