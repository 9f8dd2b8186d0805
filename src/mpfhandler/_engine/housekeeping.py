"""The parameters of housekeeping, checked: what is done to closed segments, and by which rules they are deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypedDict

from .._pure.convert import to_flag
from .._pure.errors import InvalidOption
from .._pure.options import Archive, Compression, Options, to_compression, to_fsync, to_retention
from .._resources.dotted import to_function
from .._resources.extras import check_method
from .._resources.importing import importing

__all__ = ["NONE", "HousekeepingParameters", "with_housekeeping"]


class HousekeepingParameters(TypedDict):
    """What a user may set, unchecked."""

    compress: object
    compress_level: object
    compress_delay: object
    max_age: object
    max_total_bytes: object
    min_free_bytes: object
    on_seal: object
    fsync: object
    archive: object
    archive_delete: object
    rotate_idle: object


# The defaults: nothing is done.
NONE = HousekeepingParameters(
    compress=None, compress_level=None, compress_delay=300.0, max_age=None, max_total_bytes=None, min_free_bytes=None,
    on_seal=None, fsync="never", archive=None, archive_delete=False, rotate_idle=False,
)  # fmt: skip


def with_housekeeping(options: Options, given: Mapping[str, object]) -> Options:
    """The same options with those of housekeeping.

    Args:
        options: the others.
        given: `HousekeepingParameters`, perhaps among others.

    Raises:
        InvalidOption, InvalidOptionType: name the parameter, its value and the remedy.
    """
    return replace(
        options,
        compression=_compression(given["compress"], given["compress_level"], given["compress_delay"]),
        retention=to_retention(given["max_age"], given["max_total_bytes"], given["min_free_bytes"]),
        on_seal=to_function("on_seal", given["on_seal"], "package.module.function"),
        fsync=to_fsync(given["fsync"]),
        archive=_archive(given["archive"], given["archive_delete"]),
        rotate_idle=to_flag("rotate_idle", given["rotate_idle"]),
    )


def _compression(method: object, level: object, delay: object) -> Compression:
    compression = to_compression(method, level, delay)
    if compression.method is not None:
        check_method("compress", compression.method)
    return compression


def _archive(url: object, delete: object) -> Archive:
    remove = to_flag("archive_delete", delete)
    where: str | None = None
    if url is not None:
        with importing():
            from .._resources.stores import to_archive  # only a log that is archived pays for it
        where = to_archive("archive", url)
    if remove and where is None:
        remedy = 'set archive="s3://bucket/prefix" or "file:///folder", or leave it out'
        raise InvalidOption("archive_delete", delete, "there is no archive that the segments would be in", remedy)
    return Archive(where, remove)
