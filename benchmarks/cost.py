"""CPU per record of `Handler.handle(record)`, user and system, in one process.

What is timed is what a handler is answerable for: its filter, lock, format, encode and write. Making the LogRecord and
finding the handler is the logger's work and the same for all, so the records of a round are made just before it, not in
the timed part: each is new (no text is cached in it from an earlier round) and has a fresh `created`, because ours
decides by it which file it belongs to. A round is short (milliseconds), so most records of it share a second, as they
do in any program for which the cost matters; formatter and handler see them in the order in which they were made.

Short rounds of all handlers alternate, in an order that rotates, so a slow spell of the machine hits all alike. The
ratio is taken within each round, and its median over the rounds is shown. The collector of garbage runs between rounds.
Each round ends with the handler's `flush`, so that a buffer's write is paid for by
who has the buffer.

The loop around `handle` (some 30 ns) is not subtracted.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import tempfile
import time

from handlers import BASELINE, BUFFERED, KEYS, OURS, label, make, select
from report import header, middle, quartiles, table, target

_LOGGER = logging.Logger("benchmark")


def records(count: int) -> list[logging.LogRecord]:
    """New records, as a logger would make them for `log.info("request %s served in %d ms", …)`."""
    build = _LOGGER.makeRecord
    return [
        build("benchmark", logging.INFO, __file__, 42, "request %s served in %d ms", ("/articles/2026", n), None, "serve")
        for n in range(count)
    ]


def one_round(handler: logging.Handler, count: int) -> float:
    """Microseconds of CPU per record, a buffer's write included."""
    batch, handle = records(count), handler.handle
    clock = time.process_time_ns
    begun = clock()
    for record in batch:
        handle(record)
    handler.flush()
    spent = clock() - begun
    return spent / count / 1000


def measure(keys: list[str], folder: str, rounds: int, count: int) -> dict[str, list[float]]:
    """Every handler's cost in every round; a handler that did not write every record is worth nothing and ends the run."""
    paths = {key: os.path.join(folder, f"{key}.log") for key in keys}
    handlers = {key: make(key, path) for key, path in paths.items()}
    costs: dict[str, list[float]] = {key: [] for key in keys}
    logging.raiseExceptions = False
    for handler in handlers.values():
        one_round(handler, count)
    gc.disable()
    for number in range(rounds):
        turn = number % len(keys)
        for key in keys[turn:] + keys[:turn]:
            costs[key].append(one_round(handlers[key], count))
        gc.collect()
    gc.enable()
    for key, handler in handlers.items():
        handler.close()
        with open(paths[key], "rb") as log:
            written = sum(line.endswith(b" ms\n") for line in log)
        if written != (rounds + 1) * count:
            raise SystemExit(f"{label(key)}: {written} of {(rounds + 1) * count} records written")
    return costs


def ratios(costs: dict[str, list[float]], key: str, base: str) -> list[float]:
    """How much dearer a handler was than another, round by round."""
    return [mine / other for mine, other in zip(costs[key], costs[base], strict=True)]


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description="CPU per record of Handler.handle")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--records", type=int, default=400, help="per round")
    parser.add_argument("--only", nargs="+", choices=KEYS, default=list(KEYS))
    parser.add_argument("--dir", default=None, help="where the logs are written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        header("Cost of a record in one process", folder)
        keys = select(list(dict.fromkeys([BASELINE, *options.only])))
        costs = measure(keys, folder, options.rounds, options.records)
    rows = []
    for key in keys:
        low, high = quartiles(costs[key])
        rows.append(
            (
                label(key),
                f"{middle(costs[key]):.2f}",
                f"{low:.2f}–{high:.2f}",
                f"{middle(ratios(costs, key, BASELINE)):.2f}",
            )
        )
    table(("handler", "CPU µs per record", "middle half", "of FileHandler"), rows)
    if OURS in keys:
        target("CPU of mpfhandler over FileHandler", middle(ratios(costs, OURS, BASELINE)), 0.9, at_most=True)
    if BUFFERED in keys:
        target("CPU of mpfhandler, buffered, over FileHandler", middle(ratios(costs, BUFFERED, BASELINE)), 0.45, at_most=True)


if __name__ == "__main__":
    main()
