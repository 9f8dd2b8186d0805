"""How every benchmark prints: the command and the machine, then a Markdown table, then what was aimed at."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Iterable, Sequence

__all__ = ["header", "middle", "quartiles", "table", "target"]


def header(title: str, folder: str) -> None:
    """Print the title, the command line that was used, the interpreter, how busy the machine was already (rates and
    longest calls mean little on a busy one), and the file system under the logs."""
    command = " ".join(["python", os.path.join("benchmarks", os.path.basename(sys.argv[0])), *sys.argv[1:]])
    print(f"## {title}\n")
    print(f"`{command}`  ")
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} {platform.release()}, ",
        end="",
    )
    print(f"{os.cpu_count()} cores, {_load()}, logs on {_file_system(folder)}\n", flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table: the first column to the left, all others to the right."""
    print("| " + " | ".join(columns) + " |")
    print("|---" + "|--:" * (len(columns) - 1) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def target(claim: str, value: float, limit: float, *, at_most: bool) -> None:
    """Print whether a ratio that the project promises was met in this run."""
    met = value <= limit if at_most else value >= limit
    wanted = f"{'at most' if at_most else 'at least'} {limit:g}"
    print(f"{claim}: {wanted} wanted, {value:.2f} measured: {'met' if met else 'MISSED'}.\n", flush=True)


def middle(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Between which two values the middle half lies; what a single round contributes is noise of the machine."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def _load() -> str:
    try:
        return f"load {os.getloadavg()[0]:.1f} before"
    except (AttributeError, OSError):
        return "load unknown"


def _file_system(folder: str) -> str:
    """The type of the file system, from the mount with the longest matching path; "?" where nobody tells."""
    best, kind = "", "?"
    try:
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            for mount in mounts:
                _, point, found, *_ = mount.split(" ")
                if len(point) >= len(best) and os.path.commonpath([os.path.realpath(folder), point]) == point:
                    best, kind = point, found
    except OSError:
        pass
    return kind
