r"""Control characters as they can be read: a line feed as `\n`, an escape as `\x1b`.

What a program logs of its users' input may have a line end in it, behind which a record follows that nobody has logged, or a
sequence that moves the cursor of who looks at the log. Escaped are the controls of C0 but the tab (columns of a format are
divided by it), DEL, those of C1, the line and paragraph separators of Unicode, and the characters that turn the direction of
writing and so change the order in which a line is shown. Everything else stays as it is, a backslash, too: what was escaped is
not to be told from text that was written so, and text without control characters (JSON, a path of Windows') is not changed.

Escaping twice is escaping once.
"""

from __future__ import annotations

__all__ = ["escaped", "escaped_bytes", "escaped_record"]

_C0 = set(range(0x20)) - {0x09}
_SEPARATORS = {0x2028, 0x2029}
_DIRECTIONS = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_CONTROLS = _C0 | set(range(0x7F, 0xA0)) | _SEPARATORS | _DIRECTIONS
_TABLE = {code: ascii(chr(code))[1:-1] for code in _CONTROLS}  # \n and \r, \x1b, \u2028


def escaped(text: str) -> str:
    """The same text, with its control characters spelled out."""
    return text if text.isprintable() else text.translate(_TABLE)


def escaped_bytes(data: bytes, encoding: str) -> bytes:
    """The same for encoded text.

    Bytes that are none in the encoding stay, where the encoding has ASCII as it is (they are spelled out in the others); and so
    does everything if there is nothing to escape.
    """
    try:
        text = data.decode(encoding, "surrogateescape")
        safe = escaped(text)
        return data if safe == text else safe.encode(encoding, "surrogateescape")
    except UnicodeError:
        return escaped(data.decode(encoding, "backslashreplace")).encode(encoding, "backslashreplace")


def escaped_record(data: bytes, end: bytes, encoding: str) -> bytes:
    """The same for a record that ends with its terminator, which stays."""
    return escaped_bytes(data.removesuffix(end), encoding) + end
