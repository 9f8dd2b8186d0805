"""Without what only Linux, only the GNU C library or only CPython has, a part of the tests passes, in an interpreter of its own.

What is taken away (`tests/without/sitecustomize.py`) is not there for the programs that those tests start, either. What holds
then is the same but for what the fallback is known to give up: a rename looks first.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from _proof import PROOF

TESTS = Path(__file__).resolve().parents[1]
SWITCHES = (
    "F_DUPFD_CLOEXEC", "O_CLOEXEC", "renameat2", "statfs", "ctypes", "statx", "posix_spawn", "get_native_id",
    "sched_setscheduler", "ENOSYS",
)  # fmt: skip
MUSL = "F_DUPFD_CLOEXEC O_CLOEXEC renameat2 statfs statx posix_spawn get_native_id ENOSYS"  # all at once
PART = (
    "unit/test_append.py", "unit/test_handler.py", "unit/test_lock.py", "unit/test_locking.py", "unit/test_timedlogfile.py",
    "unit/test_helper.py",
    "unit/test_housekeeper.py", "unit/test_descriptors.py", "faults/test_fork.py", "faults/test_sealing.py",
    "faults/test_external.py", "faults/test_buffered.py", "faults/test_late.py", "faults/test_rotation_lock.py",
    "faults/test_lanes.py",
)  # fmt: skip
FEW = ("unit/test_handler.py", "unit/test_timedlogfile.py")
SYSTEM = (
    "unit/test_append.py", "unit/test_lock.py", "unit/test_locking.py", "unit/test_helper.py", "unit/test_descriptors.py",
    "faults/test_fork.py", "faults/test_rotation_lock.py",
)  # fmt: skip
# Signals stay blocked until the helper itself changes that; a thread that has just ended may still be counted at a fork.
NOT_SO = {
    "posix_spawn": "unit/test_helper.py::test_what_it_inherits",
    "get_native_id": "faults/test_fork.py::test_housekeeping_stops_for_a_fork_and_goes_on_on_both_sides",
}
QUICK = "not slow and not torture and not integration"


def run(files: tuple[str, ...], tmp_path: Path, without: str, *before: str) -> str:
    """What pytest says of these files; they have passed."""
    path = os.pathsep.join([str(TESTS / "without"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "WITHOUT": without}
    command = [
        *before,
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        QUICK,
        "-p",
        "no:cacheprovider",
        "--basetemp",
        str(tmp_path / "t"),
    ]
    command += [f"--deselect={TESTS.name}/{test}" for switch, test in NOT_SO.items() if switch in without.split()]
    command += [str(TESTS / one) for one in files]
    done = subprocess.run(
        command,
        cwd=TESTS.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    return done.stdout


def test_few_with_nothing_of_it(tmp_path: Path) -> None:
    """The handler, and the log without `logging`, where all of it is missing at once."""
    assert "passed" in run(FEW, tmp_path, MUSL)


@pytest.mark.slow
@pytest.mark.parametrize("without", [*(SWITCHES if PROOF else ()), pytest.param(MUSL, id="all")])
def test_part_without_it(tmp_path: Path, without: str) -> None:
    """Descriptors, locks, forks and rotations, where all of it is missing; in a proof (`nox -s proof`) also late records,
    threads, sealing and buffers, and where one is."""
    assert "passed" in run(PART if PROOF else SYSTEM, tmp_path, without)


def _hidden(folder: str) -> tuple[str, ...]:
    """The command that runs another one where this folder is empty."""
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", f'mount -t tmpfs none {folder} && exec "$@"', "sh")


@pytest.mark.slow
def test_self_test_without_proc(tmp_path: Path) -> None:
    """Four processes, rotations, kills, and every record counted, where "/proc" is an empty folder: macOS and the BSDs have none.
    (The tests themselves look into it.)"""
    try:
        subprocess.run([*_hidden("/proc"), "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"/proc cannot be hidden here: {getattr(error, 'stderr', None) or error}")
    command = [*_hidden("/proc"), sys.executable, "-m", "mpfhandler", "check", str(tmp_path), "--procs", "4", "--secs", "6"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS" in done.stdout
