"""The level of a parameter: a number, or a name that `logging` knows."""

from __future__ import annotations

import logging

from .._pure.errors import InvalidOption, InvalidOptionType

__all__ = ["to_level"]

_REMEDY = 'use a level such as logging.ERROR, or its name, "ERROR"'


def to_level(parameter: str, value: object) -> int:
    """A level as `logging` counts them; in text a name, in any case, or a number.

    Raises:
        InvalidOption, InvalidOptionType: it is none.
    """
    if isinstance(value, str):
        text = value.strip()
        names: dict[str, int] = logging._nameToLevel  # what `logging.getLevelNamesMapping` copies since Python 3.11
        found = int(text) if text.isdecimal() else names.get(text, names.get(text.upper()))
        if found is None:
            raise InvalidOption(parameter, value, "is no level", _REMEDY)
        return found
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidOptionType(parameter, value, "is no level", _REMEDY)
    if value < 0:
        raise InvalidOption(parameter, value, "is negative", _REMEDY)
    return value
