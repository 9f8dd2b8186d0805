"""The list of mutants (`tests/mutants`) fits the package. What kills them is told by `nox -s mutants`."""

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


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_mutants", TESTS / "mutants" / "_mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


_mutants = _load()


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
