"""Run by `nox -s install` where the wheel is installed with the extras cli, zstd and s3: each does what it is there for."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

from mpfhandler import MultProcTimedRotatingFileHandler, TimedLogFile
from mpfhandler._resources.codec import unpacked


def on_a_terminal(command: list[str]) -> bytes:
    """What a command prints there."""
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        subprocess.run(command, stdout=theirs, check=True, env={**os.environ, "TERM": "xterm", "NO_COLOR": ""})
        shown = screen.read(1 << 16)
        os.close(theirs)
    return shown


def main() -> None:
    """Ends with an `AssertionError`, or another error, if something is not so."""
    with tempfile.TemporaryDirectory() as folder:
        log, archive = Path(folder, "app.log"), Path(folder, "archive")
        archive.mkdir()
        with TimedLogFile(log, when="S", late_grace=0) as file:
            file.write("a record")
            time.sleep(1.1)
            file.write("of another second")
        command = os.path.join(sysconfig.get_path("scripts"), "mpfhandler")
        seal = [command, "seal", "--compress", "zst", "--compress-delay", "0", "--late-grace", "0", "--when", "S", str(log)]
        subprocess.run([*seal, "--archive", archive.as_uri()], check=True, stdout=subprocess.DEVNULL)
        [packed] = log.parent.glob("app.log.*.zst")
        with packed.open("rb") as stream:
            assert b"".join(unpacked("zst", partial(stream.read, 65536))) == b"a record\n"
        [copy] = archive.rglob("app.log.*.zst")
        assert copy.read_bytes() == packed.read_bytes()
        MultProcTimedRotatingFileHandler(log, delay=True, archive="s3://bucket/prefix").close()
        drawn = on_a_terminal([command, "ls", str(log)])
    assert b"app.log" in drawn, drawn
    assert b"\x1b[" in drawn, drawn  # colours
    print(f"{sys.version.split()[0]}: rich {version('rich')}, zstd and obstore {version('obstore')} are at work")


if __name__ == "__main__":
    main()
