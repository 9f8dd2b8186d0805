"""The page of all options, made from the handler's signature, its docstring and the command line."""

from __future__ import annotations

import inspect
import re

from mpfhandler import MultProcTimedRotatingFileHandler, TimedLogFile
from mpfhandler._faces.options import NAMES
from mpfhandler._faces.spelling import spelled

__all__ = ["options_page"]

_ENGINE = {"filename": "path", "backupCount": "backup_count", "atTime": "at_time", "maxBytes": "max_bytes"}
_HEAD = """\
# Options

All that a log can be told: as a parameter of the handler, as one of `TimedLogFile`, and as an option of `mpfhandler pipe`. Times
are in seconds and sizes in bytes, where nothing else is said; in a configuration file numbers and truth values may be text.
"""


def options_page() -> str:
    """As Markdown."""
    texts = _texts()
    parts = [_HEAD]
    for name, parameter in inspect.signature(MultProcTimedRotatingFileHandler).parameters.items():
        default = "" if parameter.default is inspect.Parameter.empty else f" = {parameter.default!r}"
        parts.append(f"## {name}\n\n{texts[name]}\n\n{_places(name)}\n\n```text\n{name}: {parameter.annotation}{default}\n```\n")
    return "\n".join(parts)


def _texts() -> dict[str, str]:
    arguments = (inspect.getdoc(MultProcTimedRotatingFileHandler) or "").partition("Args:\n")[2].partition("\nRaises:")[0]
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", arguments, re.MULTILINE)
    return {name: _sentence(" ".join(text.split())) for name, text in found}


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}" if text[0].isalpha() else text


def _places(name: str) -> str:
    engine = _ENGINE.get(name, name)
    log = f"`TimedLogFile(…, {engine}=…)`" if engine in inspect.signature(TimedLogFile).parameters else "not in `TimedLogFile`"
    if name == "filename":
        return "In `TimedLogFile`: its first parameter, `path`. On the command line: the first argument."
    return f"In `TimedLogFile`: {log.replace('not in `TimedLogFile`', 'no')}. On the command line: {_option(engine)}."


def _option(engine: str) -> str:
    return f"`{spelled(engine)}`" if engine in NAMES else "no"
