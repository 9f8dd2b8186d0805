"""The shape of the package, read from its syntax trees: layers, systems calls, dependencies, sizes.

Each rule is a function from a tree of modules to the complaints about it. It is run on the package, which must give
none, and on a small made-up package that breaks just this rule, so that a rule that sees nothing is noticed.
"""

from __future__ import annotations

import ast
import functools
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import mpfhandler

PACKAGE = Path(mpfhandler.__file__).parent
LAYERS = ["_pure", "_platform", "_resources", "_protocols", "_engine", "_faces"]
MODULE_LINES, FUNCTION_LINES, MEDIAN_LINES = 400, 60, 10

# Modules that reach the system. Everything in them is a system call, a clock, or a way to one.
SYSTEM_MODULES = {
    "ctypes", "errno", "fcntl", "mmap", "msvcrt", "multiprocessing", "pathlib", "resource", "select", "selectors", "shutil",
    "signal", "socket", "stat", "subprocess", "tempfile", "time",
}  # fmt: skip
# What a module may use of `os` anywhere: text of paths, no call to the system.
OS_TEXT = {
    "os.PathLike", "os.fsdecode", "os.fsencode", "os.fspath", "os.path",
    "os.path.basename", "os.path.commonpath", "os.path.dirname", "os.path.join", "os.path.normcase", "os.path.split",
    "os.sep", "os.sep.join",
}  # fmt: skip
ELSEWHERE = {"sys.platform", "datetime.now", "datetime.today", "datetime.utcnow", "date.today"}
# The way round the table of operations, each with its reason.
SYSTEM_EXCEPTIONS = {
    "_pure/zone.py": {"time": "the system's zone is asked for offsets (localtime); no clock is read"},
    "_resources/fork.py": {"os.register_at_fork": "the hook of the interpreter, no system call"},
    "_protocols/hooks.py": {"os.path.abspath": "what a namer gave is made a full path; at most the folder is asked for"},
    "_engine/place.py": {
        "os.access": "checks of a constructor, before anything is created",
        "os.path.abspath": "the same",
        "os.path.exists": "the same",
        "os.path.isdir": "the same",
        "os.path.islink": "the same",
        "os.path.realpath": "the same",
        "os.lstat": "the same",
        "os.readlink": "the same",
        "os.W_OK": "the same",
        "stat": "constants of file kinds",
    },
    "_engine/streams.py": {
        "os.path.abspath": "checks of a constructor, before anything is created",
        "os.path.normpath": "text",
        "os.path.realpath": "the same as abspath",
        "os.stat": "the same",
        "stat": "constants of file kinds",
    },
    "_faces/formatting.py": {
        "time": "localtime and gmtime, functions of their argument; no clock is read",
    },
    "_resources/importing.py": {"os.register_at_fork": "as in `_resources/fork.py`"},
    "_faces/handler.py": {"os.getpid": "a fork that no hook told of is seen by the pid; LogRecord asks the same way"},
    "_faces/look.py": {
        "errno": "numbers of errors that can only be the output's",
        "os.environ": "what a user asks every program for: NO_COLOR, TERM",
        "os.environ.get": "the same",
        "time": "how long a bar has been shown",
    },
    "_faces/interrupt.py": {"signal": "for commands that have to clean up, never for a handler"},
    "_faces/cli.py": {
        "os.O_RDWR": "streams that are missing lead nowhere",
        "os.fdopen": "the same; standard output without a buffer gets one, for it is written in part otherwise",
        "os.O_WRONLY": "standard output is pointed nowhere after its reader has gone",
        "os.close": "the same",
        "os.devnull": "the same",
        "os.dup2": "the same",
        "os.open": "the same",
    },
}
PROGRAMS = (
    "_faces/check/",
    "_faces/bench/",
    "_faces/pipe/",
    "_faces/read/",
)  # beside the handler: they look at the system with their own eyes, as a user would
OF_ONE_SYSTEM = {"_platform/windows_locks.py": ("portalocker",)}  # never imported elsewhere
LEFT_OUT_OF_STDLIB = {"typing_extensions"}  # only below TYPE_CHECKING


@dataclass(frozen=True)
class Module:
    """One source file."""

    path: str  # relative to the package, with slashes
    tree: ast.Module
    lines: int

    @property
    def name(self) -> tuple[str, ...]:
        """The dotted name's parts, without the package's."""
        parts = self.path.removesuffix(".py").split("/")
        return tuple(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> tuple[str, ...]:
        """What one dot in a relative import stands for."""
        return self.name if self.path.endswith("__init__.py") else self.name[:-1]

    @property
    def layer(self) -> str:
        """The folder below the package, or "" for the package itself."""
        return self.path.split("/")[0] if "/" in self.path else ""


@dataclass(frozen=True)
class Import:
    """One imported name."""

    target: tuple[str, ...]
    own: bool  # of the package
    line: int
    typing_only: bool

    @property
    def text(self) -> str:
        return ".".join(self.target)


Rule = Callable[[list[Module]], list[str]]


@functools.cache
def read(package: Path) -> list[Module]:
    """Every module below a folder."""
    found = []
    for file in sorted(package.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        found.append(Module(file.relative_to(package).as_posix(), ast.parse(text), text.count("\n")))
    return found


def imports(module: Module) -> Iterator[Import]:
    """Every import of a module, wherever it stands; `from x import y` counts as `x.y`."""
    typing_only = {
        id(inner)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(module.tree):
        late = id(node) in typing_only
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield _imported(tuple(alias.name.split(".")), node.lineno, late)
        elif isinstance(node, ast.ImportFrom):
            stem = tuple(node.module.split(".")) if node.module else ()
            for alias in node.names:
                if node.level:
                    start = module.package[: len(module.package) - node.level + 1]
                    yield Import((*start, *stem, alias.name), own=True, line=node.lineno, typing_only=late)
                else:
                    yield _imported((*stem, alias.name), node.lineno, late)


def _imported(target: tuple[str, ...], line: int, late: bool) -> Import:
    own = target[0] == "mpfhandler"
    return Import(target[1:] if own else target, own, line, late)


def _module_of(target: tuple[str, ...], modules: dict[tuple[str, ...], Module]) -> Module | None:
    """The module that an imported name lies in."""
    return modules.get(target) or modules.get(target[:-1])


# --- the rules --------------------------------------------------------------------------------------------------------


def one_way(modules: list[Module]) -> list[str]:
    """A layer imports itself and the ones below it."""
    wrong = []
    for module in modules:
        for found in imports(module):
            if not found.own or not module.layer:
                continue
            target = found.target[0] if found.target else ""
            if target not in LAYERS or LAYERS.index(target) > LAYERS.index(module.layer):
                wrong.append(f"{module.path}:{found.line} imports {found.text or 'the package itself'}")
    return wrong


def known_layers(modules: list[Module]) -> list[str]:
    """Every folder of the package is a layer, and only `__init__` and `__main__` lie beside them."""
    free = {"__init__.py", "__main__.py"}
    return [module.path for module in modules if (module.layer not in LAYERS if module.layer else module.path not in free)]


def no_cycles(modules: list[Module]) -> list[str]:
    """No module imports itself by way of others, not even for types."""
    named = {module.name: module for module in modules}
    edges: dict[str, set[str]] = {}
    for module in modules:
        targets = (_module_of(found.target, named) for found in imports(module) if found.own)
        edges[module.path] = {target.path for target in targets if target is not None and target.path != module.path}
    for start in edges:
        reached, todo = set[str](), [start]
        while todo:
            for following in edges[todo.pop()] - reached:
                reached.add(following)
                todo.append(following)
        if start in reached:
            return [f"{start} is in a cycle of imports"]
    return []


def no_logging(modules: list[Module]) -> list[str]:
    """Only the faces know `logging`."""
    return [
        f"{module.path}:{found.line} imports {found.text}"
        for module in modules
        if module.layer != "_faces" and module.path != "__init__.py"
        for found in imports(module)
        if not found.own and found.target[0] == "logging"
    ]


def system_uses(module: Module) -> Iterator[tuple[str, int]]:
    """What a module uses of the system, dotted, with its line."""
    for found in imports(module):
        if found.own or found.typing_only:
            continue
        if found.target[0] in SYSTEM_MODULES:
            yield found.target[0], found.line
        elif found.target[0] in {"os", "posix"} and len(found.target) > 1 and found.text not in OS_TEXT:
            yield found.text, found.line
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            yield "open", node.lineno
        text = _dotted(node)
        if text in ELSEWHERE or (text.startswith("os.") and text not in OS_TEXT):
            yield text, getattr(node, "lineno", 0)


def _dotted(node: ast.AST) -> str:
    """`os.path.join` of an attribute node, "" of any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if parts and isinstance(node, ast.Name) else ""


def system_below_one_table(modules: list[Module]) -> list[str]:
    """System calls, the clock, `errno` and `sys.platform` are in the platform layer, but for the listed exceptions."""
    return [
        f"{module.path}:{line} uses {text}"
        for module in modules
        if module.layer != "_platform" and not module.path.startswith(PROGRAMS)
        for text, line in system_uses(module)
        if text not in SYSTEM_EXCEPTIONS.get(module.path, {})
    ]


def exceptions_needed(modules: list[Module]) -> list[str]:
    """Every exception in the list above is still made use of."""
    named = {module.path: module for module in modules}
    wrong = []
    for path, texts in SYSTEM_EXCEPTIONS.items():
        used = {text for text, _ in system_uses(named[path])} if path in named else set[str]()
        wrong += [f"{path} does not use {text} any more" for text in texts if text not in used]
    return wrong


def standard_library_only(modules: list[Module]) -> list[str]:
    """Nothing but the standard library is imported, by any module that a POSIX system imports."""
    return [
        f"{module.path}:{found.line} imports {found.text}"
        for module in modules
        for found in imports(module)
        if not found.own and found.target[0] not in sys.stdlib_module_names
        if not (found.typing_only and found.target[0] in LEFT_OUT_OF_STDLIB)
        if found.target[0] not in OF_ONE_SYSTEM.get(module.path, ())
    ]


def private(modules: list[Module]) -> list[str]:
    """Every module or a folder that it lies in has a name with an underscore."""
    return [m.path for m in modules if not any(part.startswith("_") for part in m.path.split("/"))]


def init_only_exports(modules: list[Module]) -> list[str]:
    """An `__init__` holds a docstring, relative imports and `__all__`, which names each of them. What it imports when it is asked
    for stands below TYPE_CHECKING."""
    wrong = []
    for module in modules:
        if not module.path.endswith("__init__.py"):
            continue
        names, exported = set[str](), set[str]()
        for node in module.tree.body:
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                late = [inner for inner in node.body if isinstance(inner, ast.ImportFrom) and inner.level]
                names |= {alias.name for inner in late for alias in inner.names}
            elif ast.unparse(node) == "TYPE_CHECKING = False" or getattr(node, "name", "") in {"__getattr__", "__dir__"}:
                continue
            elif isinstance(node, ast.ImportFrom) and node.level:
                names |= {alias.asname or alias.name for alias in node.names}
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                exported = set(ast.literal_eval(node.value))
            elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
                wrong.append(f"{module.path}:{node.lineno} {ast.unparse(node).splitlines()[0]}")
        if names != exported:
            wrong.append(f"{module.path} exports otherwise than it imports: {sorted(names ^ exported)}")
    return wrong


def function_lengths(modules: list[Module]) -> dict[str, int]:
    """Lines of each function, its docstring included."""
    return {
        f"{module.path}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def small_modules(modules: list[Module]) -> list[str]:
    """No module is longer than 400 lines."""
    return [f"{module.path} has {module.lines} lines" for module in modules if module.lines > MODULE_LINES]


def small_functions(modules: list[Module]) -> list[str]:
    """No function is longer than 60 lines, and half of them have ten at most."""
    lengths = function_lengths(modules)
    wrong = [f"{name} has {lines} lines" for name, lines in lengths.items() if lines > FUNCTION_LINES]
    if lengths and statistics.median(lengths.values()) > MEDIAN_LINES:
        wrong.append(f"the median function has {statistics.median(lengths.values())} lines")
    return wrong


def documented(modules: list[Module]) -> list[str]:
    """Every module says what it is for."""
    return [module.path for module in modules if not ast.get_docstring(module.tree)]


RULES: list[Rule] = [
    one_way, known_layers, no_cycles, no_logging, system_below_one_table, exceptions_needed, standard_library_only, private,
    init_only_exports, small_modules, small_functions, documented,
]  # fmt: skip

# (rule, module, its source, what the complaint must say)
BROKEN: list[tuple[Rule, dict[str, str], str]] = [
    (one_way, {"_pure/a.py": "from .._engine.writer import Writer"}, "_engine.writer.Writer"),
    (one_way, {"_pure/a.py": "def f():\n    from mpfhandler._faces import handler"}, "_faces.handler"),
    (one_way, {"_resources/a.py": "if TYPE_CHECKING:\n    from .._engine import writer"}, "_engine.writer"),
    (one_way, {"_engine/a.py": "from .. import TimedLogFile"}, "TimedLogFile"),
    (one_way, {"_faces/check/a.py": "from ..._other.x import y"}, "_other.x.y"),
    (known_layers, {"_extra/a.py": ""}, "_extra/a.py"),
    (known_layers, {"_helpers.py": ""}, "_helpers.py"),
    (no_cycles, {"_pure/a.py": "from .b import x", "_pure/b.py": "from . import c", "_pure/c.py": "from .a import y"}, "cycle"),
    (no_cycles, {"_pure/a.py": "from .b import x", "_pure/b.py": "def f():\n    from mpfhandler._pure.a import y"}, "cycle"),
    (no_logging, {"_engine/a.py": "import logging.handlers"}, "logging.handlers"),
    (no_logging, {"_protocols/a.py": "def f():\n    from logging import Handler"}, "logging.Handler"),
    (system_below_one_table, {"_protocols/a.py": "import errno"}, "errno"),
    (system_below_one_table, {"_resources/a.py": "from fcntl import flock"}, "fcntl"),
    (system_below_one_table, {"_engine/a.py": "import os\nos.rename('a', 'b')"}, "os.rename"),
    (system_below_one_table, {"_engine/a.py": "import os\nos.path.exists('a')"}, "os.path.exists"),
    (system_below_one_table, {"_engine/a.py": "from os import write"}, "os.write"),
    (system_below_one_table, {"_engine/a.py": "from os.path import exists"}, "os.path.exists"),
    (system_below_one_table, {"_engine/a.py": "import sys\nw = sys.platform == 'win32'"}, "sys.platform"),
    (system_below_one_table, {"_engine/a.py": "from time import time"}, "time"),
    (system_below_one_table, {"_pure/a.py": "from datetime import datetime\nx = datetime.now()"}, "datetime.now"),
    (system_below_one_table, {"_resources/a.py": "x = open('a')"}, "open"),
    (exceptions_needed, {"_faces/cli.py": ""}, "_faces/cli.py does not use os.dup2"),
    (standard_library_only, {"_faces/a.py": "import rich"}, "rich"),
    (standard_library_only, {"_pure/a.py": "from typing_extensions import Self"}, "typing_extensions"),
    (private, {"handler.py": ""}, "handler.py"),
    (private, {"check/verify.py": ""}, "check/verify.py"),
    (init_only_exports, {"_pure/__init__.py": "X = 1"}, "X = 1"),
    (init_only_exports, {"_pure/__init__.py": "def f(): ..."}, "def f()"),
    (init_only_exports, {"_pure/__init__.py": "from .a import b"}, "['b']"),
    (init_only_exports, {"_pure/__init__.py": "if TYPE_CHECKING:\n    from .a import b"}, "['b']"),
    (small_modules, {"_pure/a.py": "x = 1\n" * 401}, "401 lines"),
    (small_functions, {"_pure/a.py": "def f():\n" + "    x = 1\n" * 60}, "61 lines"),
    (small_functions, {"_pure/a.py": "def f():\n" + "    x = 1\n" * 10}, "median"),
    (documented, {"_pure/a.py": "x = 1"}, "_pure/a.py"),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_package_keeps_rule(rule: Rule) -> None:
    """The package keeps the rule that the function's docstring states."""
    modules = read(PACKAGE)
    assert len(modules) > 30, "the package is read in full"
    assert rule(modules) == []


@pytest.mark.parametrize(("rule", "sources", "complaint"), BROKEN, ids=lambda part: getattr(part, "__name__", None))
def test_rule_sees_what_breaks_it(tmp_path: Path, rule: Rule, sources: dict[str, str], complaint: str) -> None:
    """A package that breaks a rule is complained about, by the name of the module."""
    for path, text in sources.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    complaints = "\n".join(rule(read(tmp_path)))
    assert complaint in complaints
    assert any(path in complaints for path in sources) or "median" in complaint


def test_every_rule_has_a_breaking_example() -> None:
    """No rule goes without a package that breaks it."""
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


def test_importing_a_module_does_nothing() -> None:
    """A process that is spawned imports the program's main module under another name: also ours start nothing then."""
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]; print('done')"
    names = ["mpfhandler.__main__", "mpfhandler._faces.check.worker", "mpfhandler._faces.check.probe"]
    names += ["mpfhandler._faces.bench.crew", "mpfhandler._faces.bench.syscalls"]
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("done\n", "")
