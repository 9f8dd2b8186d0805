"""Real programs of `multiprocessing`, `concurrent.futures` and joblib: forked, spawned, recycled, terminated, killed."""

from __future__ import annotations

import re

import pytest
from _programs import Program, Run, on_each_scale, run, side_by_side

__all__ = ["run", "side_by_side"]  # fixtures

pytestmark = pytest.mark.integration

METHODS = ("fork", "spawn", "forkserver")
KINDS = ["parent", *(f"{way}{end}" for way in ("given", "own") for end in ("leaves", "killed", "terminated"))]
WELL = {"fork": ("threads", "givengrandchild")} | dict.fromkeys(METHODS[1:], ("giventhreads", "owngrandchild"))
PROCESSES = [
    Program(
        "children that use their parent's handler, one that was passed to them, or their own; that end well, leave "
        "by `os._exit`, are killed, terminated, or left as daemons to the program's end; with threads and children of their own",
        ("processes.py", method), kinds=(*KINDS, *WELL[method]), deaths=6,
    )
    for method in METHODS
]  # fmt: skip
POOLS = [
    Program(
        "handlers made in the initializer, workers replaced all the time by `maxtasksperchild`; then a pool that is terminated "
        "while all of its workers log; where it forks, with the handlers that were made before",
        ("pools.py", "pool", method), kinds=("parent", "recycled", "terminated"), deaths=4, quick=method == "fork",
    )
    for method in METHODS
]  # fmt: skip
EXECUTORS = [
    Program(
        "`ProcessPoolExecutor` with an initializer, one after the other; then one of whose workers one is killed, and one of "
        "which one leaves by `os._exit`, at which the others get a SIGTERM while they log",
        ("pools.py", "executor", method), kinds=("parent", "executor", "killed", "left"), deaths=8, quick=method == "fork",
    )
    for method in METHODS
]  # fmt: skip
QUEUE = Program(
    "records that come through queues, from other processes and from threads, beside those of the same files' own handlers",
    ("queues.py",), kinds=("parent", "far", "near", "beside"),
)  # fmt: skip
LOKY = Program(
    "joblib's workers with a handler of their own, with one that comes with each task, and killed in the middle",
    ("loky_jobs.py",), kinds=("parent", "loky", "given", "cut"), deaths=2, needs="joblib", workers=2,
)  # fmt: skip


@on_each_scale(*PROCESSES, *POOLS, *EXECUTORS, QUEUE)
def test_each_record_is_there_once(program: Program, run: Run) -> None:
    """P1, P2: what the program's claim says."""
    program.assert_counted(run)


@on_each_scale(LOKY)
def test_loky(program: Program, run: Run) -> None:
    """P1, P2: the same; and a handler that nobody has any more gives its files back."""
    said = program.assert_counted(run)
    tasks, files = map(int, re.findall(r"\d+", said))
    assert tasks >= 120, said
    assert files < 120, said  # each one, kept open, would have five or six
