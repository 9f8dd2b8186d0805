"""Run by `nox -s install` where the wheel alone is installed: it brings nothing along, logs a record, and has its command."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import distributions
from pathlib import Path

import mpfhandler


def main() -> None:
    """Ends with an `AssertionError` if something is not so."""
    found = {one.metadata["Name"].lower() for one in distributions()}
    assert found <= {"mpfhandler", "pip", "setuptools"}, found
    package = Path(mpfhandler.__file__).parent
    assert package.is_relative_to(sysconfig.get_path("purelib")), package
    assert (package / "py.typed").exists()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "app.log")
        handler = mpfhandler.MultProcTimedRotatingFileHandler(log)
        logging.getLogger().addHandler(handler)
        logging.warning("a record")
        handler.doRollover()
        logging.warning("another one")
        logging.shutdown()
        written = sorted(path.read_text() for path in log.parent.glob("app.log*") if path.suffix != ".lock")
        assert written == ["a record\n", "another one\n"], written
        command = os.path.join(sysconfig.get_path("scripts"), "mpfhandler")
        listed = subprocess.run([command, "ls", str(log)], capture_output=True, text=True, check=True).stdout
        assert listed.count("app.log") >= 2, listed
        told = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    assert mpfhandler.__version__ in told, told
    print(f"{sys.version.split()[0]}: mpfhandler {mpfhandler.__version__}, alone, has logged and rotated")


if __name__ == "__main__":
    main()
