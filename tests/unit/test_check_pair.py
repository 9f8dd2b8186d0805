"""`mpfhandler check DIR DIR2`: whether two mounts exclude each other. Real ones: `tests/integration/test_network.py`."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mpfhandler._faces.check import command, pair
from mpfhandler._faces.check.pair import Pair, compare, not_one_folder
from mpfhandler._faces.cli import main
from mpfhandler._platform import OPERATIONS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="`mpfhandler check` is of POSIX systems")


@pytest.mark.slow
def test_one_folder_excludes_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All records are there; that nothing is told of two machines is said."""
    assert main(["check", str(tmp_path), str(tmp_path), "--secs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "locks " in printed
    assert "warning: both are one mount" in printed
    assert "PASS" in printed
    assert not list(tmp_path.iterdir())


def test_folders_that_are_not_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What is put into one does not come to the other one: nothing is tried out, and nothing stays."""
    monkeypatch.setattr(pair, "_PATIENCE", 0.2)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert main(["check", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "does not appear there" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "a"), str(tmp_path / "c")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert not list((tmp_path / "a").iterdir())
    assert not_one_folder(str(tmp_path / "a"), str(tmp_path / "a")) is None


def test_small_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Records under the lock are few, so less space is needed than for the test of one folder."""
    good = Pair("/a", "/b", ("nfs4", "nfs4"), False, True, False, 100, 0, 0, 0)
    monkeypatch.setattr(command, "compare", lambda _first, _second, _seconds: good)
    folder, options = str(tmp_path), ["--secs", "3"]
    for mebibytes, code in ((30, 0), (10, 2)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, free=mebibytes << 20: SimpleNamespace(free=free))
        assert main(["check", folder, folder, *options]) == code
        assert main(["check", folder, *options]) == 2
        assert "MiB needed" in capsys.readouterr().err


def test_folder_that_may_only_be_read_by_way_of_the_other_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two mounts are tested, or nothing is."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    monkeypatch.setattr(os.path, "realpath", lambda path: path)
    made = tempfile.mkstemp

    def mkstemp(prefix: str, dir: str) -> tuple[int, str]:  # noqa: A002  (the name that it has)
        if dir.endswith("b"):
            raise OSError(errno.EROFS, "Read-only file system", dir)
        return made(prefix=prefix, dir=dir)

    monkeypatch.setattr(tempfile, "mkstemp", mkstemp)
    assert main(["check", str(tmp_path / "a"), str(tmp_path / "b"), "--secs", "1"]) == 2
    assert "Read-only file system" in capsys.readouterr().err


def test_process_that_cannot_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the others have written tells nothing of its mount."""
    monkeypatch.setattr(pair, "appends_by", lambda _paths: None)
    started = subprocess.Popen

    def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        return started(["true"] if command[-2] == "p1" else command, **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    found = compare(str(tmp_path), str(tmp_path), 0.3)
    assert (found.mute, found.lost, found.excludes) == (1, 0, False)
    assert "could not log" in found.text()
    assert found.text().splitlines()[-1].startswith("FAIL: not every process")


def test_locks_that_do_not_exclude(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Then nobody logs, and what to do instead is said."""
    monkeypatch.setattr(pair, "OPERATIONS", replace(OPERATIONS, try_lock=lambda _fd, _exclusive: True))
    monkeypatch.setattr(pair, "appends_by", lambda _paths: False)
    assert main(["check", str(tmp_path), str(tmp_path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["locks"], told["excludes"], told["acknowledged"]) == (False, False, 0)
    for remedy in ("{host}", "shipper", "lock_dir"):
        assert remedy in told["verdict"]


def test_lock_that_is_never_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It excludes nobody in a way that helps."""
    monkeypatch.setattr(pair, "_PATIENCE", 0.1)
    monkeypatch.setattr(pair, "OPERATIONS", replace(OPERATIONS, unlock=lambda _fd: None))
    monkeypatch.setattr(pair, "appends_by", lambda _paths: None)
    assert not compare(str(tmp_path), str(tmp_path), 0.1).locks


@pytest.mark.parametrize(("lost", "doubled", "torn"), [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_records_that_are_not_right(lost: int, doubled: int, torn: int) -> None:
    """Locks alone do not make up for it."""
    good = Pair("/a", "/b", ("nfs4", "nfs4"), False, True, False, 100, 0, 0, 0)
    assert good.excludes
    assert "locking='record'" in good.text()
    bad = replace(good, lost=lost, doubled=doubled, torn=torn)
    assert not bad.excludes
    assert bad.text().splitlines()[-1].startswith("FAIL")
    assert not replace(good, acknowledged=0).excludes
