"""All benchmarks, one after the other: `python benchmarks/run.py`, or with `--quick` in about two minutes."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

_QUICK = {
    "cost.py": ["--rounds", "100"],
    "limit.py": ["--rounds", "20"],
    "throughput.py": ["--rounds", "3", "--secs", "1"],
    "latency.py": ["--rounds", "1", "--secs", "5"],
    "syscalls.py": ["--rounds", "3"],
    "footprint.py": ["--rounds", "5"],
    "pipe.py": ["--rounds", "3", "--mib", "128"],
    "locking.py": ["--rounds", "1", "--secs", "1"],
}


def main() -> int:
    """Run every benchmark, even after one that failed; how many failed."""
    parser = argparse.ArgumentParser(description="all benchmarks")
    parser.add_argument("--quick", action="store_true", help="few and short rounds")
    parser.add_argument("--dir", default=None, help="where the logs are written")
    options = parser.parse_args()
    here, begun, failed = os.path.dirname(os.path.abspath(__file__)), time.monotonic(), 0
    for name, quick in _QUICK.items():
        extra = [*(quick if options.quick else []), *(["--dir", options.dir] if options.dir else [])]
        failed += subprocess.run([sys.executable, os.path.join(here, name), *extra]).returncode != 0
    print(f"{time.monotonic() - begun:.0f} s in all, {failed or 'no'} benchmark{'s' * (failed != 1)} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
