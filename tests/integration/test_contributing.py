"""CONTRIBUTING.md: its commands are run in a copy of the checkout, and what it names is there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NOT_COPIED = shutil.ignore_patterns(".git", ".nox", ".venv", ".*_cache", ".hypothesis", "__pycache__", "site", "dist")

pytestmark = pytest.mark.integration


def test_sessions_exist() -> None:
    """Each session that the page names is one of the task runner's."""
    known = set(re.findall(r"^@nox\.session.*\ndef (\w+)\(", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for found in re.findall(r"nox -s ([a-z ]+[a-z])", PAGE) for name in found.split()}
    assert {"dev", "build", "install", "docs"} <= named <= known


@pytest.mark.load
def test_the_set_up_is_one_command(tmp_path: Path) -> None:
    """In a fresh copy of the checkout the one command works, and then the tests and the checks do."""
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
    blocks = re.findall(r"(?<!-->\n)^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    for block in blocks:
        script = "set -e\n" + block.replace("python3 -m venv", f"{sys.executable} -m venv")
        done = subprocess.run(["sh", "-c", script], cwd=copy, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
