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


@pytest.mark.parametrize("heavy", ["ctypes", "zoneinfo", "asyncio", "multiprocessing", "subprocess"])
def test_the_import_leaves_out_what_is_heavy(new_modules: set[str], heavy: str) -> None:
    """`import mpfhandler` does not import what is slow to import and rarely needed."""
    assert heavy not in new_modules
