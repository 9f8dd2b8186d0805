"""What an index would show of the package: nothing that it needs, each extra and the command."""

from __future__ import annotations

import re
from importlib.metadata import entry_points, metadata, requires
from pathlib import Path

import mpfhandler

ROOT = Path(__file__).resolve().parents[2]
FOUND = metadata("mpfhandler")


def test_nothing_is_needed() -> None:
    """Each requirement is an extra's; but on Windows, where the rotation lock is portalocker's."""
    needed = [one for one in requires("mpfhandler") or [] if "extra ==" not in one]
    assert [re.sub(r"\s|['\"]", "", one) for one in needed] == ["portalocker>=4;sys_platform==win32"]
    assert set(FOUND.get_all("Provides-Extra") or []) >= {"cli", "zstd", "s3"}


def test_the_command_is_there() -> None:
    """`mpfhandler` leads to a function."""
    [command] = entry_points(group="console_scripts", name="mpfhandler")
    assert callable(command.load())


def test_what_an_index_shows() -> None:
    """Version, licence, a page, a text in Markdown; and the classifiers name no Python that the tests do not run on."""
    assert FOUND["Version"] == mpfhandler.__version__
    assert FOUND["License-Expression"] == "Apache-2.0"
    assert FOUND["Description-Content-Type"] == "text/markdown"
    assert any(one.startswith("Homepage, https://pypi.org/project/mpfhandler") for one in FOUND.get_all("Project-URL") or [])
    classifiers = FOUND.get_all("Classifier") or []
    named = {one.rpartition(" ")[2] for one in classifiers if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", one)}
    lowest = re.sub(r"[^\d.]", "", FOUND["Requires-Python"])
    tested = set(re.findall(r'"(3\.\d+)"', re.search(r"PYTHONS = \[.*\]", (ROOT / "noxfile.py").read_text())[0]))  # type: ignore[index]
    assert lowest in named <= tested
    assert "Typing :: Typed" in classifiers
