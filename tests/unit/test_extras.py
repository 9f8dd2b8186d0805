"""What an option needs of the interpreter and of other packages; and imports that a fork does not come in the middle of."""

from __future__ import annotations

import os
import sys
import threading
from types import ModuleType

import pytest

from mpfhandler._pure.errors import InvalidOption
from mpfhandler._resources import importing
from mpfhandler._resources.extras import check_method, is_installed

MISSING = "a_package_that_nobody_has"


@pytest.mark.parametrize("module", ["_zstd", "backports.zstd"])
def test_one_of_two_modules_is_enough_for_zst(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter's own from 3.14 on, the package before; with neither of them the message says what to install."""
    monkeypatch.setattr("mpfhandler._resources.extras.is_installed", lambda name: name == module)
    check_method("compress", "zst")
    monkeypatch.setattr("mpfhandler._resources.extras.is_installed", lambda _name: False)
    with pytest.raises(InvalidOption, match=r"pip install 'mpfhandler\[zstd\]'"):
        check_method("compress", "zst")


def test_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module in a package that is missing is missing, too, and one that was put there by hand is there."""
    assert is_installed("json.decoder")
    assert not is_installed(MISSING)
    assert not is_installed(f"{MISSING}.module")
    monkeypatch.setitem(sys.modules, MISSING, ModuleType(MISSING))
    assert is_installed(MISSING)
    assert not is_installed(f"{MISSING}.module")  # no package: it has no path


def test_fork_does_not_wait_for_ever_for_an_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """If it takes too long the process forks all the same, and the child, which does not have that thread, can import."""
    monkeypatch.setattr(importing, "_PATIENCE", 0.01)
    has_it, over = threading.Event(), threading.Event()

    def long_import() -> None:
        with importing.importing():
            has_it.set()
            assert over.wait(60)

    thread = threading.Thread(target=long_import)
    thread.start()
    assert has_it.wait(60)
    try:
        child = os.fork()
        if child == 0:
            os._exit(0 if importing.importing().acquire(timeout=5) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert not importing.importing().acquire(blocking=False)  # the parent's is still the importing thread's
    finally:
        over.set()
        thread.join()
