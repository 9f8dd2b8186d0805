"""Whose symbolic links are followed, where a log's own name is one."""

from __future__ import annotations

import os
import sys

__all__ = ["FOLLOWS_ALL", "may_follow"]

FOLLOWS_ALL = sys.platform == "win32"  # only who has a right of administrators makes one there


def may_follow(owner: int, folder: str) -> bool:
    """Whether one that this user has made is: root's and one's own, and, unless this program is root's, the folder's owner's. Who
    else may write to the folder must not choose a file that another user's program writes to, rotates and gives away. On Windows
    all are.

    Raises:
        OSError: there is no such folder.
    """
    if sys.platform == "win32":
        return FOLLOWS_ALL
    user = os.geteuid()
    return owner in {0, user} or (user != 0 and owner == os.stat(folder).st_uid)
