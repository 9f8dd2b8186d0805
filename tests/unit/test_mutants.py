"""The list of mutants (`tests/mutants`) fits the package, and the script tells the dead from the living."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import mpfhandler

PACKAGE = Path(mpfhandler.__file__).parent
TESTS = Path(__file__).parents[1]


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TESTS / "mutants" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


_mutants = _load("_mutants")
run = _load("run")


@pytest.mark.parametrize("mutant", _mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_fits_the_package(mutant: object) -> None:
    """What is taken out stands in the package exactly once, and without it there is still a program."""
    text = _mutants.mutated(mutant, PACKAGE)
    ast.parse(text)
    assert text != (PACKAGE / mutant.file).read_text(encoding="utf-8")


@pytest.mark.parametrize("mutant", _mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_killers_are_there(mutant: object) -> None:
    """The tests that are to notice exist, by file and by function."""
    assert mutant.killers
    for killer in mutant.killers:
        file, _, function = killer.partition("::")
        assert (TESTS / file).exists(), killer
        name = function.partition("[")[0]
        assert f"def {name}(" in (TESTS / file).read_text(encoding="utf-8") if name else True, killer


def test_names_are_told_apart() -> None:
    """A name on the command line means one mutant."""
    names = [mutant.name for mutant in _mutants.MUTANTS]
    assert len(set(names)) == len(names)


def test_text_that_is_not_there_is_told() -> None:
    """A mutant whose text the package has no more, or has twice, is refused by name."""
    for old in ("no such text", "self"):
        mutant = _mutants.Mutant("stale", "", "_protocols/rotation.py", old, "", ("unit",))
        with pytest.raises(ValueError, match="stale: its old text stands"):
            _mutants.mutated(mutant, PACKAGE)


def test_name_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name on the command line runs nothing."""
    assert run.main(["no-such-mutant"]) == 2
    assert "no such mutant: no-such-mutant" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "killers", "verdict"),
    [
        ("SIZE = 192", "SIZE = 193 - 1", ("unit/test_state.py",), "SURVIVED: nothing  "),
        ("SIZE = 192", "SIZE = 16", ("unit/test_state.py",), "unit/test_state.py::"),
        ("SIZE = 192", "SIZE = 16", ("unit/test_fork_registry.py",), "(not one of its own tests)"),
    ],
)
def test_verdict(monkeypatch: pytest.MonkeyPatch, old: str, new: str, killers: tuple[str, ...], verdict: str) -> None:
    """What no test notices has survived; what one does is killed, by a test of its own or by the suite."""
    monkeypatch.setattr(run, "SUITE", ("unit/test_state.py",))
    assert verdict in str(run.run(_mutants.Mutant("example", "nothing", _mutants.STATE, old, new, killers)))


@pytest.mark.slow
def test_program_that_cannot_be_imported_is_no_kill() -> None:
    """A mutant that breaks the package's imports says nothing about any test."""
    mutant = _mutants.Mutant("broken", "", _mutants.STATE, "import zlib", "import no_such_module", ("unit/test_state.py",))
    with pytest.raises(run.Broken, match="no_such_module"):
        run.run(mutant)
