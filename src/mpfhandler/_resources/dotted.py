"""A function by its dotted name, as configuration files write it: checked when a log is made, imported at its first call.

Importing it at once would have a program's own modules imported while it configures its logging, which is often the first
thing that one of these modules does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from .._pure.errors import InvalidOption, InvalidOptionType
from .extras import is_installed
from .importing import importing

__all__ = ["Named", "to_function"]


class Named:
    """Finds its function at the first call that succeeds in it.

    Args:
        name: `package.module.function`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._function: Callable[..., object] | None = None

    def __call__(self, *arguments: object) -> object:
        """Call the function.

        Raises:
            ImportError, AttributeError: there is none. The next call looks again.
            Exception: what the function raises.
        """
        if self._function is None:
            self._function = _find(self.name)
        return self._function(*arguments)

    def __repr__(self) -> str:
        return f"<Named {self.name}>"


def to_function(parameter: str, value: object, example: str) -> Callable[..., object] | None:
    """Something to be called, or the dotted name of it; None for None.

    Of a name it is checked whether its package is installed, and, as far as its module is loaded already, whether it is there.

    Args:
        parameter: as the caller wrote it.
        value: the same.
        example: of a dotted name, for the remedy.

    Raises:
        InvalidOption: no name, or one that certainly leads nowhere.
        InvalidOptionType: nothing that can be called, and no text.
    """
    remedy = f'use a function of one argument, or its dotted name such as "{example}"'
    if value is None or callable(value):
        return value
    if not isinstance(value, str):
        raise InvalidOptionType(parameter, value, "cannot be called", remedy)
    name = value.strip()
    parts = name.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise InvalidOption(parameter, value, "is not the dotted name of a function", remedy)
    if not is_installed(parts[0]):
        raise InvalidOption(parameter, value, f"there is no module {parts[0]!r}", remedy)
    problem = _wrong(parts)
    if problem:
        raise InvalidOption(parameter, value, problem, remedy)
    return Named(name)


def _wrong(parts: list[str]) -> str:
    """What is certainly wrong with a name, as far as its modules are loaded and complete."""
    loaded = next(count for count in range(len(parts), -1, -1) if not count or ".".join(parts[:count]) in sys.modules)
    found: Any = sys.modules.get(".".join(parts[:loaded]))
    if found is None or getattr(getattr(found, "__spec__", None), "_initializing", False):
        return ""
    for count, part in enumerate(parts[loaded:], loaded):
        if not hasattr(found, part):
            in_package = count == loaded and hasattr(found, "__path__") and count < len(parts) - 1
            return "" if in_package else f"there is no {part!r} in {'.'.join(parts[:count])!r}"
        found = getattr(found, part)
    return "" if callable(found) else "cannot be called"


def _find(name: str) -> Callable[..., object]:
    import importlib

    parts = name.split(".")
    with importing():
        found: Any = importlib.import_module(parts[0])
        for count, part in enumerate(parts[1:], 2):
            if not hasattr(found, part) and hasattr(found, "__path__"):
                try:
                    importlib.import_module(".".join(parts[:count]))
                except ModuleNotFoundError as error:
                    if error.name != ".".join(parts[:count]):
                        raise  # a module that it imports is missing
            found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{name}: cannot be called")
    function: Callable[..., object] = found
    return function
