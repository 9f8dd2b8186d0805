"""An archive anywhere that fsspec knows a file system for: sftp, hdfs, webdav, …

Most of these cannot create a file only where there is none, and many show a file while it is written. So it is written under a
hidden name, and moved when it is whole.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from .._pure.target import Target, temporary_key
from .content import Content
from .store import Facts

__all__ = ["FsspecStore", "find_class"]

_BLOCK = 1 << 20


class FsspecStore:
    """Objects as files of such a file system.

    Args:
        target: the URL.

    Raises:
        OSError: fsspec, or what it needs for this scheme, is not there.
    """

    def __init__(self, target: Target) -> None:
        with _failures():
            fsspec: Any = importlib.import_module("fsspec.core")
            self._fs, self._root = fsspec.url_to_fs(target.url, skip_instance_cache=True)

    def facts(self, key: str) -> Facts | None:
        """See `Store`."""
        try:
            with _failures():
                self._fs.invalidate_cache()
                found: dict[str, Any] = self._fs.info(self._path(key))
        except FileNotFoundError:
            return None
        e_tag = found.get("ETag")
        return Facts(
            int(found["size"]) if found.get("type") == "file" else -1, e_tag.strip('"') if isinstance(e_tag, str) else None
        )

    def blocks(self, key: str) -> Iterator[bytes]:
        """See `Store`."""
        with _failures(), self._fs.open(self._path(key), "rb") as file:
            while block := file.read(_BLOCK):
                yield bytes(block)

    def create(self, key: str, content: Content) -> None:
        """See `Store`. After a failure there is no such file, or the whole one; a hidden one may be left, over which the next
        one of the log is written (`temporary_key`)."""
        temporary, path = self._path(temporary_key(key)), self._path(key)
        with _failures():
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            with self._fs.open(temporary, "wb") as file:
                for block in content.blocks():
                    file.write(block)
            self._fs.invalidate_cache()
            if self._fs.exists(path):
                raise FileExistsError(path)
            self._fs.mv(temporary, path)

    def _path(self, key: str) -> str:
        return f"{self._root.rstrip('/')}/{key}"


class _failures:  # noqa: N801 - reads as a statement
    """Makes an `OSError` of whatever a file system raises."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, OSError):
            raise OSError(f"{type(error).__name__}: {error}") from None


def find_class(scheme: str) -> tuple[bool, str]:
    """Whether fsspec knows this scheme, and the library that its file system is in beside fsspec itself, "" for none."""
    registry: Any = importlib.import_module("fsspec.registry")
    made = registry.registry.get(scheme)
    if made is not None:
        return True, ""
    entry = registry.known_implementations.get(scheme)
    if entry is None:
        return False, ""
    library = str(entry["class"]).partition(".")[0]
    return True, _behind(scheme) if library == "fsspec" else library


def _behind(scheme: str) -> str:
    """What fsspec's own file systems import."""
    return {"sftp": "paramiko", "ssh": "paramiko", "http": "aiohttp", "https": "aiohttp", "smb": "smbprotocol"}.get(scheme, "")
