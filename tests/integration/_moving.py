"""What the tests of moving over share: the pages' blocks of code, processes that log, and the lines that are there afterwards."""

from __future__ import annotations

import bz2
import functools
import gzip
import lzma
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import mpfhandler
from mpfhandler import MultProcTimedRotatingFileHandler

__all__ = [
    "OURS", "PAGES", "PATIENCE", "SECOND", "Block", "Writers", "blocks", "count_lines", "lines_of", "names", "old_release",
    "rotate_with", "run_block", "verify", "wait_until",
]  # fmt: skip

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "move"
PATIENCE = 60.0  # seconds; only a failing test, or a machine with too much to do, waits that long
OURS = "mpfhandler", "MultProcTimedRotatingFileHandler"
SECOND = r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d"
SOURCE = str(Path(mpfhandler.__file__).parents[1])
_OLD_RELEASE = "mpfhandler==0.0.1 --hash=sha256:e02b1fbe79b2cafcc1d0695520a885754c74f17cbe1407af9cc338ede0968da7"
_BLOCK = re.compile(r"(?P<note><!-- not run: .*? -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```\n", re.DOTALL)
_OPEN = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}

WRITER = """
import importlib, logging, select, sys, time
module, name, number, path, seconds, options = sys.argv[1:]
handler = getattr(importlib.import_module(module), name)(path, **eval(options))
handler.setFormatter(logging.Formatter("%(created)r %(message)s"))
log = logging.getLogger("writer")
log.addHandler(handler)
log.setLevel(logging.INFO)
end, count = time.time() + float(seconds), 0
while time.time() < end:
    log.info("%s-%d", number, count)
    count += 1
    if select.select([sys.stdin], [], [], 0.001)[0]:  # its end
        break
print(count)
"""


SLOW = """
import os, time
from mpfhandler_0 import MultProcTimedRotatingFileHandler

def rename(old, new):  # a machine that has too much to do, between its look at the name and the rename
    time.sleep(0.5)
    really_rename(old, new)

really_rename, os.rename = os.rename, rename
"""


@dataclass(frozen=True)
class Block:
    """A block of code of a page. `heading` is the one above it."""

    heading: str
    kind: str
    text: str
    run: bool


def blocks(page: Path, kind: str) -> list[Block]:
    """The page's blocks of this kind, in their order."""
    found = []
    text = page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        heading = re.findall(r"^#+ (.*)$", text[: match.start()], re.MULTILINE)[-1]
        if match["kind"] == kind:
            found.append(Block(heading, kind, match["text"], run=not match["note"]))
    return found


def run_block(block: Block, folder: Path, *path: str) -> str:
    """Run a block in a folder, with `path` before the packages; what it prints. A word on stderr is a failure."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join([*path, SOURCE])
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    command = [sys.executable, "-W", "error", "-c"] if block.kind == "python" else ["sh", "-euc"]
    done = subprocess.run(
        [*command, block.text], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def lines_of(folder: Path, log: str = "app") -> list[str]:
    """All lines of the files whose names begin with the log's, compressed or not, but for locks; each is whole."""
    found: list[str] = []
    for path in sorted(folder.glob(f"{log}*")):
        if path.suffix != ".lock" and path.is_file():
            with _OPEN.get(path.suffix, open)(path, "rb") as file:
                data = file.read()
            assert data.endswith(b"\n") or not data, path
            found += data.decode().splitlines()
    return found


class Writers:
    """Processes that log to one file, each with a number, for so many seconds at most; `count` waits for them."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.path = path
        self.seconds = seconds
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def start(self, number: str, module: str, name: str, *folders: str, **options: object) -> None:
        """One more, of a class in a module, with folders before the path of its packages."""
        command = [sys.executable, "-c", WRITER, module, name, number, str(self.path), str(self.seconds), repr(options)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*folders, SOURCE])}
        self.processes[number] = subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def logging(self) -> bool:
        """Whether each of them has written a line, as far as the present file tells."""
        try:
            text = self.path.read_text()
        except FileNotFoundError:  # it is being rotated
            return False
        return all(f" {number}-" in text for number in self.processes)

    def stop(self) -> Counter[str]:
        """What they have logged until now."""
        for process in self.processes.values():
            assert process.stdin is not None
            process.stdin.close()
            process.stdin = None
        return self.count()

    def count(self) -> Counter[str]:
        """What they have logged in their time, once each; none has said a word of an error."""
        logged: Counter[str] = Counter()
        for number, process in self.processes.items():
            process.wait(timeout=self.seconds + 120)  # `communicate` would stop it: it closes the standard input first
            output, errors = process.communicate()
            assert (process.returncode, errors) == (0, ""), errors
            logged.update(f"{number}-{index}" for index in range(int(output)))
        return logged

    def kill(self) -> None:
        """End what still runs."""
        for process in self.processes.values():
            process.kill()
            process.communicate()


class OldRelease:
    """mpfhandler 0.0.1 as it is on PyPI, in a folder of its own; Python 3 reads it once its one line of Python 2 is changed.
    0.0.2 is that: it changed nothing but its clauses of `except`."""

    def __init__(self, folder: Path) -> None:
        """Raises `RuntimeError` where it cannot be had."""
        wanted = folder / "wanted.txt"
        wanted.write_text(_OLD_RELEASE)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "-r", str(wanted)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["pip failed"])[-1])
        with zipfile.ZipFile(folder / "mpfhandler-0.0.1.zip") as archive:
            text = archive.read("mpfhandler-0.0.1/src/mpfhandler.py").decode()
        assert text.count("except Exception, e:") == 1
        self.by_its_name = folder / "by_its_name"
        self.folder = folder / "beside"
        for place, name in ((self.by_its_name, "mpfhandler.py"), (self.folder, "mpfhandler_0.py")):
            place.mkdir()
            (place / name).write_text(text.replace("except Exception, e:", "except Exception:"))
        (self.folder / "mpfhandler_0_slow.py").write_text(SLOW)


_folders: list[tempfile.TemporaryDirectory[str]] = []


@functools.cache
def _fetched() -> OldRelease | str:
    _folders.append(tempfile.TemporaryDirectory(prefix="mpfhandler-0-"))
    try:
        return OldRelease(Path(_folders[-1].name))
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        return f"mpfhandler 0.0.1 cannot be had: {error}"


def old_release() -> OldRelease:
    """mpfhandler 0.0.1, fetched once; a test that asks for it is skipped where it cannot be had."""
    found = _fetched()
    if isinstance(found, str):
        pytest.skip(found)
    return found


def wait_until(true: Callable[[], object], what: str) -> None:
    """Until the function gives something true."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def names(folder: Path, pattern: str) -> set[str]:
    """Of the files in a folder, those that a pattern matches in full."""
    return {path.name for path in folder.iterdir() if re.fullmatch(pattern, path.name)}


def verify(folder: Path, *options: str, log: str = "app.log") -> str:
    """What `mpfhandler verify` prints; it finds no problem."""
    command = [sys.executable, "-m", "mpfhandler", "verify", str(folder / log), *options]
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rotate_with(folder: Path, **options: object) -> None:
    """One of our handlers logs a line, and rotates."""
    handler = MultProcTimedRotatingFileHandler(folder / "app.log", "S", **options)  # type: ignore[arg-type]
    handler.stream.write("new\n")
    handler.doRollover()
    wait_until(lambda: not handler.getFilesToDelete(), "the deletions")
    handler.close()


def count_lines(folder: Path) -> Counter[str]:
    """What stands in the second column of all lines of `app.log` and the files beside it."""
    return Counter(line.split()[1] for line in lines_of(folder))
