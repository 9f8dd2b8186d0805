"""Errors that a user can see, all raised while something is constructed.

At run time nothing is raised into the host program (promise P5): what fails there is counted, reported and retried.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["InvalidOption", "InvalidOptionType", "MpfHandlerError", "ScheduleMismatch", "UnsupportedPlatform", "path_error"]


class MpfHandlerError(Exception):
    """Base of the errors that this package defines itself."""


class InvalidOption(MpfHandlerError, ValueError):
    """A parameter has a value that cannot be used.

    Args:
        parameter: the name as the caller wrote it.
        value: what was given.
        problem: why it cannot be used.
        remedy: what to write instead.
    """

    def __init__(self, parameter: str, value: object, problem: str, remedy: str) -> None:
        super().__init__(_message(parameter, value, problem, remedy))
        self.parameter = parameter
        self.value = value
        self._why = (problem, remedy)

    def renamed(self, names: Mapping[str, str]) -> InvalidOption:
        """The same error with the parameter spelled as the caller wrote it."""
        return type(self)(names.get(self.parameter, self.parameter), self.value, *self._why)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.parameter, self.value, *self._why)


class InvalidOptionType(InvalidOption, TypeError):
    """A parameter has a value of a type that cannot be used."""


class ScheduleMismatch(UserWarning):
    """Another process rotates the same log by another schedule."""


class UnsupportedPlatform(MpfHandlerError, ImportError):
    """This operating system has no platform module."""


def path_error(kind: type[OSError], parameter: str, value: object, problem: str, remedy: str) -> OSError:
    """An `OSError` of the given kind whose message names the parameter, the value and the remedy."""
    return kind(_message(parameter, value, problem, remedy))


def _message(parameter: str, value: object, problem: str, remedy: str) -> str:
    return f"{parameter}={value!r}: {problem}; {remedy}"
