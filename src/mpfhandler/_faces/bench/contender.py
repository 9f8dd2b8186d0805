"""What a handler that is compared has to tell: its name, where it comes from, and how it is opened in a process."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["BRACES", "DATED", "FORMAT", "MARK", "PERCENT", "TAIL", "Contender", "Service", "Setup", "Target"]

FORMAT = "%(asctime)s %(levelname)s %(message)s"
DATED = "{time:YYYY-MM-DD HH:mm:ss,SSS} {level} {message}"  # the same text, as loguru is told
PERCENT = "worker %d record %d of the benchmark."  # every record: who wrote it, and which one it is
BRACES = PERCENT.replace("%d", "{}")
MARK, TAIL = b" INFO worker ", b" of the benchmark.\n"  # a line that has both is a whole record


@dataclass(frozen=True)
class Setup:
    """What every handler is given.

    Args:
        path: of the log.
        when, interval: the schedule, as the standard library spells it.
        compress: whether a rotated file is to be compressed, by whatever way the handler has for it.
    """

    path: str
    when: str = "h"
    interval: int = 1
    compress: bool = False


@dataclass(frozen=True)
class Target:
    """An open log in one process.

    Args:
        call: logs one record: `call(message, number, sent)`.
        message: what it is to be called with.
        close: returns when everything that was logged in this process is on its way.
        bare: for the physical limit: writes a line and takes no argument.
        settle: returns when what this process has in a buffer is written.
    """

    call: Callable[..., object]
    message: str
    close: Callable[[], object]
    bare: Callable[[], object] | None = None
    settle: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Service:
    """What one process does for all others, such as to write what they put into a queue.

    Args:
        shared: is handed to every worker process; it can be pickled while a process is being started.
        stop: returns when everything is written.
    """

    shared: Any
    stop: Callable[[], object]


@dataclass(frozen=True)
class Contender:
    """One handler.

    Args:
        key: what it is called on the command line.
        name: in the tables.
        distribution: as pip knows it; None: the standard library.
        open: opens it in a process; is given what its service shares, else None.
        module: what has to be importable.
        absent: why it cannot be measured although it is installed, or None.
        serve: starts the one process's part.
        handler: the `logging.Handler`, where it is one that writes in the calling thread.
        rotates: by the clock.
        compresses: what it rotates, here.
        distinct: every record is another one, so that doubled ones can be told.
    """

    key: str
    name: str
    distribution: str | None
    open: Callable[[Setup, Any], Target]
    module: str = "logging"
    absent: Callable[[], str | None] = lambda: None
    serve: Callable[[Setup], Service] | None = None
    handler: Callable[[Setup], Any] | None = None
    rotates: bool = False
    compresses: Callable[[], bool] = lambda: False
    distinct: bool = True

    def problem(self) -> str | None:
        """Why it cannot be measured here, or None if it can."""
        if importlib.util.find_spec(self.module) is None:
            return f"not installed (pip install {self.distribution})"
        return self.absent()

    def label(self) -> str:
        """Name and version, for a table."""
        version = self.version()
        return f"{self.name} {version}" if version else self.name

    def version(self) -> str | None:
        """Of its distribution; None for the standard library, and where it runs from its sources."""
        if self.distribution is None:
            return None
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return None
