"""Whose symbolic links are followed, where a log's own name is one."""

from __future__ import annotations

import os

__all__ = ["may_follow"]


def may_follow(owner: int, folder: str) -> bool:
    """Whether one that this user has made is: root's and one's own, and, unless this program is root's, the folder's owner's. Who
    else may write to the folder must not choose a file that another user's program writes to, rotates and gives away.

    Raises:
        OSError: there is no such folder.
    """
    user = os.geteuid()
    return owner in {0, user} or (user != 0 and owner == os.stat(folder).st_uid)
