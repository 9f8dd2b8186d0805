"""A function by its dotted name: checked at once as far as that imports nothing, found at its first call."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mpfhandler import MultProcTimedRotatingFileHandler, TimedLogFile
from mpfhandler._pure.errors import InvalidOption
from mpfhandler._resources.dotted import Named, to_function

EXAMPLE = "package.module.function"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that tells of its import."""
    folder = tmp_path / "shipping_of_a_test"
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "deep" / "__init__.py").write_text("")
    (folder / "deep" / "er.py").write_text(
        "seen = []\n\nclass Ship:\n    @staticmethod\n    def sail(segment):\n        return segment, 'sailed'\n\n"
        "def ship(segment):\n    seen.append(segment)\n    return segment, 'shipped'\n\nnumber = 5\n"
    )
    (folder / "broken.py").write_text("import no_such_module_of_a_test\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder.name
    for name in [name for name in sys.modules if name.split(".")[0] == folder.name]:
        del sys.modules[name]


def function(value: object) -> Any:
    """What is made of the parameter."""
    return to_function("on_seal", value, EXAMPLE)


def test_name_is_imported_at_the_first_call(package: str) -> None:
    """Nothing of the package is imported by the check; the call finds a function in a module and a method of a class."""
    ship, sail = function(f" {package}.deep.er.ship"), function(f"{package}.deep.er.Ship.sail")
    assert not any(name.startswith(package) for name in sys.modules)
    assert ship(1) == (1, "shipped")
    assert ship(2) == (2, "shipped")
    assert sail(3) == (3, "sailed")
    assert sys.modules[f"{package}.deep.er"].seen == [1, 2]


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("deep.er.nothing", AttributeError, "'nothing'"),
        ("deep.nothing.ship", AttributeError, "'nothing'"),
        ("broken.ship", ModuleNotFoundError, "no_such_module_of_a_test"),
        ("deep.er.number", TypeError, "deep.er.number: cannot be called"),
        ("deep", TypeError, "deep: cannot be called"),
    ],
)
def test_name_that_leads_nowhere_fails_at_each_call(package: str, name: str, error: type[Exception], told: str) -> None:
    """What only an import can tell is told by the call, and by the next one again."""
    found = function(f"{package}.{name}")
    for _ in range(2):
        with pytest.raises(error, match=told):
            found(1)


def test_name_that_is_mended_is_found_later(package: str, tmp_path: Path) -> None:
    """A call that fails is no last word: the module may come into being."""
    found = function(f"{package}.later.ship")
    with pytest.raises(AttributeError):
        found(1)
    (tmp_path / package / "later.py").write_text("def ship(segment):\n    return 'late'\n")
    import importlib

    importlib.invalidate_caches()
    assert found(1) == "late"


def test_loaded_module_is_looked_into(package: str) -> None:
    """What is loaded already is known: a misspelt function in it is refused at once."""
    function(f"{package}.deep.er.ship")(1)
    assert function(f"{package}.deep.er.ship")(2) == (2, "shipped")
    assert function(f"{package}.deep.other.ship") is not None  # may be a module that is not loaded yet
    for name in ("deep.er.shop", "deep.er.number", "deep.er.Ship.sink", "deep.er", "shop"):
        with pytest.raises(InvalidOption, match=rf"^on_seal='{package}.{name}': .*; .*{EXAMPLE}"):
            function(f"{package}.{name}")


def test_module_that_is_being_imported_is_not_looked_into(tmp_path: Path) -> None:
    """A program's module that configures logging at its top may name a function that stands further below."""
    (tmp_path / "program_of_a_test.py").write_text(
        "from mpfhandler._resources.dotted import to_function\n"
        "hook = to_function('on_seal', 'program_of_a_test.below', 'a.b')\n"
        "def below(segment):\n    return segment\n"
    )
    code = "import program_of_a_test; print(program_of_a_test.hook(7))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.stdout, done.stderr) == ("7\n", "")


def test_main_module(tmp_path: Path) -> None:
    """A script names its own functions by `__main__`."""
    script = tmp_path / "script.py"
    script.write_text(
        "from mpfhandler._resources.dotted import to_function\n"
        "def above(segment):\n    return segment\n"
        "print(to_function('on_seal', '__main__.above', 'a.b')(7))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.stdout, done.stderr) == ("7\n", "")


def test_callable_and_none_are_taken_as_they_are() -> None:
    """There is nothing to find."""
    assert function(None) is None
    assert function(print) is print


def told(segment: object) -> object:
    """A hook."""
    return segment


@pytest.mark.parametrize("value", [told, f"{__name__}.told", "os.path.join"])
def test_copies_keep_every_option(tmp_path: Path, value: Any) -> None:
    """A copy by pickle has the same options of housekeeping as its original, a function as a function, a name as a name."""
    options: dict[str, Any] = {
        "compress": "gz", "compress_level": "9", "compress_delay": "1", "max_age": "14d", "max_total_bytes": "10GB",
        "min_free_bytes": 7, "on_seal": value, "fsync": "seal", "archive": "file:///nowhere", "archive_delete": "yes",
        "rotate_idle": 1,
    }  # fmt: skip
    for make in (MultProcTimedRotatingFileHandler, TimedLogFile):
        log = make(tmp_path / "app.log", delay=True, **options)
        twin = pickle.loads(pickle.dumps(log))
        for one in (log, twin):
            found = one._writer.options
            assert (found.compression.method, found.compression.level, found.compression.delay) == ("gz", 9, 1.0)
            assert (found.retention.max_age, found.retention.max_total_bytes, found.retention.min_free_bytes) == (
                1209600,
                10**10,
                7,
            )
            assert (found.fsync, found.archive.url, found.archive.delete) == ("seal", "file:///nowhere", True)
            assert found.rotate_idle
            hook: Any = found.on_seal
            assert hook is value or (isinstance(hook, Named) and hook.name == value)
        log.close()
        twin.close()


def test_it_tells_its_name() -> None:
    """In a log's `repr` and in messages stands what the user wrote."""
    assert repr(function("json.dumps")) == "<Named json.dumps>"
