"""Containers without an engine: namespaces of processes, mounts, names and, if asked for, users, made by `unshare`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from _programs import PROGRAMS, Run, Scale, started

import mpfhandler

__all__ = ["Container", "needs_containers", "user_namespace"]

USERS = 65536  # in a user namespace
NAMESPACES = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--uts", "--ipc")
# All that the container has of the machine, but for the programs of the system, is on /mnt. Descriptor 9 is its user namespace.
INSIDE = """
set -e
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/python /mnt/source /mnt/programs /mnt/logs
mount --bind "$1" /mnt/python
mount --bind "$2" /mnt/source
mount --bind "$3" /mnt/programs
mount --bind "$4" /mnt/logs
cd /mnt/logs
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /dev/shm
hostname container
exec 9<"$5"
mount -t proc proc /proc
shift 5
exec "$@"
"""


def _refusal() -> str:
    """Why there are no containers here, "" if there are."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root of a Linux can make containers"
    try:
        subprocess.run([*NAMESPACES, "--user", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no containers here: {getattr(error, 'stderr', None) or error}"
    return ""


_NONE = _refusal()
needs_containers = pytest.mark.skipif(bool(_NONE), reason=_NONE)


@contextmanager
def user_namespace(first: int) -> Iterator[str]:
    """The name of one in which user 0 is this one outside, and so on."""
    command = ["unshare", "--user", "sh", "-c", "echo there; read line"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"there\n"
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{holder.pid}/{kind}").write_text(f"0 {first} {USERS}\n")
        yield f"/proc/{holder.pid}/ns/user"


@dataclass(frozen=True)
class Container:
    """Runs `container.py`, as process number 1.

    Attributes:
        number: of it; with this its processes are told from those of other containers, which have the same numbers.
        user: as which it runs, inside.
        group: the same.
        users: the user namespace; "" is the machine's.
    """

    number: int
    user: int
    group: int
    users: str = ""

    def started(self, folder: Path, scale: Scale, options: str) -> AbstractContextManager[Run]:
        """It runs until the block ends, with the folder as its volume for logs."""
        python = os.path.relpath(os.path.realpath(sys.executable), os.path.realpath(sys.base_prefix))
        source = Path(mpfhandler.__file__).parents[1]
        places = [os.path.realpath(sys.base_prefix), str(source), str(PROGRAMS), str(folder), self.users or "/proc/self/ns/user"]
        enter = ["nsenter", "--user=/proc/self/fd/9", "--setuid", str(self.user), "--setgid", str(self.group)]
        change = ["setpriv", "--reuid", str(self.user), "--regid", str(self.group), "--clear-groups"]
        program = [f"/mnt/python/{python}", "/mnt/programs/container.py"]
        command = [*NAMESPACES, "sh", "-c", INSIDE, "container", *places, *(enter if self.users else change), *program]
        of_container = {"PYTHONPATH": "/mnt/programs:/mnt/source", "WORK_FOLDER": "/mnt/logs", "TMPDIR": "/tmp"}
        return started(folder, command, scale, WORK_PIDS_FROM=str(self.pids_from), WORK_OPTIONS=options, **of_container)

    @property
    def pids_from(self) -> int:
        """What is added to a process's number in the account."""
        return self.number * 10_000_000

    def processes(self, folder: Path) -> set[int]:
        """The numbers, inside, of those that have begun to log."""
        known = {int(path.name.split(".")[1].split("-")[0]) - self.pids_from for path in (folder / "acknowledged").iterdir()}
        return {pid for pid in known if 0 < pid < 10_000_000}

    def kill(self, run: Run) -> None:
        """With all of its processes."""
        at = time.time()
        run.process.kill()
        run.process.wait()
        for pid in self.processes(run.folder):
            death = run.folder / "deaths" / str(self.pids_from + pid)
            if not death.exists():
                death.write_text(repr(at))
                death.chmod(0o666)  # its process number 1 may live for another moment, and tell of this one, too
