"""Runs the blocks of a page (`_docs.py`), which come as JSON on standard input, in the current folder."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MOMENT, PATIENCE = 1.0, 30.0  # seconds
PORT = int(os.environ["PORT"])
FILE = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='page')"
SHELL = ["bash", "-eu", "-o", "pipefail", "-c"]


class Failed(Exception):
    """A block has failed."""


def main() -> int:
    """The page."""
    started: list[subprocess.Popen[bytes]] = []
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        for block in json.load(sys.stdin):
            run(block, names, started)
    except BaseException as error:
        logging.raiseExceptions = False
        sys.stdout.flush()
        print(f"{block['page']}:{block['line']}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    finally:
        for process in started:
            end(process)
        logging.shutdown()
    return 0


def run(block: dict[str, Any], names: dict[str, Any], started: list[subprocess.Popen[bytes]]) -> None:
    """One block, by what it is."""
    code, title = block["code"], block["title"]
    for folder in re.findall(rf"{re.escape(os.getcwd())}(?:/[\w.-]+)+/", code):
        os.makedirs(folder, exist_ok=True)
    if title:
        Path(title).parent.mkdir(parents=True, exist_ok=True)
        Path(title).write_text(code, encoding="utf-8")
    if block["language"] == "python" and title:
        subprocess.run([sys.executable, "-c", FILE, title], check=True)
    elif block["language"] == "python":
        exec(compile("\n" * (block["line"] - 1) + code, block["page"], "exec"), names)
    elif block["language"] == "sh" and block["background"]:
        process = subprocess.Popen([*SHELL, code], start_new_session=True)
        started.append(process)
        wait(process, str(PORT) in code)
    elif block["language"] == "sh" and not title:
        done = subprocess.run([*SHELL, code], check=False)
        if done.returncode:
            raise Failed(f"exit code {done.returncode}")


def wait(process: subprocess.Popen[bytes], listens: bool) -> None:
    """Until it listens on the page's port, if it does, else for a moment; it must live then."""
    begun = time.monotonic()
    while time.monotonic() < begun + (PATIENCE if listens else MOMENT):
        try:
            socket.create_connection(("127.0.0.1", PORT), 1).close()
            break
        except OSError:
            time.sleep(0.05)
        if process.poll() is not None:
            raise Failed(f"it has ended with {process.returncode}")


def end(process: subprocess.Popen[bytes]) -> None:
    """The whole session."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            continue


if __name__ == "__main__":
    sys.exit(main())
