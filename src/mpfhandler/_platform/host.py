"""What this machine is called."""

from __future__ import annotations

import os
import sys

__all__ = ["boot_id", "host_name"]

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def host_name() -> str:
    """What this machine calls itself."""
    return _node() or "localhost"


def _node() -> str:
    if sys.platform == "win32":
        return os.environ.get("COMPUTERNAME", "")
    return os.uname().nodename


def boot_id() -> str:
    """Of the run of this machine's kernel: the same in all of its containers, whatever they are called. "" where it has none."""
    if sys.platform == "win32":  # under Wine there is such a file: that of what Wine runs on
        return ""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
