"""What a user wrote as a parameter, checked and made what it means.

Configuration files know only text for some of them, so a number or a truth value may be given as text where that
is unambiguous. Messages use the name that the caller wrote (`backupCount` of the handler is `backup_count` of the
engine): `names` maps the engine's spelling to the caller's.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Mapping

from .errors import InvalidOption, InvalidOptionType

__all__ = ["spelled", "to_choice", "to_count", "to_encoding", "to_flag", "to_mode", "to_seconds", "to_terminator", "to_word"]

_HUGE = 10**19
_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def to_flag(parameter: str, value: object) -> bool:
    """A truth value, also as text: a configuration file's "False" must not count as true."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in {0, 1}:
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in _TRUTH:
        return _TRUTH[value.strip().lower()]
    raise InvalidOptionType(parameter, value, "is not a truth value", "use True or False")


def to_count(parameter: str, value: object, minimum: int = 0) -> int:
    """A whole number that is not negative, also as text."""
    number = _number(parameter, value)
    if number != int(number):
        raise InvalidOption(parameter, value, "is not a whole number", "use an int such as 7")
    if number < minimum:
        raise InvalidOption(parameter, value, f"is below {minimum}", f"use {minimum} or more")
    return int(number)


def to_seconds(parameter: str, value: object) -> float:
    """A duration in seconds that is not negative and not endless, also as text."""
    number = float(_number(parameter, value))
    if number < 0:
        raise InvalidOption(parameter, value, "is negative", "use a number of seconds, 0 or more")
    return number


def to_choice(parameter: str, value: object, first: str, second: str) -> bool:
    """Whether it is the second of two words, in any case."""
    return to_word(parameter, value, first, second) == second


def to_word(parameter: str, value: object, *words: str) -> str:
    """One of these words, written in any case."""
    remedy = f"use {', '.join(map(repr, words[:-1]))} or {words[-1]!r}"
    if not isinstance(value, str):
        raise InvalidOptionType(parameter, value, "is no text", remedy)
    word = value.strip().lower()
    if word not in words:
        raise InvalidOption(parameter, value, "is not known", remedy)
    return word


def to_mode(parameter: str, value: object) -> int | None:
    """Permission bits: an int, or octal text such as "0640" or "0o640"."""
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(r"(0o)?[0-7]{3,4}", value):
        value = int(value.removeprefix("0o"), 8)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidOptionType(
            parameter, value, "is not a file mode", 'use an octal number such as 0o640, or text such as "0640"'
        )
    if not 0 <= value <= 0o7777:
        raise InvalidOption(parameter, value, "is not a file mode", 'use an octal number such as 0o640, or text such as "0640"')
    if value & 0o600 != 0o600:  # 640 without its 0o is such a number
        raise InvalidOption(
            parameter,
            value,
            f"is {value:#o}, which its owner may not read and write",
            'use an octal number such as 0o640, or "0640"',
        )
    return value


def to_terminator(parameter: str, value: object, encoding: str) -> str:
    """What ends a record: text, or bytes that are some in the encoding; never nothing."""
    remedy = 'use a str such as "\\n"'
    if not value and isinstance(value, (str, bytes)):
        raise InvalidOption(parameter, value, "is empty, so that records would run into each other", remedy)
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        raise InvalidOptionType(parameter, value, f"is a {type(value).__name__}", remedy)
    try:
        return value.decode(encoding)
    except ValueError:
        raise InvalidOption(parameter, value, f"is no text in {encoding}", remedy) from None


def to_encoding(parameter: str, value: object, errors: object, fallback: str) -> tuple[str, str]:
    """An encoding and its error handler, both known to the codec registry.

    Each record is encoded by itself, so an encoding that would begin every record with a byte order mark is
    replaced by the one without.
    """
    if value is None:
        value = fallback
    if not isinstance(value, str):
        raise InvalidOptionType(parameter, value, "is not the name of an encoding", 'use a name such as "utf-8"')
    if not isinstance(errors, str):
        raise InvalidOptionType("errors", errors, "is not the name of an error handler", 'use a name such as "backslashreplace"')
    try:
        name = codecs.lookup(value).name
        "".encode(name)
    except (LookupError, ValueError):
        raise InvalidOption(
            parameter, value, "is not a text encoding that this Python knows", 'use a name such as "utf-8"'
        ) from None
    try:
        codecs.lookup_error(errors)
    except (LookupError, ValueError):
        raise InvalidOption("errors", errors, "is not a known error handler", 'use a name such as "backslashreplace"') from None
    name = _without_mark(name)
    if not _writes_lines(name):
        raise InvalidOption(parameter, value, "is not an encoding that lines can be written in", 'use one such as "utf-8"')
    return name, errors


def _writes_lines(encoding: str) -> bool:
    """Whether records can be encoded one by one and read as lines. Not with those for host names, which have a length and put
    something behind, nor with those for literals, which spell the end of the line out."""
    line = "a line of text, which is longer than a label in the name of a host may be: " + "x" * 64 + "\n"
    try:
        once = line.encode(encoding)
        return once.decode(encoding) == line and (line * 2).encode(encoding) == once * 2 and not once.endswith(b"\\n")
    except ValueError:
        return False


def spelled(names: Mapping[str, str], parameter: str) -> str:
    """The parameter as the caller wrote it."""
    return names.get(parameter, parameter)


def _without_mark(encoding: str) -> str:
    import sys

    order = "le" if sys.byteorder == "little" else "be"
    return {"utf-8-sig": "utf-8", "utf-16": f"utf-16-{order}", "utf-32": f"utf-32-{order}"}.get(encoding, encoding)


def _number(parameter: str, value: object) -> int | float:
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            try:
                value = float(str(value))
            except ValueError:
                raise InvalidOption(parameter, value, "is not a number", "use a number") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidOptionType(parameter, value, "is not a number", "use a number")
    if not math.isfinite(value) if isinstance(value, float) else abs(value) >= _HUGE:
        raise InvalidOption(parameter, value, "is not a finite number, or too large", f"use a number below {_HUGE:.0e}")
    return value
