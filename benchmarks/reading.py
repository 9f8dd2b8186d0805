"""How fast `mpfhandler cat` reads, beside `zcat | grep` and `grep` on the same files.

Two logs with the same content, one a compressed segment, one plain, with a traceback now and then. Each task is done by both
sides in turn; the ratio is the median of those of the pairs, so 1.20 means that ours needs 20 % more time. Both write into a
pipe, for `grep` stops at its first finding where it sees /dev/null. The start of the interpreter is in ours; it is told
alone, too.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import header, table, target

TRACE = 'Traceback (most recent call last):\n  File "app.py", line 3, in serve\nValueError: needle\n'
WORDS = {"rare word": "needle", "word of one line in 7": "worker-3", "word of every line": "articles", "pattern": "in 9[0-9] ms"}


def make(folder: Path, size: int) -> tuple[Path, Path]:
    """The plain log, and the segment of another one; both have about so many bytes of text."""
    plain, packed = folder / "plain.log", folder / "packed.log.2026-11-23_15.gz"
    number = 0
    with plain.open("w") as log:
        while log.tell() < size:
            for _ in range(10_000):
                stamp = f"2026-11-23 15:{number // 60_000 % 60:02}:{number // 1000 % 60:02},{number % 1000:03}"
                text = f"/articles/{number * 7919 % 100_003}/{number % 13} in {number * 31 % 97} ms"
                log.write(f"{stamp} INFO worker-{number % 7}: GET {text}\n")
                number += 1
            log.write(f"2026-11-23 15:59:59,999 ERROR worker-0: lost\n{TRACE}")
    with plain.open("rb") as source, gzip.open(packed, "wb", 6) as out:
        while data := source.read(1 << 20):
            out.write(data)
    return plain, packed


def seconds(command: str) -> tuple[float, float]:
    """Of one run in a shell: that passed, and of processors."""
    start, before = time.perf_counter(), os.times()
    subprocess.run(["sh", "-c", f"{command} | cat >/dev/null"], check=True, env={**os.environ, "LC_ALL": "C"})
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, max(cpu, 0.01)


def compare(ours: str, theirs: str, rounds: int) -> list[float]:
    """Seconds of both sides, and the ratios: of the time that passed, and of processors' time."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    mine, other = (statistics.median(one[0] for one in column) for column in zip(*pairs, strict=True))
    return [mine, other, *(statistics.median(one[kind] / two[kind] for one, two in pairs) for kind in (0, 1))]


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200, help="of text in each log (default: 200)")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of each task (default: 5)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        header("Reading", folder)
        plain, packed = make(Path(folder), given.megabytes * 1_000_000)
        own = f"{shlex.quote(sys.executable)} -m mpfhandler"
        logs = {"gz": shlex.quote(str(packed.with_name("packed.log"))), "plain": shlex.quote(str(plain))}
        readers = {"gz": f"zcat {shlex.quote(str(packed))}", "plain": f"cat {logs['plain']}"}
        tasks = [("program's start", f"{own} --version", "true")]
        for kind, reader in readers.items():
            ours = f"{own} cat --when H {logs[kind]}"
            tasks.append((f"{kind}: everything", ours, reader))
            for what, option in WORDS.items():
                tasks.append((f"{kind}: {what}", f"{ours} --grep '{option}'", f"{reader} | grep '{option}'"))
        rows = {title: compare(mine, other, given.rounds) for title, mine, other in tasks}
    columns = ("task", "ours, s", "zcat, cat, grep, s", "ratio", "ratio of processors' time")
    table(columns, ([title, *(f"{figure:.2f}" for figure in figures)] for title, figures in rows.items()))
    target("A plain scan of a compressed segment, in the time of zcat | grep", rows["gz: rare word"][2], 1.0, at_most=True)
    frequent = max(rows[f"gz: {what}"][3] for what in ("word of one line in 7", "pattern"))
    target("The same for frequent findings, in the processors' time of zcat | grep", frequent, 1.0, at_most=True)


if __name__ == "__main__":
    main()
