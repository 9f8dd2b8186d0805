"""`{host}` in the path of a log is the machine's name."""

from __future__ import annotations

import logging
import os
import pickle
import sys
from pathlib import Path

import pytest

from mpfhandler import ConcurrentTimedRotatingFileHandler, MultProcTimedRotatingFileHandler, TimedLogFile
from mpfhandler._engine import place
from mpfhandler._platform.host import host_name


def test_each_machine_has_a_file(tmp_path: Path) -> None:
    """The name stands where `{host}` was, also in a folder that is made, and in all names that are made of the log's."""
    with TimedLogFile(tmp_path / "{host}" / "app-{host}.log", mkdir=True) as log:
        log.write("here")
        host = os.uname().nodename
        assert Path(log.name) == tmp_path / host / f"app-{host}.log"
    assert sorted(path.name for path in (tmp_path / host).iterdir()) == [f"app-{host}.log", f"app-{host}.log.lock"]


def test_handler_tells_the_real_name(tmp_path: Path) -> None:
    """`baseFilename` is what is written to, so that who opens that finds it."""
    handler = MultProcTimedRotatingFileHandler(tmp_path / "{host}.log")
    try:
        handler.emit(logging.makeLogRecord({"msg": "here"}))
        assert Path(handler.baseFilename).read_text() == "here\n"
    finally:
        handler.close()


def test_copy_on_another_machine_has_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is pickled is the path as it was given."""
    with TimedLogFile(tmp_path / "{host}.log", delay=True) as log:
        text = pickle.dumps(log)
    monkeypatch.setattr(place, "host_name", lambda: "another")
    with pickle.loads(text) as copy:
        assert copy.name == str(tmp_path / "another.log")


def test_locks_are_where_they_are_for_all_machines(tmp_path: Path) -> None:
    """Braces in the name of their folder are text, for a handler and for its copies: who locks elsewhere excludes nobody."""
    locks = tmp_path / "{host}"
    locks.mkdir()
    with TimedLogFile(tmp_path / "app.log", lock_dir=locks) as log, pickle.loads(pickle.dumps(log)) as copy:
        log.write("one")
        copy.write("two")
    other = ConcurrentTimedRotatingFileHandler(tmp_path / "other.log", lock_file_directory=str(locks))
    other.emit(logging.makeLogRecord({"msg": "three"}))
    other.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.log", "other.log", "{host}"]
    assert len(list(locks.iterdir())) == 2


def test_name_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine's name does not lead to another folder."""
    monkeypatch.setattr(place, "host_name", lambda: "../up")
    with TimedLogFile(tmp_path / "{host}.log", delay=True) as log:
        assert log.name == str(tmp_path / ".._up.log")


@pytest.mark.parametrize("name", ["{hosts}.log", "{}.log", "{HOST}.log", "{pid}.log"])
def test_other_braces_are_text(tmp_path: Path, name: str) -> None:
    """They may be in names that somebody has by now."""
    with TimedLogFile(tmp_path / name, delay=True) as log:
        assert log.name == str(tmp_path / name)


@pytest.mark.skipif(sys.platform == "win32", reason="no uname")
def test_machine_has_a_name() -> None:
    """Some name it has in any case."""
    assert host_name()
