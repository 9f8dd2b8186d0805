"""The standard library's patterns of segment names, kept in `extMatch` for programs that look at it. We parse names ourselves."""

from __future__ import annotations

import re

__all__ = ["ext_match"]

_PATTERNS = {
    "S": r"(?<!\d)\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2}(?!\d)",
    "M": r"(?<!\d)\d{4}-\d{2}-\d{2}_\d{2}-\d{2}(?!\d)",
    "H": r"(?<!\d)\d{4}-\d{2}-\d{2}_\d{2}(?!\d)",
    "MONTH": r"(?<!\d)\d{4}-\d{2}(?!\d)",
}
_DAY = r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)"


def ext_match(when: str) -> re.Pattern[str]:
    """The pattern for logs that are rotated at this unit."""
    return re.compile(_PATTERNS.get(when, _DAY), re.ASCII)
