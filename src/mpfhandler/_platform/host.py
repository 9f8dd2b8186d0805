"""What this machine is called."""

from __future__ import annotations

import os

__all__ = ["boot_id", "host_name"]

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def host_name() -> str:
    """What this machine calls itself."""
    return os.uname().nodename or "localhost"


def boot_id() -> str:
    """Of the run of this machine's kernel: the same in all of its containers, whatever they are called. "" where it has none."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
