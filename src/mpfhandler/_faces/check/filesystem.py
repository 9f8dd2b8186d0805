"""Which file system a folder is on, and whether it can keep the promises there.

Linux tells by /proc/self/mountinfo (proc(5)), macOS and the BSDs by the output of mount(8); elsewhere it is unknown.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

from ..._platform.mounts import FileSystem, below, parse_mountinfo

__all__ = ["FileSystem", "file_system", "parse_mount_output", "parse_mountinfo", "warning"]

_MOUNTINFO = "/proc/self/mountinfo"

_APPENDS = "appends of two hosts (or two mounts) are not serialized, so they overwrite each other's records"
_FUSE = "a FUSE server sees one write as several, and its locks exclude nobody on other mounts"
_WEAK = (
    ("nfs", f"on NFS {_APPENDS}"),
    ("cifs", f"on SMB {_APPENDS}, and a lock there is mandatory"),
    ("smb", f"on SMB {_APPENDS}, and a lock there is mandatory"),
    ("9p", "on 9p the server decides about locks and renames, and most have no exclusive rename"),
    ("fuse", _FUSE),
    ("osxfuse", _FUSE),
    ("macfuse", _FUSE),
    ("sshfs", _FUSE),
    ("gluster", f"on GlusterFS {_APPENDS}"),
    ("afs", f"on AFS {_APPENDS}"),
    ("afpfs", f"on AFP {_APPENDS}"),
    ("webdav", f"on WebDAV {_APPENDS}"),
    ("vboxsf", "a VirtualBox shared folder passes no locks on, and the host does not serialize appends"),
    ("virtiofs", _FUSE),
    ("prl_fs", "a Parallels shared folder passes no locks on, and the host does not serialize appends"),
    ("vmhgfs", "a VMware shared folder passes no locks on, and the host does not serialize appends"),
    ("exfat", "exFAT keeps no owner, no mode and no journal"),
    ("msdos", "FAT keeps no owner, no mode and no journal"),
    ("vfat", "FAT keeps no owner, no mode and no journal"),
)


def warning(kind: str) -> str | None:
    """Why the promises cannot hold on this type of file system; None where they can."""
    if kind == "unknown":
        return "the type of the file system could not be found out: the promises hold on local ones"
    return next((why for prefix, why in _WEAK if kind.lower().startswith(prefix)), None)


def file_system(path: str) -> FileSystem:
    """The file system that an existing path is on. Never raises for what it cannot find out."""
    real = os.path.realpath(path)
    best = FileSystem("unknown", "")
    for found in _mounts():
        # a later mount on the same point hides the earlier one
        if below(real, found.mount_point) and len(found.mount_point) >= len(best.mount_point):
            best = found
    return best


def parse_mount_output(text: str) -> Iterator[FileSystem]:
    """The lines of mount(8): `/dev/disk1s1 on / (apfs, local)`, or with ` type ` before the type."""
    for line in text.splitlines():
        matched = re.fullmatch(r".+? on (/.*?)(?: type (\S+))? \(([^,)]*).*\)", line)
        if matched:
            yield FileSystem(matched[2] or matched[3], matched[1])


def _mounts() -> list[FileSystem]:
    try:
        with open(_MOUNTINFO, encoding="utf-8", errors="surrogateescape") as file:
            return list(parse_mountinfo(file.read()))
    except OSError:
        pass
    try:
        printed = subprocess.run(["mount"], capture_output=True, text=True, timeout=5, check=True).stdout  # noqa: S607
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
    return list(parse_mount_output(printed))
