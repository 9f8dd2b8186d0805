"""CPU per record, user and system, in one process: of `Handler.handle(record)`, and of a whole `logger.info(...)`. Measured as
`mpfhandler bench` does (`mpfhandler._faces.bench.cost` tells what is timed and what is left out).

Rounds of all handlers alternate, in an order that rotates, so a slow spell of the machine hits all alike. The
ratio is taken within each round, and its median over the rounds is shown.
"""

from __future__ import annotations

import argparse
import logging
import tempfile

from handlers import BASELINE, BUFFERED, KEYS, OURS, label, select
from report import header, middle, quartiles, table, target

from mpfhandler._faces.bench.cost import cost
from mpfhandler._faces.bench.crew import Broken


def ratios(costs: dict[str, list[float]], key: str, base: str) -> list[float]:
    """How much dearer a handler was than another, round by round."""
    return [mine / other for mine, other in zip(costs[key], costs[base], strict=True)]


def main() -> None:
    """Parse the command line, measure, print. A handler that did not write every record is worth nothing and ends the run."""
    parser = argparse.ArgumentParser(description="CPU per record of Handler.handle")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--records", type=int, default=2000, help="per round")
    parser.add_argument("--only", nargs="+", choices=KEYS, default=list(KEYS))
    parser.add_argument("--dir", default=None, help="where the logs are written")
    options = parser.parse_args()
    logging.raiseExceptions = False
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        header("Cost of a record in one process", folder)
        keys = select(list(dict.fromkeys([BASELINE, *options.only])))
        try:
            found = cost(keys, folder, options.rounds, options.records)
        except Broken as error:
            raise SystemExit(str(error)) from None
    costs, whole = {one.key: one.cpu_us for one in found}, {one.key: one.whole_us for one in found}
    rows = []
    for key in keys:
        cells = [label(key)]
        for each in (costs, whole):
            low, high = quartiles(each[key])
            cells += [f"{middle(each[key]):.2f}", f"{low:.2f}–{high:.2f}", f"{middle(ratios(each, key, BASELINE)):.2f}"]
        rows.append(tuple(cells))
    of_each = ("middle half", "of FileHandler")
    table(("handler", "CPU µs per record", *of_each, "whole logging call", *of_each), rows)
    if OURS in keys:
        target("CPU of mpfhandler over FileHandler", middle(ratios(costs, OURS, BASELINE)), 0.60, at_most=True)
    if BUFFERED in keys:
        target("CPU of mpfhandler, buffered, over FileHandler", middle(ratios(costs, BUFFERED, BASELINE)), 0.45, at_most=True)


if __name__ == "__main__":
    main()
