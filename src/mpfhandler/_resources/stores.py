"""Which store the URL of an archive means, and whether what it needs is installed.

obstore and fsspec are extras of this package and are imported in `store_object` and `store_fsspec` alone, in the helper process
(see `_protocols/archive.py`).
"""

from __future__ import annotations

from .._platform import Operations
from .._platform.helper import module_exists
from .._pure.errors import InvalidOption
from .._pure.target import OBJECT_STORES, Target, parse_target
from .importing import importing
from .store import Store

__all__ = ["needs_helper", "open_store", "to_archive"]

_S3 = "pip install 'mpfhandler[s3]'"
_FSSPEC = "pip install 'mpfhandler[fsspec]'"


def needs_helper(target: Target) -> bool:
    """Whether it is spoken to by a library of somebody else's, which has threads of its own."""
    return target.scheme != "file"


def open_store(ops: Operations, target: Target) -> Store:
    """The store of a URL; nothing is asked of it yet.

    Raises:
        OSError: a library that it needs is missing or does not take the settings.
    """
    if target.scheme == "file":
        from .store_folder import FolderStore

        return FolderStore(ops, target.place[1:] if ops.forbidden and target.place[2:3] == ":" else target.place)  # "/C:/archive"
    if target.scheme in OBJECT_STORES:
        from .store_object import ObjectStore

        return ObjectStore(target)
    from .store_fsspec import FsspecStore

    return FsspecStore(target)


def to_archive(parameter: str, value: object) -> str | None:
    """The URL of an archive, checked, without a slash at its end; None for None and for an empty text.

    Raises:
        InvalidOption, InvalidOptionType: it is no such URL, nobody knows its scheme, or a library is missing; the message has the
            command that installs it.
    """
    if value is None or value == "":
        return None
    target = parse_target(parameter, value)
    if target.scheme in OBJECT_STORES:
        if not module_exists("obstore"):
            raise InvalidOption(parameter, target.url, f"{target.scheme}:// needs the library obstore", f"run {_S3}")
    elif target.scheme != "file":
        _check_fsspec(parameter, target)
    return target.url


def _check_fsspec(parameter: str, target: Target) -> None:
    if not module_exists("fsspec"):
        schemes = ", ".join(f"{scheme}://" for scheme in ("file", *OBJECT_STORES))
        remedy = f"use one of {schemes}, or run {_FSSPEC} for a scheme that fsspec knows"
        raise InvalidOption(
            parameter, target.url, f"the scheme {target.scheme!r} is not known without the library fsspec", remedy
        )
    from .store_fsspec import find_class

    with importing():
        known, wanted = find_class(target.scheme)
    if not known:
        raise InvalidOption(parameter, target.url, f"the scheme {target.scheme!r} is not known to fsspec either", _known())
    if wanted and not module_exists(wanted):
        problem = f"{target.scheme}:// needs the library {wanted} beside fsspec"
        raise InvalidOption(parameter, target.url, problem, f"install what provides it, such as by pip install {wanted}")


def _known() -> str:
    return f"use one of {', '.join(f'{scheme}://' for scheme in ('file', *OBJECT_STORES))}, or one of fsspec's"
