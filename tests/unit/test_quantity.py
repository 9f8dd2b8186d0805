"""Sizes and ages as users write them, and back as text for a reader."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from mpfhandler._pure.errors import InvalidOption, InvalidOptionType
from mpfhandler._pure.quantity import show_age, show_size, to_age, to_size


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, 0), (0, 0), ("0", 0), ("0 GB", 0), (1, 1), (10**12, 10**12), (7.0, 7), ("123", 123), ("1e3", 1000),
        ("1_000", 1000),
        ("1B", 1), ("512 bytes", 512), ("1kB", 1000), ("1KB", 1000), ("10GB", 10 * 10**9), (" 10 gb ", 10 * 10**9),
        ("1.5GB", 1_500_000_000), ("0.1MB", 100_000), ("2TB", 2 * 10**12), ("1PB", 10**15),
        ("1KiB", 1024), ("10GiB", 10 << 30), ("1.5 MiB", 3 << 19), ("2TiB", 2 << 40),
        ("10K", 10 << 10), ("10M", 10 << 20), ("10g", 10 << 30), ("1T", 1 << 40),
    ],
)  # fmt: skip
def test_size(given: object, wanted: int) -> None:
    """kB, MB, GB are powers of 1000, KiB, MiB, GiB and a letter alone of 1024, as GNU tools have it; a number is bytes; None and
    0 mean no limit."""
    assert to_size("max_total_bytes", given) == wanted
    assert type(to_size("max_total_bytes", given)) is int


@pytest.mark.parametrize(
    "given",
    ["", " ", "GB", "10 G B", "10XB", "-1", "-1GB", -1, 1.5, "10%", "10GB/s", "1.2.3GB", "1,5GB", "٣GB", "10GB 5MB", "1..5GB",
     ".", math.nan, math.inf, "inf", "nan", "infGB", 10**19, "99999999999999999999", "99999999PB", "1e400", "0.5B",
     "9" * 5000 + "GB"],
)  # fmt: skip
def test_malformed_size(given: object) -> None:
    """What is not clearly a size is refused as a `ValueError` that names the parameter, the value and the remedy."""
    with pytest.raises(InvalidOption, match=r"(?s)^max_total_bytes=.*; .*10GB") as caught:
        to_size("max_total_bytes", given)
    assert not isinstance(caught.value, TypeError)


@pytest.mark.parametrize("given", [True, False, b"10GB", [], timedelta(1), 1j, object()])
def test_size_of_another_type(given: object) -> None:
    """A truth value is no size, nor is a duration."""
    with pytest.raises(InvalidOptionType, match=r"^max_total_bytes=.*10GB"):
        to_size("max_total_bytes", given)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, 0.0), (0, 0.0), ("0", 0.0), ("0d", 0.0), (timedelta(0), 0.0), (90, 90.0), (1.5, 1.5), ("90", 90.0),
        ("1e3", 1000.0),
        ("14d", 14 * 86400.0), ("14D", 14 * 86400.0), (" 14 days ", 14 * 86400.0), ("1day", 86400.0), ("2w", 14 * 86400.0),
        ("1 week", 7 * 86400.0), ("12h", 43200.0), ("1 hour", 3600.0), ("30m", 1800.0), ("30 min", 1800.0), ("2 minutes", 120.0),
        ("45s", 45.0), ("1.5d", 129600.0), ("1d12h", 129600.0), ("1d 12h 30m", 131400.0), ("0.5s", 0.5),
        (timedelta(days=14), 14 * 86400.0), (timedelta(milliseconds=1500), 1.5),
    ],
)  # fmt: skip
def test_age(given: object, wanted: float) -> None:
    """Weeks, days, hours, minutes, seconds, also one after the other; a number is seconds; None and 0 mean no limit."""
    assert to_age("max_age", given) == wanted
    assert type(to_age("max_age", given)) is float


@pytest.mark.parametrize(
    "given",
    ["", " ", "d", "14x", "14 d d", "-1d", -1, -0.5, timedelta(-1), math.nan, math.inf, "inf", "nan", "1mo", "1y", "1 month",
     "1,5d", "14d!", "d14", "12:30", "P14D", "14d 3", "3 14d", "1h1d", "1d1d", "٣d", "9" * 5000 + "d", 10**19,
     "99999999999999999w", "1e400"],
)  # fmt: skip
def test_malformed_age(given: object) -> None:
    """What is not clearly an age is refused: also months and years, which are no fixed number of days."""
    with pytest.raises(InvalidOption, match=r"(?s)^max_age=.*; .*14d") as caught:
        to_age("max_age", given)
    assert not isinstance(caught.value, TypeError)


@pytest.mark.parametrize("given", [True, False, b"14d", [], 1j, object()])
def test_age_of_another_type(given: object) -> None:
    """A truth value is no age."""
    with pytest.raises(InvalidOptionType, match=r"^max_age=.*14d"):
        to_age("max_age", given)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1500, "1.5 kB"), (999_950, "1 MB"), (10 * 10**9, "10 GB"),
     (5 * 10**18, "5000 PB"), (1_234_567_890, "1.2 GB")],
)  # fmt: skip
def test_size_is_shown(size: int, wanted: str) -> None:
    """Rounded to a tenth, in the unit that fits."""
    assert show_size(size) == wanted


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        (0, "0 s"),
        (59.96, "1 min"),
        (0.5, "0.5 s"),
        (90, "1.5 min"),
        (3600, "1 h"),
        (86400 * 14, "14 d"),
        (86400 * 15.25, "15.2 d"),
    ],
)
def test_age_is_shown(seconds: float, wanted: str) -> None:
    """Rounded to a tenth, in the unit that fits."""
    assert show_age(seconds) == wanted
