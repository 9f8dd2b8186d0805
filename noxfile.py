"""The task runner: `nox` runs what a change must pass, `nox --list` tells the rest."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tarfile
import tempfile
from pathlib import Path

import nox

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
OTHERS = ["3.13t", "3.14", "3.14t", "3.15", "3.15t", "pypy3.10", "pypy3.11", "pypy3.12"]  # where they are found
PROJECT = nox.project.load_toml("pyproject.toml")
SLOW = ("-m", "slow or torture")
SWEEP = "tests/faults/test_crash_sweep.py"
QUICK = "not slow and not torture and not integration and not simulation"

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # thousands of processes start here as a user's do: with compiled modules

nox.options.sessions = ["lint", "types", "tests", "simulation", "slow"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False  # each interpreter that is found, CI or not


def _offer_pyenv() -> None:
    """Interpreters that pyenv has installed count as found, whatever it has activated."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    if root.is_dir():
        names = r"3\.1\d(\.\d+|-dev|\.\d+(a|b|rc)\d+)t?|pypy3\.1\d-.+"
        folders = [path / "bin" for path in sorted(root.iterdir()) if re.fullmatch(names, path.name)]
        os.environ["PATH"] = os.pathsep.join([*map(str, folders), os.environ["PATH"]])


_offer_pyenv()


def _found(python: str) -> bool:
    """Whether there is this interpreter, by the name that it has as a command."""
    return shutil.which(python if python.startswith("pypy") else f"python{python}") is not None


# Without CI, nox itself names those that it does not find.
EVERY = PYTHONS + [one for one in OTHERS if _found(one) or not os.environ.get("CI")]


def _install(session: nox.Session, group: str) -> None:
    session.install("-e", ".", *nox.project.dependency_groups(PROJECT, group))


def _add_path(session: nox.Session, folder: str) -> None:
    """Each interpreter of the environment finds a folder's modules, from its start on: `.pth` files are read by their names."""
    program = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = session.run("python", "-c", program, silent=True)
    Path(str(packages).strip(), "a0_path.pth").write_text(f"{Path(folder).resolve()}\n")


@nox.session(venv_backend="none")
def dev(session: nox.Session) -> None:
    """What a contributor needs, in `.venv`: the checkout itself, the tests' packages, ruff, mypy and basedpyright."""
    if not Path(".venv").exists():
        session.run("python3", "-m", "venv", ".venv", external=True)
    groups = [nox.project.dependency_groups(PROJECT, name) for name in ("test", "lint", "types")]
    packages = sorted({package for group in groups for package in group})
    session.run(".venv/bin/python", "-m", "pip", "install", "-q", "-e", ".", *packages, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and the things that a reader should not have to look for."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy and basedpyright, both strict, over the package and a file of typed uses, as on Linux and as on Windows."""
    _install(session, "types")
    session.run("mypy")
    # What is behind a question for the system is not looked at on another one, and is no mistake there.
    session.run("mypy", "--platform", "win32", "--no-warn-unreachable")
    session.run("basedpyright")
    session.run("basedpyright", "--pythonplatform", "Windows")


@nox.session(python=EVERY)
def tests(session: nox.Session) -> None:
    """Everything that is quick, on every interpreter found; CPython's own tests of the standard library's handler, every warning
    as an error, and eight threads at once. A free-threaded one is kept from taking its lock back."""
    if session.python in PYTHONS:
        _install(session, "test")
    else:  # not every package, or not its newest version, is there for it: tests that need what is missing are skipped
        session.install("-e", ".")
        for package in nox.project.dependency_groups(PROJECT, "test"):
            session.install("--only-binary", ":all:", package, success_codes=[0, 1])
    env = {"PYTHON_GIL": "0"} if str(session.python).endswith("t") else {}
    session.run("pytest", "-q", "-n", "6", "-m", QUICK, *session.posargs, env=env)
    files = ("cpython", "configuration", "everything", "threads")
    session.run("pytest", "-q", "-m", "not load", *(f"tests/integration/test_{name}.py" for name in files), env=env)


@nox.session
def simulation(session: nox.Session) -> None:
    """The engine on the simulated kernel: a few seconds for each world, and the simulation against the real kernel."""
    _install(session, "test")
    session.run("pytest", "-q", "-n", "2", "-m", "simulation", *(session.posargs or ["tests/simulation"]))


@nox.session
def slow(session: nox.Session) -> None:
    """Many real processes, kills, full disks, the self-test."""
    _install(session, "test")
    # A file's tests stay together: those of the crash sweep count the system calls of all scenarios first.
    files = ["tests/faults", "tests/integration", "tests/torture", "tests/unit"]  # named, so that what they covered is printed
    two = ("-n", "2", "--dist", "loadfile")
    session.run("pytest", "-q", *two, "--durations", "8", *SLOW, *(session.posargs or files))


# Not 3.11: a traced thread stands still there, with its locks, while a signal waits for a main thread that waits for such a lock.
@nox.session(python="3.12")
def coverage(session: nox.Session) -> None:
    """The branches of the package that the tests reach, child processes included: names the others, fails below 97 %."""
    _install(session, "coverage")
    _add_path(session, "tests")  # PYTHONPATH is the tests' own business
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)  # processes that have given up root's rights write there, too
        env = {"COVERAGE_FILE": f"{folder}/data"}
        measured = ("coverage", "run", "-m", "pytest", "-q", "-n", "4")
        calendar = "--ignore=tests/property/test_schedule_properties.py"  # a minute, and no branch that others do not take
        session.run(*measured, "-m", QUICK, calendar, *session.posargs, env=env)
        programs = [f"tests/integration/test_{name}.py" for name in ("check", "bench", "read_follow")]
        session.run(*measured, "-m", "slow", *programs, "tests/faults/test_sealing_crash.py", env=env)
        # In one process, for it counts the process's threads; what it kills at a moment is not met when everything is slower.
        alone, archive = measured[:-2], "tests/integration/test_archive.py"
        session.run(*alone, "-m", "integration", "-k", "not killed", archive, env=env)
        # Simulated processes are greenlets. Measuring those costs real threads now and then: one of a worker's is stuck for good.
        simulated = ("coverage", "run", "--concurrency=thread,greenlet", *measured[2:])
        session.run(*simulated, "-m", "simulation", "-k", "test_random_schedules and (everything or faults)", env=env)
        session.run("coverage", "combine", "-q", env=env)
        session.run("coverage", "json", "-q", "-o", f"{folder}/report.json", "--fail-under", "0", env=env)
        totals = json.loads(Path(folder, "report.json").read_text())["totals"]
        session.run("coverage", "report", "--fail-under", "0", env=env)
    share = 100 * totals["covered_branches"] / totals["num_branches"]
    session.log(f"{totals['covered_branches']} of {totals['num_branches']} branches: {share:.1f} %")
    if share < 97:
        session.error("less than 97 % of the branches")


@nox.session
def proof(session: nox.Session) -> None:
    """About an hour on two cores: the simulation, every crash point and every failing system call, the real faults for long,
    and a log of 10 GB; prints what was covered. `nox -s proof -- 20` gives each simulated world 20 seconds instead of 60, a small
    one up to four times that."""
    _install(session, "test")
    env = {"MPFHANDLER_PROOF": session.posargs[0] if session.posargs else "60", "MPFHANDLER_PROOF_EXAMPLES": "20000"}
    session.run("pytest", "-q", "-n", "2", "--timeout", "7200", "-m", "simulation", "tests/simulation", env=env)
    session.run("pytest", "-q", "-n", "2", *SLOW, SWEEP, env=env)
    session.run("pytest", "-q", *SLOW, "tests/faults", "tests/torture", f"--ignore={SWEEP}", env=env)
    session.run("pytest", "-q", "-n", "2", "tests/property/test_schedule_properties.py", env=env)
    session.run("pytest", "-q", "-s", *SLOW, "tests/integration/test_read_memory.py", env=env)


@nox.session
def mutants(session: nox.Session) -> None:
    """Takes one mechanism out of the package at a time, and tells which test notices."""
    _install(session, "test")
    session.run("python", "tests/mutants/run.py", *session.posargs)


@nox.session
def integration(session: nox.Session) -> None:
    """Real programs: web servers, configuration files, the command line. `-- -m "integration and not load"` is its
    quick half."""
    _install(session, "integration")
    # Some are built from source, with a compiler and Python's headers: where there are none their tests are skipped and named.
    for package in nox.project.dependency_groups(PROJECT, "integration-optional"):
        session.install(package, success_codes=[0, 1])
    session.run("pytest", "-q", "-m", "integration", *session.posargs)


@nox.session
def network(session: nox.Session) -> None:
    """Real NFS and SMB mounts of two machines, in user-mode Linux, as root: some minutes. What is missing is named (Debian:
    apt-get install user-mode-linux kmod rpcbind nfs-kernel-server samba cifs-utils sshfs openssh-sftp-server)."""
    _install(session, "test")
    session.run("pytest", "-q", "tests/integration/test_network.py", *session.posargs)


@nox.session
def wine(session: nox.Session) -> None:
    """A Windows CPython under Wine: the unit and property suites, then four processes at one log. Fetches the interpreter and its
    packages once; `-- -k leases` runs these tests of the two suites alone."""
    _install(session, "integration")
    pytest = ("tests/integration/_wine.py", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    session.run("python", *pytest, "tests/unit", "tests/property", *session.posargs)
    session.run("pytest", "-q", "-m", "integration", "tests/integration/test_wine.py")


@nox.session(python=["3.11", "3.13", *(one for one in EVERY if one in {"3.13t", "3.14t"})])
def bench(session: nox.Session) -> None:
    """Ours and others', side by side: 1 to 64 processes, 1 and 8 threads. Writes docs/benchmarks, a folder for each interpreter;
    takes hours. `nox -s bench -- --procs 1,8 --secs 1` measures less (the options of `mpfhandler bench`)."""
    _install(session, "bench")
    # It has no wheels for some interpreters, and does not build on all of them: then it is skipped and named.
    session.install(*nox.project.dependency_groups(PROJECT, "bench-optional"), success_codes=[0, 1])
    session.run("python", "benchmarks/matrix.py", "--out", f"docs/benchmarks/{session.python}", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site in `site`: strict, with links that work, and nothing that is fetched from another host. With
    Chromium: no page is wider than a phone."""
    _install(session, "docs")
    session.run("mkdocs", "build", "--strict", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})
    session.run("python", "tools/docs/links.py", "site")
    session.run("python", "tools/docs/narrow.py", "site")


@nox.session
def screens(session: nox.Session) -> None:
    """The pictures of commands and the drawings of the documentation, made anew. `nox -s screens -- ls` makes one picture."""
    _install(session, "docs")
    _install(session, "bench")
    session.run("python", "tools/docs/drawings.py", "docs/assets")
    session.run("python", "tools/docs/screens.py", "docs/assets", *session.posargs)


def _build(session: nox.Session, source: Path, folder: Path) -> dict[str, str]:
    """Wheel and source archive of a tree, in a folder of their own; their SHA-256 by name."""
    env = {"SOURCE_DATE_EPOCH": "1577836800"}  # any time is good, if it is always the same
    session.run("python", "-m", "build", "--outdir", str(folder), str(source), env=env, silent=True)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@nox.session
def build(session: nox.Session) -> None:
    """Wheel and source archive into `dist`, reproducibly: built again from the archive they are the same, byte for byte."""
    session.install("build", "twine")
    dist = Path("dist").resolve()
    shutil.rmtree(dist, ignore_errors=True)
    first = _build(session, Path.cwd(), dist)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
            archive.extractall(folder)
        [tree] = Path(folder).iterdir()
        for path in tree.rglob("*"):  # another time, and other rights
            os.utime(path)
            path.chmod(path.stat().st_mode | 0o022)
        second = _build(session, tree, Path(folder) / "dist")
    if first != second:
        session.error(f"not reproducible: {first} and {second}")
    session.run("twine", "check", "--strict", *(str(dist / name) for name in first))
    for name, digest in first.items():
        session.log(f"sha256 {digest} {name}")


@nox.session(python=[one for one in EVERY if one in {*PYTHONS, "3.14"}], reuse_venv=False)
def install(session: nox.Session) -> None:
    """The wheel in a clean environment on each interpreter found: nothing comes with it, and a record is logged. Then with the
    extras cli, zstd and s3."""
    folder = Path(session.create_tmp())
    session.run("python", "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(folder), ".")
    wheel = next(folder.resolve().glob("mpfhandler-*.whl"))
    session.install("--no-index", str(wheel))
    session.run("python", "-I", "tests/packaging/clean.py")
    session.install(f"mpfhandler[cli,zstd,s3] @ {wheel.as_uri()}")
    session.run("python", "-I", "tests/packaging/extras.py")
    session.run("python", "-m", "pip", "check")
