"""Programs on a real terminal: a pseudo-terminal of this test's, whose other side is read."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from dataclasses import dataclass
from pathlib import Path

import mpfhandler

SOURCE = str(Path(mpfhandler.__file__).parents[1])
# Variables that change what is printed, or when: argparse says nothing of a reader that has gone if each write goes out at once.
_LEFT_OUT = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PYTHONUNBUFFERED"}
ENVIRONMENT = {name: text for name, text in os.environ.items() if name not in _LEFT_OUT}
ENVIRONMENT.update(TERM="xterm-256color", PYTHONPATH=SOURCE)


@dataclass(frozen=True)
class Seen:
    """What a program has printed on a terminal, what into a pipe, and how it ended."""

    screen: str
    piped: str
    code: int


def run_on_terminal(command: list[str], *, piped: str = "", env: dict[str, str] | None = None, columns: int = 120) -> Seen:
    """Run it to its end.

    Args:
        command: with its arguments.
        piped: "stdout" or "stderr": the one that is no terminal.
        env: variables beside the usual ones.
        columns: of the terminal.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    streams = {"stdin": slave, "stdout": slave, "stderr": slave, **({piped: subprocess.PIPE} if piped else {})}
    with subprocess.Popen(command, env={**ENVIRONMENT, **(env or {})}, **streams) as running:  # type: ignore[call-overload]
        os.close(slave)
        screen = read_to_end(master)
        out, err = running.communicate(timeout=60)
    os.close(master)
    return Seen(screen, (out or err or b"").decode(), running.returncode)


def read_to_end(master: int, seconds: float = 120.0) -> str:
    """Until every program has left the terminal."""
    found, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([master], [], [], 1)[0]:
            continue
        try:
            piece = os.read(master, 65536)
        except OSError as error:  # Linux: nobody has the other side
            if error.errno != errno.EIO:
                raise
            break
        if not piece:
            break
        found += piece
    return found.decode().replace("\r\n", "\n")


def read_until(master: int, text: str, seconds: float = 60.0) -> str:
    """Until that has appeared; what has been read, in any case."""
    found, end = "", time.monotonic() + seconds
    while text not in found and time.monotonic() < end:
        if select.select([master], [], [], 0.2)[0]:
            try:
                found += os.read(master, 65536).decode(errors="replace")
            except OSError:
                break
    return found
