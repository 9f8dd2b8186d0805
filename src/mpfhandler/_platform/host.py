"""What this machine is called."""

from __future__ import annotations

import os

__all__ = ["host_name"]


def host_name() -> str:
    """What this machine calls itself."""
    return os.uname().nodename or "localhost"
