"""The file of typed uses, which mypy and basedpyright read, has all that is public in it."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from pathlib import Path

import pytest

import mpfhandler
from mpfhandler import InvalidOption, MultProcTimedRotatingFileHandler, SealedSegment, Stats, TimedLogFile

PATH = Path(__file__).parents[1] / "typing" / "typed_uses.py"
TREE = ast.parse(PATH.read_text(encoding="utf-8"))
ATTRIBUTES = {node.attr for node in ast.walk(TREE) if isinstance(node, ast.Attribute)}
DEFINED = {node.name for node in ast.walk(TREE) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
SPECIAL = {"__enter__", "__exit__"}  # by a `with`


def test_every_name() -> None:
    """What `import *` would bring is used."""
    used = {node.id for node in ast.walk(TREE) if isinstance(node, ast.Name)} | ATTRIBUTES
    assert set(mpfhandler.__all__) - used == set()


@pytest.mark.parametrize("kind", [MultProcTimedRotatingFileHandler, TimedLogFile])
def test_every_parameter(kind: type) -> None:
    """One call gives each parameter by its name."""
    calls = [node for node in ast.walk(TREE) if isinstance(node, ast.Call) and ast.unparse(node.func) == kind.__name__]
    given = [{word.arg for word in call.keywords} for call in calls]
    wanted = set(inspect.signature(kind).parameters) - {"path", "when", "interval"}
    assert any(wanted <= words for words in given), [sorted(map(str, wanted - words)) for words in given]


def test_every_attribute_and_method(tmp_path: Path) -> None:
    """Of the handler, the log, its numbers, a segment and an error."""
    handler = MultProcTimedRotatingFileHandler(tmp_path / "app.log", "W0", delay=True)
    log = TimedLogFile(tmp_path / "app.log", delay=True)
    inherited = {"level", "filters", "formatter", "mode", "encoding", "errors"}  # typeshed's business
    public = {name for name in (*vars(type(handler)), *vars(handler)) if not name.startswith("_")} - inherited - {"lock"}
    public |= {name for name in vars(type(log)) if not name.startswith("_")}
    public |= {field.name for kind in (Stats, SealedSegment) for field in dataclasses.fields(kind)}
    public |= {name for name in vars(InvalidOption("x", 1, "a", "b")) if not name.startswith("_")}
    handler.close()
    log.close()
    assert sorted(public - ATTRIBUTES - DEFINED) == []
