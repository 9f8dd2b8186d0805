"""Memory of one handler, and what importing the package costs and brings in.

Memory: as `tracemalloc` sees it, the average over 100 handlers on 100 files after each one's first record; one more was
made and used before, so what is made once a process is not counted. Pages in the kernel are not counted either.
Import: the CPU time that `import mpfhandler` takes beyond `import logging.handlers`, in fresh interpreters, from bytecode
as an installed package has it, and how many modules it brings in.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import subprocess
import sys
import tempfile
import tracemalloc

from handlers import KEYS, OURS, label, make, select
from report import header, middle, quartiles, table, target

_IMPORT = """
import logging.handlers, sys, time
known = set(sys.modules)
begun = time.process_time()
import {package}
spent = time.process_time() - begun
print(spent * 1000, *sorted(set(sys.modules) - known))
"""
_PACKAGES = {"ours": "mpfhandler", "clh": "concurrent_log_handler"}


def memory(key: str, folder: str, count: int) -> float:
    """KiB that a handler takes."""
    record = logging.Logger("benchmark").makeRecord("benchmark", logging.INFO, __file__, 1, "a record", (), None)
    handlers = [make(key, os.path.join(folder, f"{key}-first.log"))]
    handlers[0].handle(record)
    names = [os.path.join(folder, f"{key}-{number}.log") for number in range(count)]
    gc.collect()
    tracemalloc.start()
    for name in names:
        handlers.append(make(key, name))
        handlers[-1].handle(record)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    for handler in handlers:
        handler.close()
    return taken / count / 1024


def imported(package: str, bytecode: str) -> tuple[float, list[str]]:
    """Milliseconds of CPU, and which modules are new after it; bytecode is kept in that folder."""
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    surroundings["PYTHONPYCACHEPREFIX"] = bytecode
    command = [sys.executable, "-c", _IMPORT.format(package=package)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=surroundings)
    spent, *modules = done.stdout.split()
    return float(spent), modules


def outside(modules: list[str], package: str) -> list[str]:
    """The packages among them that belong neither to the standard library nor to the package itself."""
    return sorted({name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names) - {package})


def show_import(key: str, rounds: int) -> tuple[str, ...]:
    """One line of the table of imports."""
    package = _PACKAGES[key]
    with tempfile.TemporaryDirectory() as bytecode:
        imported(package, bytecode)
        found = [imported(package, bytecode) for _ in range(rounds)]
    low, high = quartiles([spent for spent, _ in found])
    modules = found[0][1]
    others = ", ".join(outside(modules, package)) or "none"
    return (
        label(key),
        f"{middle([spent for spent, _ in found]):.1f}",
        f"{low:.1f}–{high:.1f}",
        str(len(modules)),
        others,
    )


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description="memory of a handler, cost of the import")
    parser.add_argument("--handlers", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=11, help="of the import")
    parser.add_argument("--only", nargs="+", choices=KEYS, default=list(KEYS))
    parser.add_argument("--dir", default=None, help="where the logs are written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        header("Memory of a handler, cost of the import", folder)
        keys = select(options.only)
        sizes = {key: memory(key, folder, options.handlers) for key in keys}
    table(("handler", "KiB each"), [(label(key), f"{size:.1f}") for key, size in sizes.items()])
    if OURS in sizes:
        target("KiB of a handler of mpfhandler", sizes[OURS], 64, at_most=True)
    columns = (
        "import, beyond logging.handlers",
        "CPU ms",
        "middle half",
        "modules",
        "from outside the standard library",
    )
    table(columns, [show_import(key, options.rounds) for key in keys if key in _PACKAGES])


if __name__ == "__main__":
    main()
