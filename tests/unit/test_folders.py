"""Which folders a user's `namer` may have put segments into."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mpfhandler._platform import OPERATIONS
from mpfhandler._protocols import folders
from mpfhandler._protocols.folders import like, like_any

TREE = {
    "/": ["log1", "log22", "logs"],
    "/logs": ["2025", "2026", "2026x", "app.log", "2024-01-31", "2026-11-27", "٢٠٢٦-11-27"],
    "/logs/2025": ["1", "12", "now"],
    "/logs/2026": ["2"],
    "/srv7/logs": ["day 1", "day 31", "day"],
    "/srv8/logs": ["day 2"],
    "/srv7/arch.": ["1a"],
}


def own(path: str) -> str:
    """As this system writes it."""
    return path.replace("/", os.sep)


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
    ops = replace(OPERATIONS, names=lambda folder: names(folder.replace(os.sep, "/")))
    assert like(ops, own(folder), own(home)) == {own(folder), *map(own, others)}


class Listing:
    """Counts what is listed."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ops = replace(OPERATIONS, names=self._names)

    def _names(self, folder: str) -> list[str]:
        self.asked.append(folder)
        return OPERATIONS.names(folder)


def test_each_folder_is_listed_once(tmp_path: Path) -> None:
    """However many of one kind are known: a listing for each folder above those that are looked for, and none of these."""
    days = [
        tmp_path / str(year) / f"{month:02}" / f"{day:02}" for year in (2024, 2025) for month in (1, 2) for day in range(1, 9)
    ]
    for day in days:
        day.mkdir(parents=True)
    listing = Listing()
    found = like_any(listing.ops, {*map(str, days[-8:]), str(tmp_path / "2026" / "01" / "01")}, str(tmp_path))
    assert found == {*map(str, days), str(tmp_path / "2026" / "01" / "01")}
    known_once = [str(tmp_path), *(str(tmp_path / year) for year in ("2024", "2025"))]
    known_once += [str(tmp_path / year / month) for year in ("2024", "2025") for month in ("01", "02")]
    assert {one: listing.asked.count(one) for one in listing.asked} == dict.fromkeys(known_once, 2)  # for 2026 once more


def test_links_that_lead_to_their_own_folder_do_not_multiply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may have put them there. No more folders are taken than the limit, the first by name; and the one that is asked
    for in any case. Nor are more names looked at where none is such a one."""
    monkeypatch.setattr(folders, "_MOST", 50)
    for number in range(10):
        (tmp_path / str(number)).symlink_to(tmp_path)
    listing = Listing()
    found = like(listing.ops, str(tmp_path / "7" / "7" / "7" / "7"), str(tmp_path))
    assert len(found) == 51
    assert str(tmp_path / "7" / "7" / "7" / "7") in found
    assert str(tmp_path / "0" / "0" / "0" / "0") in found
    assert len(listing.asked) < 3 * 50
    monkeypatch.setattr(folders, "_NAMES", 100)
    listing = Listing()
    assert like(listing.ops, str(tmp_path / "7" / "7" / "a7"), str(tmp_path)) == {str(tmp_path / "7" / "7" / "a7")}
    assert len(listing.asked) < 3 * 10 + 3
