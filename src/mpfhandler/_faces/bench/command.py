"""`mpfhandler bench`: this handler and others, side by side. Arguments, clean-up, exit code."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..arguments import add_command, count, seconds
from ..interrupt import interruptible
from ..look import Progress, complain, document, print_json

if TYPE_CHECKING:
    from .results import Results
    from .session import Plan

__all__ = ["KEYS", "measured", "register", "verdict"]

KEYS = (
    "ours",
    "buffered",
    "file",
    "timed",
    "watched",
    "queue",
    "clh",
    "loguru",
    "loguru-enqueue",
    "picologging",
    "write",
)
_PARTS = ("throughput", "latency", "rotations", "syscalls", "stall", "cost", "stages", "import")
_MATRIX = (1, 2, 4, 8, 16, 32, 64)
_FAILED, _CANNOT_RUN = 1, 2
_SPARE_BYTES = 256 << 20
_BY_RECORDS = 120.0  # seconds after which a run by records ends, too
_BYTES_A_SECOND = 200_000_000  # more than any handler writes

_DESCRIPTION = """\
Measures this handler and others side by side: records per second, CPU per record,
p50, p99, p99.9 and the longest call, records lost, the longest calls of busy processes
over many rotations, system calls per record, the stall while a large file is rotated
and compressed, the CPU of a handler and of a whole logging call, the stages of a
record, and the import. Rounds alternate; medians are printed with the least and the
most, as Markdown. What is not installed is skipped and named.
"""
_EPILOG = """\
examples:
  mpfhandler bench
  mpfhandler bench /var/tmp --procs 1,8 --threads 1 --handlers ours,file,clh --parts cost

handlers: %(keys)s
parts:    %(parts)s

exit codes: 0 measured (what failed in another handler is named); 1 this handler lost a
record, or a measurement of it failed; 2 wrong usage, or it could not run;
130 interrupted; 141 the reader of the output has gone away.
The bar on stderr is shown on a terminal only. There the tables are drawn where rich is
installed; in a pipe they are Markdown.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    epilog = _EPILOG % {"keys": ", ".join(KEYS), "parts": ", ".join(_PARTS)}
    parser = add_command(commands, "bench", _DESCRIPTION, epilog)
    add = parser.add_argument
    add("dir", metavar="DIR", nargs="?", default=".", help="folder whose file system is measured (default: the current one)")
    add("--procs", metavar="N,…", type=_numbers(256), default=(1, 8), help="numbers of processes (default: 1,8)")
    add("--threads", metavar="N,…", type=_numbers(64), default=(1, 8), help="numbers of threads in each (default: 1,8)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--secs", metavar="S", type=seconds(3600), default=1.0, help="seconds of each run (default: 1)")
    length.add_argument(
        "--records", metavar="N", type=count(1, 10_000_000), help="of each thread, instead of --secs; 120 s at most"
    )
    add("--rounds", metavar="N", type=count(1, 1000), default=3, help="rounds of every handler (default: 3)")
    add("--handlers", metavar="KEY,…", type=_names(KEYS), default=KEYS, help="which (default: all)")
    add("--parts", metavar="PART,…", type=_names(_PARTS), default=_PARTS, help="what is measured (default: all)")
    add(
        "--when",
        metavar="UNIT",
        default="h",
        choices=("S", "M", "h", "H", "D", "midnight"),
        help="of the schedule (default: h); S rotates every second",
    )
    add("--turn-secs", metavar="S", type=seconds(3600), default=10.0, help="seconds of each run with a rotation a second (10)")
    add("--stall-mb", metavar="N", type=count(1, 100_000), default=200, help="size of the file that is rotated (default: 200)")
    add("--stall-secs", metavar="S", type=seconds(3600), default=20.0, help="seconds of logging around that (default: 20)")
    add("--matrix", action="store_true", help=f"processes {','.join(map(str, _MATRIX))} and threads 1,8, 5 rounds")
    add("--json", action="store_true", help="print the results as one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print. Whatever ends it, no process and no file is left."""
    complaint = _cannot(arguments)
    if complaint:
        complain("bench", complaint)
        return _CANNOT_RUN
    command = " ".join(["mpfhandler", *sys.argv[1:]])
    with interruptible():
        results = measured(arguments, command)
    from .tables import markdown

    if arguments.json:
        print_json(results.to_dict())
    else:
        document(markdown(results))
    return verdict(results)


def measured(arguments: argparse.Namespace, command: str) -> Results:
    """Everything that the arguments ask for, in a folder that is removed afterwards; `command` is how it was asked."""
    from .session import Session, select

    plan = _plan(arguments)
    here, skipped = select(plan.keys)
    folder = tempfile.mkdtemp(prefix="mpfhandler-bench-", dir=os.path.realpath(arguments.dir))
    try:
        with Progress(Session.steps(plan, here)) as progress:
            for one in skipped:
                progress.say(f"Skipped: {one.name}: {one.why}")
            return Session(plan, folder, progress, here).results(command, skipped)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def verdict(results: Results) -> int:
    """The exit code: whether ours kept every record, and everything of it was measured. What fails in a peer is only named."""
    ours = {"ours", "buffered"}
    lost = sum(one.lost for cell in results.cells if cell.key in ours for one in cell.rounds)
    lost += sum(one.lost for one in results.stalls if one.key in ours)
    peers = {*KEYS} - ours
    return _FAILED if lost or any(one.key not in peers for one in results.failed) else 0


def _plan(arguments: argparse.Namespace) -> Plan:
    from .rounds import Load
    from .session import Plan

    by_records: int | None = arguments.records
    load = Load(_BY_RECORDS if by_records else arguments.secs, by_records or 0, arguments.when)
    matrix: bool = arguments.matrix
    return Plan(
        procs=_MATRIX if matrix else arguments.procs,
        threads=(1, 8) if matrix else arguments.threads,
        load=load,
        rounds=5 if matrix else arguments.rounds,
        keys=arguments.handlers,
        parts=arguments.parts,
        turn_secs=arguments.turn_secs,
        stall_mb=arguments.stall_mb,
        stall_secs=arguments.stall_secs,
        stall_rounds=3 if matrix else 1,
    )


def _cannot(arguments: argparse.Namespace) -> str | None:
    """Why it cannot run there, or None."""
    folder: str = arguments.dir
    if not os.path.isdir(folder):
        return f"DIR={folder!r}: no such folder; name an existing one"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"DIR={folder!r}: no permission to create files in it; name another folder"
    needed = max(3 * arguments.stall_mb << 20, 0) if "stall" in arguments.parts else 0
    longest = max(
        arguments.secs if arguments.records is None else 0, arguments.turn_secs if "rotations" in arguments.parts else 0
    )
    needed = max(needed, int(longest * _BYTES_A_SECOND))
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        wanted = f"{free >> 20} MiB free, {needed + _SPARE_BYTES >> 20} MiB needed"
        return f"DIR={folder!r}: {wanted}; free some, or give fewer --secs, --turn-secs or --stall-mb"
    return None


def _numbers(high: int) -> Callable[[str], tuple[int, ...]]:
    one = count(1, high)

    def integers(text: str) -> tuple[int, ...]:
        return tuple(dict.fromkeys(one(part) for part in text.split(",")))

    return integers


def _names(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        given = tuple(dict.fromkeys(text.split(",")))
        wrong = [name for name in given if name not in known]
        if wrong:
            raise argparse.ArgumentTypeError(f"{wrong[0]!r} is none of {', '.join(known)}")
        return given

    return names
