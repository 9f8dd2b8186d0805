"""Patterns that a user types as text, for a search in bytes: a letter beyond ASCII is several of these."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["with_letters"]

_TOKEN = re.compile(r"\\.|(?P<of>\[\^?\]?(?:\\.|[^\\\]])*\])|.", re.DOTALL)
_MEMBER = re.compile(r"(\\.|.)(?:-(\\.|.))?", re.DOTALL)
_REPEATS = ("*", "+", "?", "{")
_ANY = r"[\xc2-\xf4][\x80-\xbf]{1,3}"  # a letter beyond ASCII, in UTF-8


def with_letters(text: str, ignore_case: bool) -> str:
    """The pattern with each letter beyond ASCII in one piece, also where a set in [ ] has it, and with both its cases, if that
    is asked for. `.` is a byte, and so are those of an escape such as `\\xe4`.

    Raises:
        re.error: a range in a set ends before it begins.
    """
    found: list[str] = []
    for token in _TOKEN.finditer(text):
        part = token[0]
        letter = part.removeprefix("\\")
        if token["of"] is not None and any(map(_is_wide, part)):
            found.append(_set(part, ignore_case))
        elif len(letter) == 1 and _is_wide(letter):
            cases = _cases(letter) if ignore_case else {letter}
            alone = len(cases) == 1 and text[token.end() : token.end() + 1] not in _REPEATS  # plain text is found much faster
            found.append(letter if alone else f"(?:{'|'.join(sorted(cases))})")
        else:
            found.append(part)
    return "".join(found)


def _is_wide(letter: str) -> bool:
    return not letter.isascii() and not "\ud800" <= letter <= "\udfff"  # these are bytes that are no text


def _cases(letter: str) -> set[str]:
    return {letter, letter.lower(), letter.upper()}


def _set(text: str, ignore_case: bool) -> str:
    """The same as alternatives: what is ASCII in a set of bytes, the letters by their bytes."""
    inverse = text.startswith("[^")
    narrow, letters = "", set[str]()
    for member in _MEMBER.finditer(text[1 + inverse : -1]):
        first, last = member[1].removeprefix("\\"), (member[2] or member[1]).removeprefix("\\")
        if not _is_wide(first) and not _is_wide(last):
            narrow += member[0]
            continue
        if first > last:
            raise re.error(f"bad character range {member[0]}")
        some = set(map(chr, range(max(ord(first), 0x80), ord(last) + 1)))
        letters |= {case for one in some for case in _cases(one)} if ignore_case else some
        if first.isascii():
            narrow += f"{member[1]}-\\x7f"
    narrow = f"\\{narrow}" if narrow.startswith("^") else narrow
    wide = "|".join(_grouped(one.encode() for one in letters if _is_wide(one)))
    if inverse:
        return rf"(?:(?!{wide})(?:[^{narrow}\x80-\xff]|{_ANY}))"
    return f"(?:[{narrow}]|{wide})" if narrow else f"(?:{wide})"


def _grouped(letters: Iterable[bytes]) -> list[str]:
    """As few alternatives as have the same beginning."""
    groups: dict[bytes, set[int]] = {}
    for one in letters:
        groups.setdefault(one[:-1], set()).add(one[-1])
    return [f"{_escaped(start)}[{_escaped(sorted(lasts))}]" for start, lasts in sorted(groups.items())]


def _escaped(data: Iterable[int]) -> str:
    return "".join(f"\\x{one:02x}" for one in data)
