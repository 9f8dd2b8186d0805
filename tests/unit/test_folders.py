"""Which folders a user's `namer` may have put segments into."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mpfhandler._platform import OPERATIONS
from mpfhandler._protocols.folders import like

TREE = {
    "/": ["log1", "log22", "logs"],
    "/logs": ["2025", "2026", "2026x", "app.log", "2024-01-31", "2026-11-27", "٢٠٢٦-11-27"],
    "/logs/2025": ["1", "12", "now"],
    "/logs/2026": ["2"],
    "/srv7/logs": ["day 1", "day 31", "day"],
    "/srv8/logs": ["day 2"],
    "/srv7/arch.": ["1a"],
}


def names(folder: str) -> list[str]:
    """What is in a folder."""
    if folder not in TREE:
        raise FileNotFoundError(2, "No such file or directory")
    return TREE[folder]


@pytest.mark.parametrize(
    ("folder", "home", "others"),
    [
        ("/logs", "/logs", set[str]()),
        ("/logs/2026-11-28", "/logs", {"/logs/2024-01-31", "/logs/2026-11-27"}),
        ("/logs/2026/11", "/logs", {"/logs/2025/1", "/logs/2025/12", "/logs/2026/2"}),
        ("/logs/2026/now", "/logs", {"/logs/2025/now"}),  # there or not: who lists it will see
        ("/srv7/logs/day 3", "/srv7/logs", {"/srv7/logs/day 1", "/srv7/logs/day 31"}),  # not those of /srv8
        ("/srv7/arch./2a", "/srv7/logs", {"/srv7/arch./1a"}),
        ("/srv7/logs/Nov", "/srv7/logs", set[str]()),
        ("/log3", "/", {"/log1", "/log22"}),
        ("/log3/2026", "/", set[str]()),  # /log1 and /log22 cannot be read
        ("/", "/logs", set[str]()),
        ("/srv7", "/srv7/logs", set[str]()),
    ],
)
def test_folders_that_differ_in_digits(folder: str, home: str, others: set[str]) -> None:
    """Below what the folder has in common with the log's own; and the folder itself, whether it is there or not."""
    assert like(replace(OPERATIONS, names=names), folder, home) == {folder, *others}
