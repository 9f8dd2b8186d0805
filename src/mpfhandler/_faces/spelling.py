"""What an error says of parameters, in the words of who types options."""

from __future__ import annotations

import re

from .._pure.errors import InvalidOption

__all__ = ["explain", "spelled"]

_OPTION = {"path": "LOG", "LOG": "LOG", "atTime": "--at-time", "backupCount": "--backup-count", "maxBytes": "--max-bytes"}
_IN_TEXTS = (  # what is written for programs, and how it is written for a shell
    (re.compile(r"\b(utc|mkdir)=True\b"), r"--\1"),
    (re.compile(r"\bset (archive|compress)="), r"give --\1 "),
    (re.compile(r"\b(when|tz)=(?=['\"])"), r"--\1 "),
    (re.compile(r"\block_dir\b"), "--lock-dir"),
    (re.compile(r"\bor None for\b"), "or leave it out for"),
)


def spelled(name: str) -> str:
    """A parameter as an option."""
    return _OPTION.get(name, f"--{name.replace('_', '-')}")


def explain(error: Exception) -> str:
    """What an error of a parameter says, with the parameters written as options. Values stay as they are."""
    if isinstance(error, InvalidOption):
        told = f"{spelled(error.parameter)}{'' if error.value in (True, None) else f'={error.value!r}'}: "
        return told + "; ".join(map(_for_a_shell, error._why))
    start, mark, rest = str(error).partition("=")
    if not mark or not start.isidentifier():
        return str(error)
    value, colon, why = rest.partition("': ")
    return f"{spelled(start)}={value}{colon}{_for_a_shell(why)}"


def _for_a_shell(text: str) -> str:
    for pattern, words in _IN_TEXTS:
        text = pattern.sub(words, text)
    return text
