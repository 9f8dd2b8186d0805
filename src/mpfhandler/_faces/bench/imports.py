"""What importing the package costs a program that has `logging.handlers` already, as the interpreter's `-X importtime` tells it.

Each time is a fresh interpreter's, from bytecode as an installed package has it, which is kept in a folder of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from .results import Imported

__all__ = ["import_cost", "parse"]

_BASELINE, _PACKAGE = "logging.handlers", "mpfhandler"
_COMMAND = [sys.executable, "-X", "importtime", "-c", f"import {_BASELINE}, {_PACKAGE}"]


def import_cost(rounds: int) -> Imported:
    """Several times, with the modules that come in."""
    with tempfile.TemporaryDirectory() as bytecode:
        found = [_once(bytecode) for _ in range(rounds + 1)][1:]  # the first one writes the bytecode
    times = [sum(own.values()) / 1000 for own, _ in found]
    return Imported(times, [before / 1000 for _, before in found], sorted(found[0][0]))


def parse(report: str) -> tuple[dict[str, int], int]:
    """From what `-X importtime` prints: the modules that came in after `logging.handlers`, each with the microseconds of
    its own, and the microseconds of `logging.handlers` with all that it needs.

    Raises:
        ValueError: the report names no `logging.handlers`.
    """
    rows = [line.partition(":")[2].split("|") for line in report.splitlines() if line.startswith("import time:")]
    told = [(name.strip(), own.strip(), total.strip()) for own, total, name in rows]
    names = [name for name, _, _ in told]
    place = names.index(_BASELINE)
    return {name: int(own) for name, own, _ in told[place + 1 :]}, int(told[place][2])


def _once(bytecode: str) -> tuple[dict[str, int], int]:
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    surroundings["PYTHONPYCACHEPREFIX"] = bytecode
    done = subprocess.run(_COMMAND, capture_output=True, text=True, check=True, env=surroundings)
    return parse(done.stderr)
