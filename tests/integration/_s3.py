"""A real S3 server with its storage on disk: s3rver from npm, installed once into a temporary folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

VERSION = "3.7.1"
KEYS = {"AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER", "AWS_REGION": "us-east-1"}
PATIENCE = 60.0  # seconds; only a failing test, or a machine with too much to do, waits that long


def installed() -> Path:
    """The server's program; skips the test where it cannot be had."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("needs npm and node")
    folder = Path(
        os.environ.get("MPFHANDLER_S3RVER") or Path(tempfile.gettempdir(), f"mpfhandler-s3rver-{VERSION}-{os.getuid()}")
    )
    program = folder / "node_modules" / "s3rver" / "bin" / "s3rver.js"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--silent", f"s3rver@{VERSION}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
        if done.returncode or not program.exists():
            pytest.skip(f"npm cannot install s3rver: {done.stderr[-200:]}")
    return program


class Server:
    """One server, with one bucket `logs`.

    Args:
        folder: its storage.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._program = installed()
        self._process: subprocess.Popen[Any] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin, or begin again, with what is on disk."""
        where = ["-d", str(self.folder), "-p", str(self.port), "-a", "127.0.0.1", "--configure-bucket", "logs"]
        with Path(f"{self.folder}.out").open("ab") as out:
            self._process = subprocess.Popen(["node", str(self._program), *where], stdout=out, stderr=out)
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None, Path(f"{self.folder}.out").read_text()
            assert time.monotonic() < deadline, "the S3 server does not answer"
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """Have it die at once."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def freeze(self) -> None:
        """From now on it takes connections and does not answer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def objects(self) -> dict[str, bytes]:
        """What is in the bucket, by key, read from its disk; no claims, and nothing of uploads that are under way."""
        ending = "._S3rver_object"
        bucket = self.folder / "logs"
        found = {str(path.relative_to(bucket)).removesuffix(ending): path for path in bucket.rglob(f"*{ending}")}
        return {
            key: path.read_bytes() for key, path in found.items() if not key.endswith("/.owner") and "S3rver_uploads" not in key
        }

    def parts(self) -> list[Path]:
        """Of uploads that have not been completed."""
        uploads = self.folder / "logs" / "._S3rver_uploads"
        return [path for path in uploads.rglob("*") if path.is_file()] if uploads.exists() else []
