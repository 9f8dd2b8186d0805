"""Which logs are streams: devices, pipes, and the standard streams by whatever name. They are written to, never rotated."""

from __future__ import annotations

import os
import stat

from .._pure.errors import path_error

__all__ = ["find_stream", "is_stream_folder"]

_FOLDERS = ("/dev/", "/proc/")
_REAL_FILES = "/dev/shm/"  # noqa: S108  not a name of ours: a tmpfs
_OF_THE_PROCESS = ("/dev/std", "/dev/fd/", "/proc/self/fd/")  # may be closed now and be open at the first record
_LINKS = 40  # that the kernel follows at most
_REMEDY = "name a device, a pipe or a stream that exists (regular files are not created below /dev and /proc)"


def find_stream(parameter: str, given: str, start: str | None = None) -> str | None:
    """The path by which a log that is a stream is to be opened; None for one that is a regular file, or is to become one.

    A standard stream is one even where it is redirected to a file: that file is the shell's. So is a log that is a
    symbolic link to it, as in containers.

    Args:
        parameter: for messages.
        given: the path as the user gave it.
        start: where it leads to, as far as links have been followed already.

    Raises:
        OSError: what is there cannot be written to by anybody, or not by opening it.
    """
    links = _LINKS if start is None else 1  # that may be followed from here: what is no link now may be one in a moment
    start = os.path.abspath(given if start is None else start)
    path = _step_among_streams(start, links)
    mode = _mode(parameter, given, start, path)
    if stat.S_ISDIR(mode) and path is not None:
        raise path_error(IsADirectoryError, parameter, given, "is a folder", _REMEDY)
    if stat.S_ISSOCK(_mode(parameter, given, os.path.realpath(start), None)):  # a stream that is a socket has no name of its own
        raise path_error(OSError, parameter, given, "is a Unix socket, which cannot be opened", "name a file, a pipe or a device")
    if path is not None or not mode or stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return path
    return start


def is_stream_folder(folder: str) -> bool:
    """Whether what lies in this folder counts as streams."""
    path = os.path.normpath(folder) + "/"
    return path.startswith(_FOLDERS) and not path.startswith(_REAL_FILES)


def _step_among_streams(path: str, links: int) -> str | None:
    """The first path below /dev or /proc on the way that the symbolic links lead from here. Not its real path: that of
    `/proc/self` is another process's after a fork."""
    for _ in range(links):
        folder = os.path.realpath(os.path.dirname(path))
        if is_stream_folder(path) or is_stream_folder(os.path.join(folder, os.path.basename(path))):
            return path
        try:
            target = os.readlink(path)
        except OSError:
            return None
        path = os.path.join(folder, target)
    return None


def _mode(parameter: str, given: str, start: str, stream: str | None) -> int:
    """The kind of file and its permissions; 0 where there is none yet, as only few streams may be."""
    try:
        return os.stat(stream or start).st_mode
    except OSError as error:
        if stream is None or stream.startswith(_OF_THE_PROCESS):
            return 0
        raise path_error(type(error), parameter, given, f"there is no such stream ({error.strerror})", _REMEDY) from None
