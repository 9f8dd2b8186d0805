"""What the self-test is to do, and what one of its processes is told: frozen values that travel as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

__all__ = ["BYTES_PER_TOKEN", "HANDLER", "MAX_RATE", "Job", "Setup"]

HANDLER = "mpfhandler:MultProcTimedRotatingFileHandler"
MAX_RATE = 70_000  # records a second of all processes together: bounds the disk space and the verification
BYTES_PER_TOKEN = 1000  # a large record counts as several, so that the bytes stay bounded too


@dataclass(frozen=True)
class Setup:
    """One run of the self-test.

    Args:
        folder: where the log is written.
        ledgers: where the ledgers are kept, on any file system with shared mappings.
        procs: worker processes at a time.
        secs: seconds of logging.
        when, interval: the schedule, as the handler takes it.
        size: mean length of an ordinary payload, bytes.
        seed: of the sizes and the kills.
        kill_every: mean seconds between two kills; 0: none.
        forks: whether some workers fork.
        factory: the handler under test, `module:class`, called with the path, `when` and `interval`.
    """

    folder: str
    ledgers: str
    procs: int = 4
    secs: float = 5.0
    when: str = "S"
    interval: int = 1
    size: int = 100
    seed: int = 1
    kill_every: float = 0.4
    forks: bool = True
    factory: str = HANDLER

    @property
    def log(self) -> str:
        return f"{self.folder}/app.log"


@dataclass(frozen=True)
class Job:
    """What one worker is told.

    Args:
        log, when, interval, factory: the handler and its arguments.
        ledgers: folder of the switch and of this worker's ledger.
        lifeline: descriptor that meets the end of file when the conductor is gone.
        number, writer: of this worker, and its name.
        size, seed: how the payloads are made.
        rate: of each thread, tokens a second.
        limit: seconds after which it ends by itself.
        fork_at: the record of the first thread after which it forks; 0: never.
    """

    log: str
    ledgers: str
    lifeline: int
    number: int
    writer: str
    when: str
    interval: int
    size: int
    seed: int
    rate: float
    limit: float
    fork_at: int
    factory: str

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        return cls(**json.loads(text))
