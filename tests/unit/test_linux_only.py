"""What only Linux, or only the GNU C library, has: where it stands in the package, and that a test switches each off."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mpfhandler

PACKAGE = Path(mpfhandler.__file__).parent
WITHOUT = Path(__file__).resolve().parents[1] / "without"

# By the availability that the standard library's documentation tells, and what interpreters other than CPython lack.
LINUX_ONLY = {
    "os": """
        CLONE_FILES CLONE_NEWNS EFD_CLOEXEC O_ASYNC O_CLOEXEC O_DIRECT O_NOATIME O_NOCTTY O_PATH O_TMPFILE RWF_APPEND SCHED_BATCH
        SCHED_IDLE copy_file_range eventfd getrandom getxattr listxattr memfd_create pidfd_open pipe2 posix_fadvise
        posix_fallocate
        posix_openpt posix_spawn posix_spawnp preadv pwritev removexattr sched_getaffinity sched_getscheduler sched_param
        sched_setaffinity sched_setscheduler sendfile setns setxattr splice statx timerfd_create unshare waitid fdatasync
    """,
    "fcntl": "F_ADD_SEALS F_DUPFD_CLOEXEC F_NOTIFY F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW F_SETLEASE F_SETPIPE_SZ F_SETSIG",
    "select": "epoll kqueue devpoll",
    "signal": "pidfd_send_signal sigtimedwait sigwaitinfo",
    "socket": "AF_NETLINK SOCK_CLOEXEC SOCK_NONBLOCK SO_PEERCRED send_fds",
    "resource": "prlimit",
    "threading": "get_native_id",
    "time": "CLOCK_BOOTTIME clock_nanosleep pthread_getcpuclockid",
}  # fmt: skip
NAMES = {(module, name) for module, names in LINUX_ONLY.items() for name in names.split()}
STRINGS = {name for _, name in NAMES}

# Where the package uses one, and what switches it off. That a module does without it is what the tests show that are run then.
SWITCHED_OFF = {
    ("_platform/posix.py", "F_DUPFD_CLOEXEC"): "F_DUPFD_CLOEXEC",
    ("_platform/posix.py", "O_CLOEXEC"): "O_CLOEXEC",
    ("_platform/posix.py", "O_NOCTTY"): "O_CLOEXEC",
    ("_platform/posix.py", "ctypes"): "ctypes renameat2",
    ("_platform/posix.py", "/proc"): "/proc",
    ("_platform/mounts.py", "ctypes"): "ctypes statfs",
    ("_platform/mounts.py", "/proc"): "/proc",
    ("_platform/host.py", "/proc"): "/proc",
    ("_platform/priority.py", "SCHED_BATCH"): "sched_setscheduler",
    ("_platform/priority.py", "ctypes"): "ctypes",
    ("_platform/priority.py", "get_native_id"): "get_native_id",
    ("_platform/priority.py", "sched_getscheduler"): "sched_setscheduler ENOSYS",
    ("_platform/priority.py", "sched_param"): "sched_setscheduler",
    ("_platform/priority.py", "sched_setscheduler"): "sched_setscheduler ENOSYS",
    ("_platform/helper_posix.py", "posix_spawn"): "posix_spawn",
    ("_platform/threads.py", "/proc"): "/proc",
    ("_platform/threads.py", "get_native_id"): "get_native_id",
    ("_faces/read/holders.py", "/proc"): "/proc",
    ("_faces/check/filesystem.py", "/proc"): "/proc",
    ("_engine/streams.py", "/proc"): "/proc",
}
# Imported there alone.
OF_WINDOWS = {"helper_windows.py", "win32.py", "windows.py", "windows_drives.py", "windows_facts.py", "windows_locks.py"}
# Names of files and events, in texts only.
TEXTS = {("_resources/exits.py", "posix_spawn")}


def used(path: Path) -> set[str]:
    """What of it stands in a module: as an attribute of the standard library's module, or in a text, which `getattr` may take."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and (node.value.id, node.attr) in NAMES:
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value.removeprefix("os.")
            found |= {"/proc"} if text.startswith("/proc") else {text} & STRINGS
        elif isinstance(node, ast.Import) and any(one.name == "ctypes" for one in node.names):
            found.add("ctypes")
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {one.name for one in node.names if (node.module, one.name) in NAMES}
    return found


def test_each_use_is_known() -> None:
    """No module uses more of what other systems lack than what is written down here, and no less."""
    found = {
        (path.relative_to(PACKAGE).as_posix(), name)
        for path in PACKAGE.rglob("*.py")
        if path.name not in OF_WINDOWS
        for name in used(path)
    }  # fmt: skip
    assert found - TEXTS == set(SWITCHED_OFF)


def test_each_is_switched_off_somewhere() -> None:
    """Every switch that is named here is one of those with which a part of the tests is run (`tests/faults/test_without.py`)."""
    source = (WITHOUT.parent / "faults" / "test_without.py").read_text()
    switches = {one for switch in SWITCHED_OFF.values() for one in switch.split()}
    assert {one for one in switches if f'"{one}"' not in source} == set()


@pytest.mark.skipif(sys.platform == "win32", reason="of POSIX systems")
@pytest.mark.parametrize(
    ("switch", "program"),
    [
        ("F_DUPFD_CLOEXEC", "import fcntl; fcntl.F_DUPFD_CLOEXEC"),
        ("O_CLOEXEC", "import os; os.O_CLOEXEC"),
        ("renameat2", "import ctypes; ctypes.CDLL(None).renameat2"),
        ("statfs", "import ctypes; ctypes.CDLL(None).statfs"),
        ("ctypes", "import ctypes"),
        ("statx", "import os; os.statx"),
        ("posix_spawn", "import os; os.posix_spawn"),
        ("get_native_id", "import threading; threading.get_native_id"),
        ("sched_setscheduler", "import os; os.sched_setscheduler"),
        ("ENOSYS", "import os; os.sched_getscheduler(0)"),
    ],
)
def test_switches_switch(switch: str, program: str) -> None:
    """With a switch the thing is not there, and threads and programs can be started all the same."""
    beside = "import subprocess, sys, threading; one = threading.Thread(target=print); one.start(); one.join()"
    environment = {"PYTHONPATH": str(WITHOUT), "WITHOUT": switch}
    for code in (beside, f"{beside}\ntry: {program}\nexcept (AttributeError, ImportError, OSError): sys.exit(3)"):
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == (3 if "try" in code else 0), done.stderr
