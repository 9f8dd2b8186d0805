"""Which logs are streams: devices, pipes, and the standard streams by whatever name. They are written to, never rotated."""

from __future__ import annotations

import os
import stat

from .._pure.errors import path_error

__all__ = ["find_stream", "is_among_streams", "is_stream_folder"]

_FOLDERS = ("/dev/", "/proc/")
_REAL_FILES = "/dev/shm/"  # noqa: S108  not a name of ours: a tmpfs
_OF_THE_PROCESS = ("/dev/std", "/dev/fd/", "/proc/self/fd/")  # may be closed now and be open at the first record
_REMEDY = "name a device, a pipe or a stream that exists (regular files are not created below /dev and /proc)"


def find_stream(parameter: str, given: str, log: str) -> str | None:
    """The path by which a log that is a stream is to be opened; None for one that is a regular file, or is to become one.

    A standard stream is one even where it is redirected to a file: that file is the shell's. So is a log that is a
    symbolic link to it, as in containers.

    Args:
        parameter: for messages.
        given: the path as the user gave it.
        log: where the links lead to; what is no link now may be one in a moment, and is not followed here.

    Raises:
        OSError: what is there cannot be written to by anybody, or not by opening it.
    """
    among = is_among_streams(log)
    mode = _mode(parameter, given, log, among=among)
    if stat.S_ISDIR(mode) and among:
        raise path_error(IsADirectoryError, parameter, given, "is a folder", _REMEDY)
    # A stream that is a socket has no name of its own.
    if stat.S_ISSOCK(_mode(parameter, given, os.path.realpath(log), among=False)):
        raise path_error(OSError, parameter, given, "is a Unix socket, which cannot be opened", "name a file, a pipe or a device")
    return log if among or (mode and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)) else None


def is_among_streams(path: str) -> bool:
    """Whether a path is below /dev or /proc, be it by way of a folder that is a link."""
    path = os.path.abspath(path)
    folder, name = os.path.split(path)
    return is_stream_folder(path) or is_stream_folder(os.path.join(os.path.realpath(folder), name))


def is_stream_folder(folder: str) -> bool:
    """Whether what lies in this folder counts as streams."""
    path = os.path.normpath(folder) + "/"
    return path.startswith(_FOLDERS) and not path.startswith(_REAL_FILES)


def _mode(parameter: str, given: str, path: str, *, among: bool) -> int:
    """The kind of file and its permissions; 0 where there is none yet, as only few streams may be."""
    try:
        return os.stat(path).st_mode
    except OSError as error:
        if not among or path.startswith(_OF_THE_PROCESS):
            return 0
        raise path_error(type(error), parameter, given, f"there is no such stream ({error.strerror})", _REMEDY) from None
