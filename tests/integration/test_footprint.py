"""What the package costs a program that only imports it, or that has many logs."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

import mpfhandler
from mpfhandler._faces.bench.figures import spread
from mpfhandler._faces.bench.imports import import_cost
from mpfhandler._faces.bench.results import Imported

HANDLERS = 100
LIMIT = 64 * 1024  # bytes

NEW_MODULES = """
import sys
known = set(sys.modules)
import mpfhandler
print(*sorted(set(sys.modules) - known))
"""


@pytest.fixture(scope="module")
def new_modules() -> set[str]:
    """The modules that `import mpfhandler` brings into a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", NEW_MODULES], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def test_a_handler_is_small(tmp_path: Path) -> None:
    """A handler that has written a record takes less than 64 KiB, in the average of 100 on distinct files."""
    record = logging.Logger("footprint").makeRecord("footprint", logging.INFO, __file__, 1, "a record", (), None)

    def used(name: str) -> logging.Handler:
        handler = mpfhandler.MultProcTimedRotatingFileHandler(str(tmp_path / name))
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        handler.handle(record)
        return handler

    handlers = [used("first.log")]  # with it comes what is made once a process
    gc.collect()
    tracemalloc.start()
    try:
        handlers += [used(f"{number}.log") for number in range(HANDLERS)]
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        for handler in handlers:
            handler.close()
    assert all((tmp_path / f"{number}.log").stat().st_size for number in range(HANDLERS))
    assert taken / HANDLERS < LIMIT


def test_the_import_needs_the_standard_library_alone(new_modules: set[str]) -> None:
    """`import mpfhandler` brings in nothing but itself and modules of the standard library."""
    assert "mpfhandler" in new_modules
    packages = {name.partition(".")[0] for name in new_modules}
    assert packages - set(sys.stdlib_module_names) == {"mpfhandler"}


HEAVY = [
    "asyncio",
    "ctypes",
    "dataclasses",
    "inspect",
    "locale",
    "multiprocessing",
    "subprocess",
    "typing",
    "zoneinfo",
]
EXPECTED = {
    "__future__",
    "_datetime",
    "datetime",
    "fcntl",
    "resource",
    "select",
}  # beyond `logging.handlers`, and small; some are built in, or in it already


@pytest.fixture(scope="module")
def found() -> Imported:
    """What `-X importtime` says of the package, several times, each in a fresh interpreter."""
    return import_cost(7)


def test_the_import_brings_in_what_is_small_alone(found: Imported) -> None:
    """Beyond `logging.handlers` comes the package itself, without the engine and the commands, and hardly anything else."""
    others = {name for name in found.modules if name.partition(".")[0] != "mpfhandler"}
    assert others <= EXPECTED
    ours = {name.split(".")[1] for name in found.modules if name.count(".")}
    assert ours <= {"_pure", "_resources", "_faces"}
    late = ("mpfhandler._engine.writer", "mpfhandler._pure.schedule", "mpfhandler._faces.bench", "mpfhandler._faces.check")
    assert [name for name in found.modules if name.startswith(late)] == []
    assert len(found.modules) <= 32


@pytest.mark.parametrize("heavy", HEAVY)
def test_the_import_leaves_out_what_is_heavy(found: Imported, heavy: str) -> None:
    """`import mpfhandler` does not import what is slow to import and not needed before there is a log."""
    assert heavy not in found.modules


def test_the_import_time_is_told(found: Imported) -> None:
    """The report names the milliseconds beyond `logging.handlers`; how many they are depends on the machine, and is no test."""
    times = spread(found.ms)
    print(f"import mpfhandler: {times.middle:.1f} ms beyond logging.handlers ({times.least:.1f} to {times.most:.1f})")
    assert len(found.ms) == len(found.baseline_ms) == 7
    assert times.least > 0


def test_the_first_log_brings_the_engine(tmp_path: Path) -> None:
    """What the import leaves out is there as soon as a handler is made."""
    code = (
        "import sys, mpfhandler; before = set(sys.modules); "
        "mpfhandler.MultProcTimedRotatingFileHandler(sys.argv[1]).close(); print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "app.log")], capture_output=True, text=True, check=True)
    assert "mpfhandler._engine.writer" in done.stdout.split()
