"""URLs of archives, keys of objects, and what of a cause may be logged."""

from __future__ import annotations

import os
from itertools import islice
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpfhandler._pure.errors import InvalidOption, InvalidOptionType
from mpfhandler._pure.target import Target, candidates, key_part, masked, parse_target


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("s3://bucket", Target("s3://bucket", "s3", "bucket", "")),
        ("S3://bucket/a/b/", Target("s3://bucket/a/b", "s3", "bucket", "a/b")),
        ("gs://b-1/p", Target("gs://b-1/p", "gs", "b-1", "p")),
        ("az://container/p", Target("az://container/p", "az", "container", "p")),
        ("file:///mnt/archive/", Target("file:///mnt/archive", "file", "/mnt/archive", "")),
        ("file://localhost/mnt/a%20b", Target("file:///mnt/a%20b", "file", "/mnt/a b", "")),
        ("sftp://user@host/logs/", Target("sftp://user@host/logs", "sftp", "", "")),
    ],
)
def test_what_a_url_means(url: str, target: Target) -> None:
    """Scheme, bucket or folder, and prefix; without slashes at the end."""
    assert parse_target("archive", url) == target


@pytest.mark.parametrize(
    "url",
    [
        "/mnt/archive", "bucket/prefix", "s3:/bucket", "://x", "s3://", "s3:///prefix", "s3://-b/p", "s3://b c/p", "s3://b/p?x=1",
        "s3://b/p#x", "s3://b/a//b", "s3://b/../c", "s3://b/./c", "s3://b\\c/d", "s3://b/\x00", "file://", "file:///",
        "file://host/mnt", "file:///a/../b", "file:///a/%2E%2E/b", "file:///a%00b", "file:mnt", "1x://b/c", "sftp://", "s3://user@b/p",
    ],
)  # fmt: skip
def test_what_is_no_url_of_an_archive(url: str) -> None:
    """The message names the parameter and what to write instead."""
    with pytest.raises(InvalidOption, match=r"^archive=.*; use ") as caught:
        parse_target("archive", url)
    assert caught.value.parameter == "archive"


@pytest.mark.parametrize("value", [7, b"s3://bucket", ["s3://bucket"]])
def test_what_is_no_text(value: object) -> None:
    """A type error, which is an `InvalidOption` all the same."""
    with pytest.raises(InvalidOptionType, match="archive="):
        parse_target("archive", value)


@pytest.mark.parametrize("url", ["s3://AKIA:hunter2@bucket/p", "sftp://me:hunter2@host/x", "nonsense://me:hunter2@ho st/ ?"])
def test_a_password_is_refused_and_not_shown(url: str) -> None:
    """Neither in the text nor in the error's value."""
    with pytest.raises(InvalidOption) as caught:
        parse_target("archive", url)
    assert "hunter2" not in f"{caught.value} {caught.value.value}"
    assert "***" in str(caught.value)


@pytest.mark.skipif(os.sep != "/", reason="on Windows a name is text, not bytes")
@given(st.lists(st.binary(min_size=1, max_size=12), min_size=2, max_size=2, unique=True))
def test_different_names_are_different_keys(names: list[bytes]) -> None:
    """Every file name can be read back from its key, which is plain ASCII without a slash and never `.` or `..`."""
    parts = [key_part(name.decode("utf-8", "surrogateescape")) for name in names]
    assert parts[0] != parts[1]
    for name, part in zip(names, parts, strict=True):
        assert unquote_to_bytes(part) == name
        assert part.isascii()
        assert "/" not in part
        assert part not in {".", ".."}


def test_names_that_are_tried() -> None:
    """The own one, then the next numbers, before the compression's ending."""
    first = list(islice(candidates("app.log.2026-10-25_02.gz", 0, "gz"), 3))
    assert first == [f"app.log.2026-10-25_02{number}.gz" for number in ("", ".1", ".2")]
    numbered = list(islice(candidates("app.log.2026-10-25_02.7", 7, ""), 3))
    assert numbered == [f"app.log.2026-10-25_02.{number}" for number in (7, 8, 9)]
    altered = list(islice(candidates("old-app.log", 3, ""), 2))
    assert altered == ["old-app.log", "old-app.log.4"]
    assert len(set(candidates("x", 0, ""))) == 1000


def test_what_is_masked() -> None:
    """Secrets by value, signatures in URLs and in what S3 answers; one line; a library's debugging text is left out."""
    text = (
        "PUT http://h/b?X-Amz-Signature=abcdef&X-Amz-Credential=AKIAX%2F1&partNumber=1 with wJalrXUt\n"
        "<AWSAccessKeyId>AKIAY</AWSAccessKeyId><Code>SignatureDoesNotMatch</Code> sig=zzz\n\nDebug source:\nmore"
    )
    shown = masked(text, ["wJalrXUt"])
    for secret in ("abcdef", "AKIAX", "AKIAY", "wJalrXUt", "zzz", "more", "\n"):
        assert secret not in shown
    assert "partNumber=1" in shown
    assert "SignatureDoesNotMatch" in shown
    assert len(masked("x" * 5000, [])) < 600
    assert masked("abcdef abc", ["abc", "abcdef"]) == "*** ***"
