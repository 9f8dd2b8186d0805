"""Where segments are archived: the URL that a user gave, checked, and the keys of objects below it.

Objects lie under `<url>/<host>/<log>/<file name of the segment>`. What is not plain in a name of a host, a log or a file is
written as in a URL (`%20`): object stores and their tools agree on little else than letters, digits and `-_.`. Two names never
become one that way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from .errors import InvalidOption, InvalidOptionType

__all__ = ["OBJECT_STORES", "OWNER", "Target", "candidates", "key_part", "masked", "parse_target", "temporary_key"]

OBJECT_STORES = ("s3", "gs", "az")
OWNER = ".owner"  # the object that tells whose the keys beside it are
_NAMES = 1000  # that are tried for one segment
_REMEDY = "use a URL such as 's3://bucket/prefix' or 'file:///mnt/archive'"
_SAFE = "+=@:,"  # beside what `quote` always leaves
_PART = 512  # characters that a cause is told with


@dataclass(frozen=True)
class Target:
    """A checked URL.

    Attributes:
        url: without a slash at its end; never with a password.
        scheme: in lower case.
        place: the folder of `file`, the bucket or container of an object store, "" for the others.
        prefix: of the keys in an object store, without slashes around it.
    """

    url: str
    scheme: str
    place: str = ""
    prefix: str = ""


def parse_target(parameter: str, value: object) -> Target:
    """What a URL means. Nothing is looked at, so a store that is away for now is no error.

    Raises:
        InvalidOption, InvalidOptionType: it is none; the message never shows a password.
    """
    if not isinstance(value, str):
        raise InvalidOptionType(parameter, value, "is no text", _REMEDY)
    shown = _without_password(value)
    scheme, separator, rest = value.partition("://")
    scheme = scheme.lower()
    if not separator or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        raise InvalidOption(parameter, shown, "is no URL", _REMEDY)
    if shown != value:
        raise InvalidOption(parameter, shown, "has a password in it", "leave it to the store's own settings or environment")
    if re.search(r"[\x00-\x20\x7f?#\\]", value):
        raise InvalidOption(parameter, shown, "has a blank, '?', '#', a backslash or a control character in it", _REMEDY)
    if {".", ".."} & set(rest.split("/")) or "//" in rest.strip("/"):
        raise InvalidOption(parameter, shown, "has an empty part, '.' or '..' in its path", _REMEDY)
    if scheme == "file":
        return _folder(parameter, value)
    if scheme in OBJECT_STORES:
        return _bucket(parameter, value, scheme)
    if not rest.strip("/"):
        raise InvalidOption(parameter, shown, "names no place", _REMEDY)
    return Target(f"{scheme}://{rest}".rstrip("/"), scheme)


def _folder(parameter: str, value: str) -> Target:
    parts = urlsplit(value)
    folder = unquote(parts.path, errors="surrogateescape").rstrip("/")
    if parts.netloc not in {"", "localhost"} or not folder or "\0" in folder or {".", ".."} & set(folder.split("/")):
        raise InvalidOption(parameter, value, "names no folder of this machine", "use three slashes: 'file:///mnt/archive'")
    return Target(f"file://{quote(os.fsencode(folder))}", "file", folder)


def _bucket(parameter: str, value: str, scheme: str) -> Target:
    bucket, _, prefix = value.partition("://")[2].partition("/")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", bucket):
        raise InvalidOption(parameter, value, "names no bucket", f"use '{scheme}://bucket/prefix'")
    prefix = prefix.strip("/")
    return Target(f"{scheme}://{bucket}/{prefix}".rstrip("/"), scheme, bucket, prefix)


def _without_password(url: str) -> str:
    return re.sub(r"(?<=://)[^/@]*:[^/]*(?=@)", "***", url)


def key_part(name: str) -> str:
    """A name as one part of a key."""
    text = quote(os.fsencode(name), safe=_SAFE)
    return text.replace(".", "%2E") if text in {".", ".."} else text


def candidates(name: str, index: int, compression: str) -> Iterator[str]:
    """The file names that a segment may have in the archive, in the order in which they are tried: its own, then with the numbers
    that follow. An own one can be taken: an hour that clocks repeat has the same name again, once its first segment was archived
    and deleted."""
    ending = f".{compression}" if compression else ""
    stem = name.removesuffix(ending)
    number = f".{index}" if index else ""
    root = stem.removesuffix(number)
    yield name
    for following in range(index + 1, index + _NAMES):
        yield f"{root}.{following}{ending}"


def temporary_key(key: str) -> str:
    """Under which key an object of a log is written, where a store cannot make it whole in one step, before it gets its own. All
    segments of a log have the same one, which belongs to who has the lock of the log: what a killed process has left goes with
    the next one. The claim of the folder, which several machines may try to make, has another."""
    host, log, *inside = key.split("/")
    return f"{host}/{log}/.{OWNER if inside == [OWNER] else 'segment'}.tmp"


def masked(text: str, secrets: Iterable[str]) -> str:
    """A cause as it may be logged: without these secrets and without signatures in URLs, in one line, not too long."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = re.sub(r"(?i)((?:[?&;]|\b)(?:sig|signature|x-amz-[a-z-]+|token|key|password)=)[^&\s\"'<>]+", r"\1***", text)
    text = re.sub(r"(?i)(<(AWSAccessKeyId|StringToSign\w*|SignatureProvided|CanonicalRequest\w*)>)[^<]*", r"\1***", text)
    text = " ".join(text.partition("\nDebug source:")[0].split())
    return text if len(text) <= _PART else f"{text[:_PART]} …"
