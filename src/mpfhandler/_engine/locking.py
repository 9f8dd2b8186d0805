"""Which way records go: as appends, or each under the rotation lock. Decided once, when a log is made.

`auto` goes by the type of the mount. Local file systems serialize appends; of the others it is known that they do not (NFS, SMB,
FUSE, all of them under Wine), or not known that they do. There each record is written under the lock, if the lock excludes: that
is tried out between two descriptions, which tells of file systems without locks, and known of mounts whose locks exclude the
processes of one machine only. On such a mount a log belongs to the machine that came first; a file beside it says which one that
is.
"""

from __future__ import annotations

import os.path
import sys
import warnings
from collections.abc import Callable
from typing import NamedTuple

from .._platform import Operations
from .._platform.mounts import FileSystem, is_local, mount_of
from .._pure.errors import InvalidOption
from .._resources.descriptors import close_quietly
from .machine import another, claim, host_file

__all__ = ["Locking", "check_machine", "decide_locking", "locks_records_at", "needs_lock", "one_machine", "tell"]

_ODD = {
    "9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "davfs", "exfat", "glusterfs", "lustre", "nfs", "nfs4", "orangefs", "prl_fs",
    "share", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs", "wine",
}  # fmt: skip
_FUSE_WITH_LOCKS = {"fuse.ceph-fuse", "fuse.glusterfs", "fuse.juicefs"}  # between machines
_PACKAGE = __name__.partition(".")[0] + "."
# Of virtual machines: virtiofsd leaves locks to the guest, and QEMU's 9p server grants each that it is asked for.
_SHARED_FOLDERS = {"9p", "prl_fs", "vboxsf", "virtiofs", "vmhgfs"}
# Options of a mount by which locks stay on the machine: nfs(5), mount.cifs(8).
_LOCAL_LOCKS = {"nolock", "local_lock=all", "local_lock=flock", "nobrl"}
_REMEDY = (
    "give each machine a file of its own (a path may contain {host}), or log to a local disk and have a shipper or archive= "
    "bring it together"
)
_LOCKS_ELSEWHERE = "; or name by lock_dir a folder on a network file system whose locks exclude, such as NFSv4"


class Locking(NamedTuple):
    """How records go, and what the user is to be told of that."""

    mode: str  # "append", "record"
    told: str = ""


def needs_lock(mount: FileSystem) -> bool:
    """Whether appends there are not known to be one after the other."""
    return mount.kind in _ODD or mount.kind.startswith("fuse")


def one_machine(mount: FileSystem) -> bool:
    """Whether its locks exclude the processes of one machine only, or may do no more."""
    return _one_client(mount) or bool(_LOCAL_LOCKS & mount.options)


def _one_client(mount: FileSystem) -> bool:
    """Whether it takes what is there for its own alone, so that a lock elsewhere is not enough: on sshfs 3.7, with the lock on
    NFSv4.2, no record was lost, but lines were torn."""
    fuse = mount.kind.startswith("fuse") and mount.kind not in {"fuseblk", *_FUSE_WITH_LOCKS}
    return fuse or mount.kind in _SHARED_FOLDERS


def locks_records_at(log: str) -> bool:
    """What `auto` would say of an existing log."""
    folder = os.path.dirname(log)
    return not is_local(folder) and needs_lock(mount_of(folder))


def decide_locking(
    ops: Operations,
    given: str,
    log: str,
    lock: str,
    *,
    make_folder: Callable[[], object] = lambda: None,
    mounted: Callable[[str], FileSystem] = mount_of,
) -> Locking:
    """What the option means for this log.

    Args:
        ops: the system calls.
        given: "auto", "append" or "record".
        log: its path.
        lock: of its lock file.
        make_folder: makes the log's folder if it is missing: it has to be there for a file that says whose the log is.
        mounted: tells of a folder's file system.

    Raises:
        InvalidOption: locks do not exclude there, and another machine writes to this log; or there are no locks.
    """
    if given == "append":
        return Locking(given)
    folder = _existing(ops, os.path.dirname(log))
    if given == "auto" and mounted is mount_of and is_local(folder):
        return Locking("append")
    mount = mounted(folder)
    if given == "auto" and not needs_lock(mount):
        return Locking("append")
    locks = _existing(ops, os.path.dirname(lock))
    if needs_lock(mount):
        _try_out(ops, given, locks)
        if _of_one_machine(log, lock, mount, mounted, locks):
            _belong(ops, given, log, mount, make_folder)
    told = f"{log} is on {mount}: each record is written under the rotation lock; locking='record' says that this is known"
    return Locking("record", told if given == "auto" else "")


def check_machine(ops: Operations, log: str, lock: str, *, mounted: Callable[[str], FileSystem] = mount_of) -> None:
    """Whether this machine may change a log or its segments by hand. Changes nothing.

    Args:
        ops: the system calls.
        log: its path.
        lock: of its lock file.
        mounted: tells of a folder's file system.

    Raises:
        PermissionError: another machine has it, and no lock excludes that.
    """
    folder = os.path.dirname(log)
    if mounted is mount_of and is_local(folder):
        return
    mount = mounted(folder)
    if not needs_lock(mount) or not _of_one_machine(log, lock, mount, mounted, _existing(ops, os.path.dirname(lock))):
        return
    path = host_file(log)
    name = another(ops, path)
    if name:
        raise PermissionError(f"{_theirs(log, mount, name, path)}; run this there")


def _of_one_machine(log: str, lock: str, mount: FileSystem, mounted: Callable[[str], FileSystem], locks: str) -> bool:
    """Whether no lock excludes other machines, of the log, and of its lock file in the folder `locks`."""
    lock_mount = mount if os.path.dirname(lock) == os.path.dirname(log) else mounted(locks)
    return _one_client(mount) or one_machine(lock_mount) or not needs_lock(lock_mount)


def _theirs(log: str, mount: FileSystem, name: str, path: str) -> str:
    return (
        f"{log} is on {mount}, whose locks exclude the processes of one machine only, and {name!r} writes to it (if that "
        f"is over, or was this machine, remove {path})"
    )


def tell(locking: Locking) -> None:
    """Once for each text, as Python does it; to who made the log, whichever of our classes by."""
    if locking.told:
        frame, level = sys._getframe(), 1
        while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(_PACKAGE):
            frame, level = frame.f_back, level + 1
        warnings.warn(locking.told, RuntimeWarning, stacklevel=level)


def _existing(ops: Operations, folder: str) -> str:
    """The nearest folder that is there."""
    while folder != os.path.dirname(folder):
        try:
            ops.stat_path(folder)
        except OSError:
            folder = os.path.dirname(folder)
        else:
            break
    return folder


def _try_out(ops: Operations, given: str, folder: str) -> None:
    """The probe: what one description has locked, another one is refused. Where no file can be made, nothing is known.

    Raises:
        InvalidOption: not so.
    """
    path = os.path.join(folder, f".mpfhandler-{ops.pid()}-{ops.monotonic():.6f}.lock")
    opened: list[int] = []
    try:
        opened.append(ops.open_new_private(path))
        opened.append(ops.open_side(path))
    except OSError:
        excludes = True
    else:
        try:
            excludes = ops.try_lock(opened[0], True) and not ops.try_lock(opened[1], True)
        except OSError:
            excludes = False
    for fd in opened:
        close_quietly(ops, fd)
    if opened:
        try:
            ops.unlink(path)
        except OSError:
            pass
    if not excludes:
        problem = f"the file system of {folder} has no locks that exclude anybody"
        raise InvalidOption("locking", given, problem, _REMEDY + _LOCKS_ELSEWHERE)


def _belong(ops: Operations, given: str, log: str, mount: FileSystem, make_folder: Callable[[], object]) -> None:
    """Have the log belong to this machine, if it belongs to none.

    Raises:
        InvalidOption: it is another one's.
    """
    try:
        make_folder()
    except OSError:
        pass  # who opens the log tries again, and tells
    path = host_file(log)
    other = claim(ops, path)
    if other:
        remedy = _REMEDY + ("" if _one_client(mount) else _LOCKS_ELSEWHERE)
        raise InvalidOption("locking", given, _theirs(log, mount, other, path), remedy)
