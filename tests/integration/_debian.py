"""Programs out of Debian's packages, without installing them: two that exclude each other as packages can both be had."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


def _run(command: list[str], folder: Path | None = None) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    return done.stdout if done.returncode == 0 else ""


def unpacked(package: str, program: str) -> Path:
    """The root of what a package, and those that it needs and that are not installed, have been unpacked to, once for all runs.

    Skips the test where there is no apt-get, or where it has no such package.

    Args:
        package: its name.
        program: where in it the program is, which is started once to see that nothing is missing.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        pytest.skip(f"needs apt-get and dpkg, for the package {package}")
    place = Path(os.environ.get("MPFHANDLER_DEBIAN") or Path(tempfile.gettempdir(), f"mpfhandler-debian-{os.getuid()}"))
    root = place / package
    if not (root / program).exists():
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=place))
        needed = re.findall(r"^Inst (\S+)", _run(["apt-get", "install", "-s", "--no-install-recommends", package]), re.MULTILINE)
        _run(["apt-get", "download", "-q", *sorted({package, *needed})], fresh)
        for archive in list(fresh.glob("*.deb")):
            _run(["dpkg", "-x", str(archive), str(fresh)])
            archive.unlink()
        if not (fresh / program).exists():
            pytest.skip(f"apt-get cannot fetch the package {package} (`apt-get update` first)")
        try:
            fresh.rename(root)
        except OSError:  # another run was faster
            shutil.rmtree(fresh)
    return root


def libraries(root: Path) -> dict[str, str]:
    """An environment in which programs of that root find their shared libraries."""
    folders = sorted({str(path.parent) for path in root.glob("usr/lib/**/lib*.so.*")})
    return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(folders)}
