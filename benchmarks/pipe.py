"""How fast `mpfhandler pipe` passes lines on, beside `cat >> file`, which keeps no promise.

Both read the same lines of 100 bytes from a pipe that one `cat` fills as fast as it can, and append them to a file. The time is
from the start of that `cat`, when the reader has opened its file, to the end of the reader; what is read is `--mib`. CPU is the
reader's own, user and system, with its start: on a machine that is busy with other things that says more than the time. Rounds
alternate, and the ratio is taken within each. Afterwards the files are compared with what was sent.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from report import header, middle, quartiles, table, target

LINE = 100  # bytes, its end included
READERS = {"cat >> file": "exec cat >> {log}", "mpfhandler pipe": "exec {python} -m mpfhandler pipe {log} --when D"}


class Turn(NamedTuple):
    """One reader in one round."""

    seconds: float
    cpu: float


def make(path: str, size: int) -> None:
    """Lines that are all different."""
    with open(path, "wb") as file:
        for start in range(0, size // LINE, 10_000):
            end = min(start + 10_000, size // LINE)
            file.write(b"".join(b"%-99d\n" % number for number in range(start, end)))


def run(command: str, lines: str, log: str) -> Turn:
    """Time one reader."""
    source, sink = os.pipe()
    reader = subprocess.Popen(command.format(log=log, python=sys.executable), shell=True, stdin=source)
    os.close(source)
    while not os.path.exists(log):
        time.sleep(0.001)
    start = time.perf_counter()
    with subprocess.Popen(["cat", lines], stdout=sink):
        os.close(sink)
        _, status, used = os.wait4(reader.pid, 0)
        seconds = time.perf_counter() - start
    reader.returncode = os.waitstatus_to_exitcode(status)
    if reader.returncode:
        raise SystemExit(f"{command}: exit code {reader.returncode}")
    same = filecmp.cmp(lines, log, shallow=False)
    os.unlink(log)
    if not same:
        raise SystemExit(f"{command}: not what was sent")
    return Turn(seconds, used.ru_utime + used.ru_stime)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=512, help="MiB of lines in a round (default: 512)")
    parser.add_argument("--rounds", type=int, default=9, help="of each (default: 9)")
    parser.add_argument("--dir", help="where the lines and the log are (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        lines = os.path.join(folder, "lines")
        header("Lines through a pipe", folder)
        make(lines, options.mib << 20)
        turns: dict[str, list[Turn]] = {name: [] for name in READERS}
        for number in range(options.rounds):
            for name in list(READERS)[:: -1 if number % 2 else 1]:
                turns[name].append(run(READERS[name], lines, os.path.join(folder, "log")))
    base = turns["cat >> file"]
    rows, ratio = [], 0.0
    for name, found in turns.items():
        rates = [options.mib / one.seconds for one in found]
        low, high = quartiles(rates)
        ratio = middle([other.seconds / one.seconds for one, other in zip(found, base, strict=True)])
        cpu = middle([one.cpu for one in found]) / (options.mib / 1024)
        rows.append((name, f"{middle(rates):,.0f}", f"{low:,.0f}–{high:,.0f}", f"{cpu:.2f}", f"{ratio:.2f}"))
    table((f"lines of {LINE} bytes", "MiB/s", "middle half", "CPU s per GiB", "of cat"), rows)
    target("speed of `cat >> file` that `mpfhandler pipe` has", ratio, 0.5, at_most=False)


if __name__ == "__main__":
    main()
