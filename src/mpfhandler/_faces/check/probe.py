"""Three small experiments in a folder: are appends serialized, does flock exclude, is a rename never onto a file.

Each one takes milliseconds and two processes; the second is this module, run as a program. A file system that fails
one of them cannot keep the promises, whatever the long run shows.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

__all__ = ["Probes", "appends_by", "probe"]

_LINES = 4000
_MODULE = f"{__package__}.probe" if __package__ else "probe"


@dataclass(frozen=True)
class Probes:
    """None where the experiment could not be made."""

    appends: bool | None
    locks: bool | None
    renames: bool | None

    def broken(self) -> tuple[str, ...]:
        """What this file system cannot do, in words."""
        told = (
            (self.appends, "O_APPEND: two processes that append at once overwrite each other"),
            (self.locks, "flock: a lock does not exclude another process"),
            (self.renames, "rename: it cannot be kept from overwriting an existing file"),
        )
        return tuple(words for holds, words in told if holds is False)


def probe(folder: str) -> Probes:
    """Make the experiments in files of this folder, which are removed again. Never raises."""
    return Probes(
        appends=_outcome(_appends, os.path.join(folder, ".probe-append")),
        locks=_outcome(_locks, os.path.join(folder, ".probe-lock")),
        renames=_outcome(_renames, os.path.join(folder, ".probe-rename")),
    )


def _outcome(experiment: Callable[[str], bool], path: str) -> bool | None:
    try:
        return experiment(path)
    except (OSError, ImportError, ValueError, subprocess.SubprocessError):
        return None
    finally:
        for name in (path, path + "2", path + "3"):
            try:
                os.unlink(name)
            except OSError:
                pass


def appends_by(paths: Sequence[str]) -> bool | None:
    """Whether lines that two processes append at once are all there, where each has the file by a path of its own."""
    return _outcome(lambda path: _appends(path, paths[1]), paths[0])


def _appends(path: str, other_path: str = "") -> bool:
    """Two processes append numbered lines at the same time; every line must be there, whole."""
    with ExitStack() as ending:
        pairs = zip((path, other_path or path), "ab", strict=True)
        others = [ending.enter_context(_start("append", one, tag)) for one, tag in pairs]
        for other in others:
            _answer(other, "")  # both stand at the line
        for other in others:
            _tell(other, "go")
        for other in others:
            _finish(other)
    with open(path, "rb") as file:
        found = file.read().splitlines(keepends=True)
    return sorted(found) == sorted(_line(tag, number) for tag in "ab" for number in range(_LINES))


def _locks(path: str) -> bool:
    """While we hold the lock the other process must not get it; once we let go it must."""
    if sys.platform == "win32":
        raise NotImplementedError
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with _start("lock", path, "") as other:
            while_held = _answer(other, "try")
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            after = _answer(other, "try")
            _finish(other)
    finally:
        os.close(descriptor)
    return (while_held, after) == ("busy", "got")


def _renames(path: str) -> bool:
    """The rename that the handler uses must refuse a name that is taken, and leave both files as they were."""
    from ..._platform.current import OPERATIONS

    for name, text in ((path, b"new"), (path + "2", b"old")):
        with open(name, "wb") as file:
            file.write(text)
    try:
        OPERATIONS.rename_new(path, path + "2")
    except FileExistsError:
        pass
    with open(path + "2", "rb") as file:
        kept = file.read() == b"old" and os.path.exists(path)
    if kept:
        OPERATIONS.rename_new(path, path + "3")
    return kept and os.path.exists(path + "3") and not os.path.exists(path)


def _start(what: str, path: str, tag: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", _MODULE, what, path, tag]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _tell(other: subprocess.Popen[str], word: str) -> None:
    assert other.stdin is not None
    other.stdin.write(word + "\n")
    other.stdin.flush()


def _answer(other: subprocess.Popen[str], word: str) -> str:
    assert other.stdout is not None
    if word:
        _tell(other, word)
    return other.stdout.readline().strip()


def _finish(other: subprocess.Popen[str]) -> None:
    other.communicate(timeout=30)


def _line(tag: str, number: int) -> bytes:
    return b"%s %d %s\n" % (tag.encode(), number, tag.encode() * (50 + number % 300))


def _append(path: str, tag: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(_LINES):
        os.write(descriptor, _line(tag, number))
    os.close(descriptor)


def _lock(path: str) -> None:
    if sys.platform == "win32":
        raise NotImplementedError
    import fcntl

    descriptor = os.open(path, os.O_RDWR)
    for _ in sys.stdin:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("busy", flush=True)
        else:
            print("got", flush=True)
    os.close(descriptor)


if __name__ == "__main__":
    if sys.argv[1] == "append":
        _append(sys.argv[2], sys.argv[3])
    else:
        _lock(sys.argv[2])
