"""`mpfhandler check`: does this file system keep the promises? Arguments, clean-up, exit code."""

from __future__ import annotations

import argparse
import dataclasses
import os
import random
import shutil
import tempfile

from ..._engine.streams import is_stream_folder
from ..._pure.errors import InvalidOption
from ..._pure.schedule import Schedule
from ..arguments import add_command, count, seconds, size
from ..interrupt import interruptible
from ..look import complain, say
from .conductor import NothingStartedError, Outcome, conduct
from .filesystem import FileSystem, file_system, warning
from .job import BYTES_PER_TOKEN, MAX_RATE, Setup
from .ledger import THREADS
from .line import Recipe
from .pair import PAIR_RATE, compare, not_one_folder
from .probe import probe
from .report import Report
from .verify import Findings, Period, Writer, verify

__all__ = ["examine", "register"]

_LARGE_ONES = 200  # bytes that they add to the mean record
_SPARE_BYTES = 64 << 20
_PAIR_BYTES = 16 << 20
_UNITS = ("S", "M", "H", "D", "MIDNIGHT", "W0", "W1", "W2", "W3", "W4", "W5", "W6", "MONTH")
_FAILED, _CANNOT_RUN = 1, 2

_DESCRIPTION = """\
Starts real processes that log into a fresh folder below DIR through rotations, forks
and kills, then looks for every record whose logging call had returned.

With DIR2, which is the same folder by way of another mount: tells whether the two
exclude each other, so that machines with such mounts may write to one log.
"""
_EPILOG = """\
examples:
  mpfhandler check /var/log/app
  mpfhandler check --procs 8 --secs 60 --when M --json
  mpfhandler check /mnt/here /mnt/there

exit codes: 0 all records are there, whole, once, in the file of their period (the
mounts exclude each other); 1 not so; 2 the test could not run; 130 interrupted; 141
the reader of the output has gone away.
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add this command to the command line."""
    parser = add_command(commands, "check", _DESCRIPTION, _EPILOG)
    add = parser.add_argument
    add("dir", metavar="DIR", nargs="?", default=".", help="folder to test in (default: the current one)")
    add("dir2", metavar="DIR2", nargs="?", help="the same folder by way of another mount, for network drives")
    add("--procs", metavar="N", type=count(1, 256), default=4, help="processes at a time (default: %(default)s)")
    add("--secs", metavar="N", type=seconds(86400), default=5.0, help="seconds of logging (default: 5)")
    add(
        "--when", metavar="UNIT", type=str.upper, choices=_UNITS, default="S", help="S M H D midnight W0 to W6 MONTH (default: S)"
    )
    add("--interval", metavar="N", type=count(1, 10_000), default=1, help="units between rotations (default: 1)")
    add(
        "--size",
        metavar="SIZE",
        type=size(1, 1 << 20),
        default=100,
        help='mean length of a record: "4kB", or bytes (default: 100)',
    )
    add("--seed", metavar="N", type=count(0, 1 << 32), help="repeat the sizes and kills of an earlier run")
    add("--json", action="store_true", help="print the result as JSON")
    add("--keep", action="store_true", help="keep the files, also after a success")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the self-test. Whatever ends it, no process is left, and no file unless they are to be kept."""
    if not hasattr(os, "fork"):
        complain(
            "check",
            "its processes are forked and killed, which only POSIX systems can; a log can be used here, see the documentation",
        )
        return _CANNOT_RUN
    needed = _needed(arguments.secs, arguments.size) if arguments.dir2 is None else int(arguments.secs * PAIR_RATE) + _PAIR_BYTES
    complaint = _bad_schedule(arguments.when, arguments.interval) or _cannot(arguments.dir, needed)
    if complaint:
        complain("check", complaint)
        return _CANNOT_RUN
    if arguments.dir2 is not None:
        return _run_pair(arguments)
    with interruptible():
        try:
            report = _tested(arguments)
        except NothingStartedError as error:
            for line in ("no worker could start", *str(error).splitlines()):
                complain("check", line)
            return _CANNOT_RUN
    if arguments.json:
        print(report.json())
    else:
        _show(report)
    return 0 if report.passed else _FAILED


def _run_pair(arguments: argparse.Namespace) -> int:
    """Two mounts of one folder."""
    first, second = os.path.realpath(arguments.dir), os.path.realpath(arguments.dir2)
    with interruptible():
        complaint = None if os.path.isdir(second) else f"DIR2={arguments.dir2!r}: no such folder; name an existing one"
        try:
            complaint = complaint or not_one_folder(first, second) or not_one_folder(second, first)
            if complaint:
                complain("check", complaint)
                return _CANNOT_RUN
            pair = compare(first, second, arguments.secs)
        except OSError as error:
            complain("check", str(error))
            return _CANNOT_RUN
    if arguments.json:
        print(pair.json())
    else:
        styles = {"PASS": "bold green", "FAIL": "bold red", "warning": "yellow"}
        for line in pair.text().splitlines():
            say(line, styles.get(line.partition(":")[0], ""))
    return 0 if pair.excludes else _FAILED


def examine(setup: Setup, outcome: Outcome) -> Findings:
    """Read what the processes of that run have written, and judge it."""
    writers = [Writer(one.writer, one.acked, one.writer in outcome.killed) for one in outcome.accounts]
    return verify(setup.log, writers, Recipe(setup.seed, setup.size), Period(setup.when, setup.interval))


def _tested(arguments: argparse.Namespace) -> Report:
    """The run and its report, in two folders of its own. The log's stays if it is to be looked at, with the ledgers."""
    keep = False
    folder = tempfile.mkdtemp(prefix="mpfhandler-check-", dir=os.path.realpath(arguments.dir))
    ledgers = tempfile.mkdtemp(prefix="mpfhandler-ledgers-")
    try:
        report = _report(_setup(arguments, folder, ledgers), quiet=arguments.json)
        keep = arguments.keep or not report.passed
        if keep:
            shutil.copytree(ledgers, os.path.join(folder, "ledgers"))
        return dataclasses.replace(report, kept=folder if keep else None)
    finally:
        shutil.rmtree(ledgers, ignore_errors=True)
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _report(setup: Setup, *, quiet: bool) -> Report:
    where = file_system(setup.folder)
    if not quiet:
        _announce(setup, where)
    probes = probe(setup.folder)
    outcome = conduct(setup)
    return Report(setup, where, probes, outcome, examine(setup, outcome), kept=None)


def _show(report: Report) -> None:
    styles = {"PASS": "bold green", "FAIL": "bold red", "warning": "yellow", "problem": "red"}
    for line in report.text().splitlines():
        say(line, styles.get(line.partition(":")[0], ""))


def _announce(setup: Setup, where: FileSystem) -> None:
    schedule = f"when={setup.when} interval={setup.interval} seed={setup.seed}"
    print(f"{setup.procs} processes x {THREADS} threads for {setup.secs:g} s, {schedule}, on {where}", flush=True)
    weak = warning(where.kind)
    if weak:
        print(f"warning: {weak}", flush=True)


def _setup(arguments: argparse.Namespace, folder: str, ledgers: str) -> Setup:
    seed: int | None = arguments.seed
    return Setup(
        folder=folder,
        ledgers=ledgers,
        procs=arguments.procs,
        secs=arguments.secs,
        when=arguments.when,
        interval=arguments.interval,
        size=arguments.size,
        seed=random.randrange(1 << 32) if seed is None else seed,  # noqa: S311  repeatable, not secret
    )


def _bad_schedule(when: str, interval: int) -> str | None:
    """What the handler would say to these two together, or None."""
    try:
        Schedule.create(when, interval)
    except InvalidOption as error:
        return str(error.renamed({"when": "--when", "interval": "--interval"}))
    return None


def _needed(secs: float, size: int) -> int:
    """Bytes of space."""
    return int(secs * MAX_RATE * min(size + _LARGE_ONES, BYTES_PER_TOKEN)) + _SPARE_BYTES


def _cannot(folder: str, needed: int) -> str | None:
    """Why the test cannot run there, or None."""
    if not os.path.isdir(folder):
        return f"DIR={folder!r}: no such folder; name an existing one"
    if is_stream_folder(os.path.realpath(folder)):
        return f"DIR={folder!r}: what lies there is written to as a stream and never rotated; name another folder"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"DIR={folder!r}: no permission to create files in it; name another folder"
    free = shutil.disk_usage(folder).free
    if free < needed:
        return f"DIR={folder!r}: {free >> 20} MiB free, {needed >> 20} MiB needed; free some, or give fewer --secs"
    return None
