"""Four processes that log to one file, rotated and compressed as they do, and what they have logged."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from _receiving import RECORD

import mpfhandler

WRITERS = 4
SOURCE = str(Path(mpfhandler.__file__).parents[1])
SEGMENT = re.compile(r"app\.log\.(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)(\.\d+)?(\.gz)?")

# Each fiftieth record is late: it was made a period before it is written, so it belongs to a file that has been rotated.
LATE = 50

WRITER = """
import logging, sys, time
from mpfhandler import MultProcTimedRotatingFileHandler

path, late, writer, records, seconds, interval, grace, delay = sys.argv[1:2] + [float(text) for text in sys.argv[2:]]
handler = MultProcTimedRotatingFileHandler(
    path, when="S", interval=int(interval), late_grace=grace, compress="gz", compress_delay=delay, rotate_idle=True)
handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
logger = logging.getLogger("shop")
begin = time.monotonic()
for number in range(int(records)):
    time.sleep(max(0.0, begin + number * seconds / records - time.monotonic()))
    text = f"record {int(writer)}-{number} written at {time.time():.6f} whole"
    record = logger.makeRecord("shop", logging.INFO, "shop.py", 1, text, (), None)
    if number % late == late - 1:
        record.created -= interval
    handler.handle(record)
print("done", flush=True)
sys.stdin.read()
handler.close()
"""


class Traffic:
    """A run of the writers.

    Args:
        log: the file that they write; it is made, so that a program can begin to follow it.
        records: how many, by all of them.
        seconds: for how long they write, if the machine is fast enough.
        interval: seconds of a period.
        late_grace: the handler's.
        compress_delay: the handler's.
    """

    def __init__(
        self, log: Path, *, records: int, seconds: float, interval: int, late_grace: float, compress_delay: float
    ) -> None:
        self.log = log
        log.touch()
        self.interval = interval
        self.expected = {(writer, number) for writer in range(WRITERS) for number in range(records // WRITERS)}
        options = [records // WRITERS, seconds, interval, late_grace, compress_delay]
        self._command = [sys.executable, "-c", WRITER, str(log), str(LATE)]
        self._options = [str(one) for one in options]
        self._writers: list[subprocess.Popen[bytes]] = []

    def begin(self) -> None:
        """Have them start at the same time."""
        environment = {**os.environ, "PYTHONPATH": SOURCE}
        for writer in range(WRITERS):
            command = [*self._command, str(writer), *self._options]
            pipe = subprocess.PIPE
            self._writers.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment))

    def finish(self) -> None:
        """Until all records are written; the writers live on, and go on to rotate and compress."""
        for writer in self._writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"done\n"

    def end(self) -> None:
        """Have them end."""
        while self._writers:
            writer = self._writers.pop()
            assert writer.stdin is not None
            assert writer.stdout is not None
            writer.stdin.close()
            try:
                writer.wait(timeout=60)
            finally:
                writer.kill()
                writer.wait()
                writer.stdout.close()

    def segments(self) -> dict[str, str]:
        """The closed ones by their names, and the period of each."""
        matches = [SEGMENT.fullmatch(name) for name in os.listdir(self.log.parent)]
        return {match[0]: match[1] for match in matches if match}

    def compressed(self) -> list[str]:
        """Those that are."""
        return [name for name in self.segments() if name.endswith(".gz")]

    def on_time(self) -> set[tuple[int, int]]:
        """The records that are not late."""
        return {record for record in self.expected if record[1] % LATE != LATE - 1}

    def written_late(self) -> int:
        """How many records stand in segments whose period was over when they were written; after the end."""
        count = 0
        for name, period in self.segments().items():
            end = time.mktime(time.strptime(period, "%Y-%m-%d_%H-%M-%S")) + self.interval
            count += sum(float(when) >= end for _, _, when in self._records(name))
        return count

    def last_of_files(self) -> set[tuple[int, int]]:
        """The last record of each writer in each segment: the only one that can have been on its way when that was renamed."""
        found: set[tuple[int, int]] = set()
        for name in self.segments():
            found |= dict(sorted((int(writer), int(number)) for writer, number, _ in self._records(name))).items()
        return found

    def _records(self, name: str) -> list[tuple[bytes, bytes, bytes]]:
        data = (self.log.parent / name).read_bytes()
        return RECORD.findall(gzip.decompress(data) if name.endswith(".gz") else data)
