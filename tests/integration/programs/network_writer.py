"""Logs to a file on a network drive, and tells of each record whose logging call has returned and which does not wait in memory.

    network_writer.py LOG NAME ACKS SECONDS [OPTION=VALUE …]
    network_writer.py LOG NAME ACKS COUNT GO

The second form writes COUNT records, makes ACKS.ready, and goes on with as many when the file GO is there.
"""

from __future__ import annotations

import os
import random
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from mpfhandler import TimedLogFile

SIZES = (20, 100, 5000)


def turns(first: str, rest: list[str], acks: str) -> Iterator[int]:
    """A number for each record that is to be written now."""
    if rest and "=" not in rest[0]:
        yield from range(int(first))
        Path(f"{acks}.ready").touch()
        while not os.path.exists(rest[0]):
            time.sleep(0.02)
        yield from range(int(first), 2 * int(first))
        return
    end, number = time.monotonic() + float(first), 0
    while time.monotonic() < end:
        yield number
        number += 1


def main(path: str, name: str, acks: str, first: str, *rest: str) -> None:
    """Log, and end well."""
    options = dict(one.split("=", 1) for one in rest if "=" in one)
    with open(f"{acks}.told", "a", encoding="utf-8") as told:

        def tell(error: Exception) -> None:
            traceback.print_exception(error, file=told)
            told.flush()

        log = TimedLogFile(path, "S", 2, on_error=tell, **options)  # type: ignore[arg-type]
        out = os.open(acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for number in turns(first, list(rest), acks):
            log.write(f"{name} {number} {'x' * random.choice(SIZES)}")
            if not log.stats().spilled:
                os.write(out, f"{name} {number}\n".encode())
        log.close()
        print(name, log.stats(), file=told)


main(*sys.argv[1:])
