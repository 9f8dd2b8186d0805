"""A logging handler for many processes and one file, rotated by the clock, without losing a record."""

from ._engine.stats import Stats
from ._engine.timedlogfile import TimedLogFile
from ._faces.handler import MultProcTimedRotatingFileHandler
from ._pure.errors import InvalidOption, InvalidOptionType, MpfHandlerError, UnsupportedPlatform
from ._pure.version import __version__

__all__ = [
    "InvalidOption",
    "InvalidOptionType",
    "MpfHandlerError",
    "MultProcTimedRotatingFileHandler",
    "Stats",
    "TimedLogFile",
    "UnsupportedPlatform",
    "__version__",
]
