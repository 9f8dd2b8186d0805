"""Pictures of real commands on a real terminal, as SVG: what they print goes through a pseudo-terminal, with its colours.

    python tools/docs/screens.py docs/assets             all of them
    python tools/docs/screens.py docs/assets check ls    some

The commands run in a folder of their own. `bench` takes some minutes, and wants a machine that has nothing else to do.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

__all__ = ["SCREENS", "picture", "shown"]

ROWS = 50
WRITER = """
import logging, sys, time
from mpfhandler import MultProcTimedRotatingFileHandler
handler = MultProcTimedRotatingFileHandler("app.log", when="S", interval=5, compress="gz", compress_delay=0, late_grace=2)
handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
logger = logging.getLogger("shop")
logger.addHandler(handler)
while True:
    logger.warning("GET /%d", time.monotonic_ns() % 1000)
    time.sleep(0.01)
"""
BENCH = "mpfhandler bench --procs 8 --threads 1 --when S --handlers ours,buffered,file,timed,clh,loguru --parts throughput,cost"


@contextmanager
def nothing() -> Iterator[None]:
    """Around a command that needs nothing."""
    yield


@contextmanager
def writers() -> Iterator[None]:
    """Two processes that log, for some periods."""
    crew = [subprocess.Popen([sys.executable, "-c", WRITER]) for _ in range(2)]
    try:
        time.sleep(17)
        yield
    finally:
        for process in crew:
            process.terminate()
            process.wait()


Around = Callable[[], "contextlib.AbstractContextManager[None]"]
SCREENS: dict[str, tuple[str, int, Around]] = {
    "check": ("mpfhandler check --procs 8 --secs 5", 92, nothing),
    "ls": ("mpfhandler ls app.log", 134, writers),
    "bench": (BENCH, 132, nothing),
}


def shown(command: str, columns: int) -> str:
    """What it prints on a terminal of that width, as a terminal gets it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    environment = {
        **os.environ,
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        shlex.split(command), stdout=theirs, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment
    ) as process:
        os.close(theirs)
        data = bytearray()
        with contextlib.suppress(OSError):  # the end, on Linux
            while piece := os.read(ours, 65536):
                data += piece
        os.close(ours)
    if process.returncode:
        raise SystemExit(f"{command}: exit code {process.returncode}\n{data.decode()}")
    text = data.decode().replace("\r\n", "\n")
    return re.sub(r"(Linux \d+\.\d+)[.\w-]*", r"\1", text)  # which build it was says nothing to others


def picture(command: str, text: str, columns: int) -> str:
    """As SVG. rich's own template has a font from another host; ours has the reader's."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(f"$ {command}\n\n{text.rstrip()}"), soft_wrap=True)
    svg = console.export_svg(title=command.partition(" --")[0], theme=MONOKAI, font_aspect_ratio=0.61, unique_id="screen")
    svg = re.sub(r"<!-- .*? -->\s*", "", svg)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace")
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE) + "\n"


def main() -> None:
    """Make those that are asked for."""
    folder = Path(sys.argv[1]).resolve()
    for name in sys.argv[2:] or SCREENS:
        command, columns, around = SCREENS[name]
        with tempfile.TemporaryDirectory() as place:
            os.chdir(place)
            with around():
                (folder / f"{name}.svg").write_text(picture(command, shown(command, columns), columns), encoding="utf-8")
            os.chdir(folder)


if __name__ == "__main__":
    main()
