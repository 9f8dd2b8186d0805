"""Applies the mutants of `_mutants.py`, one at a time, each in a copy of the tree, and tells which test notices.

    python tests/mutants/run.py [NAME …] [--jobs N] [--only TESTS]

First the tests that are to notice run on the package as it is. A mutant that none of its own tests notices gets the whole fast
suite; one that survives that too is a missing test. With `--only` nothing but those tests is asked. Ends with 1 if one
survives, with 2 if the list does not fit the package.
"""

from __future__ import annotations

import argparse
import compileall
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from _mutants import MUTANTS, Mutant, mutated

ROOT = Path(__file__).parents[2]
SUITE = ("unit", "property", "simulation", "faults")
# What these notice is no defect; those of the documentation would miss it in the copy.
STYLE = tuple(f"tests/unit/test_{name}.py" for name in ("mutants", "architecture", "docs_made", "security_page"))
QUICK = ("-m", "not slow and not torture")
# By the thread: a test that hangs may have others hang after it, so the process is ended.
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", *QUICK, "-o", "timeout=60", "-o", "timeout_method=thread")
PATIENCE = 900  # seconds for one run of pytest
FAILED = re.compile(r"^(?:FAILED|ERROR) tests/(.*?)(?: - .*)?$", re.MULTILINE)


class Broken(Exception):
    """The list does not fit the package or the tests, so that nothing can be said."""


@dataclass
class Verdict:
    """What became of a mutant."""

    mutant: Mutant
    killer: str | None  # None: it survived
    expected: bool  # the killer is one of the mutant's own tests
    seconds: float

    def __str__(self) -> str:
        """A line of the table."""
        note = "" if self.expected or self.killer is None else " (not one of its own tests)"
        return f"{self.mutant.name:33} {self.killer or 'SURVIVED: ' + self.mutant.what}{note}  {self.seconds:.1f} s"


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the tree. Others may read it: some tests give up their privileges."""
    with tempfile.TemporaryDirectory(prefix="mpfhandler-mutant-") as folder:
        tree = Path(folder)
        tree.chmod(0o755)
        for part in ("src", "tests"):
            shutil.copytree(ROOT / part, tree / part)
        for file in ("pyproject.toml", "README.md", "noxfile.py"):
            shutil.copy(ROOT / file, tree / file)
        yield tree


def environment(tree: Path) -> dict[str, str]:
    """In which the copy is what is imported."""
    path = os.pathsep.join([str(tree / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": ""}


def check_import(tree: Path) -> None:
    """That it is the copy's package which the tests import."""
    command = [sys.executable, "-c", "import mpfhandler; print(mpfhandler.__file__)"]
    done = subprocess.run(command, cwd=tree, env=environment(tree), capture_output=True, text=True, check=False)
    if done.returncode != 0 or not Path(done.stdout.strip()).is_relative_to(tree):
        raise Broken(f"not the package of {tree} is imported: {done.stdout}{done.stderr}")


def failing_test(tree: Path, tests: Sequence[str]) -> str | None:
    """The first of these tests that fails, or None."""
    ignored = [f"--ignore={file}" for file in STYLE]
    command = [sys.executable, *PYTEST, "-x", *ignored, *(f"tests/{test}" for test in tests)]
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment(tree), capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return f"no end after {PATIENCE} s: {' '.join(tests)}"
    if done.returncode == 0:
        return None
    if done.returncode not in {1, -6, -9, -11}:
        raise Broken(f"pytest ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    found = FAILED.search(done.stdout)
    return found[1] if found else f"pytest was ended ({done.returncode}) by one of: {' '.join(tests)}"


def check_tests(part: Sequence[str]) -> None:
    """That these tests pass on the package as it is."""
    with copied() as tree:
        check_import(tree)
        failed = failing_test(tree, part)
    if failed is not None:
        raise Broken(f"fails without any mutant: {failed}")


def run(mutant: Mutant, only: str | None = None) -> Verdict:
    """Apply it, and see."""
    begun = time.monotonic()
    with copied() as tree:
        package = tree / "src" / "mpfhandler"
        changed = package / mutant.file
        changed.write_text(mutated(mutant, package), encoding="utf-8")
        for bytecode in changed.parent.glob(f"__pycache__/{changed.stem}.*"):  # of what it was before
            bytecode.unlink()
        check_import(tree)
        expected = failing_test(tree, mutant.killers if only is None else (only,))
        killer = expected if expected or only else failing_test(tree, SUITE)
    return Verdict(mutant, killer, expected is not None, time.monotonic() - begun)


def chosen(names: Sequence[str]) -> list[Mutant]:
    """The mutants of these names, or all of them.

    Raises:
        Broken: there is none of that name.
    """
    known = {mutant.name: mutant for mutant in MUTANTS}
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise Broken(f"no such mutant: {', '.join(unknown)}; there are: {', '.join(known)}")
    return [known[name] for name in names] or list(MUTANTS)


def check_all(mutants: Sequence[Mutant], pool: ThreadPoolExecutor, jobs: int, only: str | None) -> None:
    """That the list fits the package, and that the tests pass without a mutant."""
    for mutant in mutants:
        mutated(mutant, ROOT / "src" / "mpfhandler")
    tests = sorted({test for mutant in mutants for test in mutant.killers}) if only is None else [only]
    for part in ("src", "tests"):
        compileall.compile_dir(ROOT / part, quiet=2)  # the copies have the bytecode, too: each mutant starts many processes
    list(pool.map(check_tests, [part for number in range(jobs) if (part := tests[number::jobs])]))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of mutants; all of them without a name")
    parser.add_argument("--jobs", type=int, default=2, help="how many at the same time (default: 2)")
    parser.add_argument("--only", metavar="TESTS", help="below tests/, asked instead of each mutant's own and all others")
    options = parser.parse_args(arguments)
    pool = ThreadPoolExecutor(options.jobs)
    survived = 0
    try:
        mutants = chosen(options.names)
        check_all(mutants, pool, options.jobs, options.only)
        for verdict in pool.map(lambda mutant: run(mutant, options.only), mutants):
            survived += verdict.killer is None
            print(verdict, flush=True)
    except (Broken, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        pool.shutdown(cancel_futures=True)
    print(f"{len(mutants)} mutants, {len(mutants) - survived} killed, {survived} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
