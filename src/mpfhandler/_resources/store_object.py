"""An archive in an object store (S3 and what speaks like it, Google, Azure), by obstore.

Credentials are the provider's usual environment's, which obstore reads by itself. Runs in the helper process alone: obstore has
threads of its own, and hangs for ever in a child that is forked after its first use (measured with 0.12).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from .._platform.helper import environment
from .._pure.target import Target
from .content import Content, part_size
from .store import Facts

__all__ = ["ObjectStore"]

_AT_ONCE = 8 << 20  # bytes: a larger object goes in parts, which no store can be told to do only where there is none yet
_CONNECT, _REQUEST = "5s", "300s"  # the latter for one part: 30 kB/s are enough
_RETRIES, _RETRYING = 2, timedelta(seconds=20)  # the housekeeper comes again by itself
_AT_A_TIME = 3  # parts in memory

# By their names: some are subclasses of these, and which ones changes with the version.
_KINDS = {
    "AlreadyExistsError": FileExistsError,
    "NotFoundError": FileNotFoundError,
    "PermissionDeniedError": PermissionError,
    "UnauthenticatedError": PermissionError,
}


class ObjectStore:
    """Objects of a bucket below the URL's prefix.

    Args:
        target: the URL.

    Raises:
        OSError: obstore is not there, or does not take the settings of the environment.
    """

    def __init__(self, target: Target) -> None:
        try:
            self._obs: Any = importlib.import_module("obstore")
            stores: Any = importlib.import_module("obstore.store")
        except ImportError as error:
            raise OSError(f"{target.url}: obstore cannot be imported ({error}); run pip install 'mpfhandler[s3]'") from None
        kind = {"s3": stores.S3Store, "gs": stores.GCSStore, "az": stores.AzureStore}[target.scheme]
        retry = {"max_retries": _RETRIES, "retry_timeout": _RETRYING}
        client = {"connect_timeout": _CONNECT, "timeout": _REQUEST, "allow_http": _plain_http(environment())}
        with _failures():
            self._store: Any = kind(target.place, prefix=target.prefix or None, client_options=client, retry_config=retry)

    def facts(self, key: str) -> Facts | None:
        """See `Store`."""
        try:
            with _failures():
                found = self._obs.head(self._store, key)
        except FileNotFoundError:
            return None
        return Facts(int(found["size"]), _bare(found["e_tag"]))

    def blocks(self, key: str) -> Iterator[bytes]:
        """See `Store`."""
        with _failures():
            for block in self._obs.get(self._store, key):
                yield bytes(block)

    def create(self, key: str, content: Content) -> None:
        """See `Store`. A killed upload in parts leaves no object; its parts are for the bucket's own rule to remove."""
        with _failures():
            if content.size <= _AT_ONCE:
                self._obs.put(self._store, key, b"".join(content.blocks()), mode="create")
                return
            parts = {"use_multipart": True, "chunk_size": part_size(content.size), "max_concurrency": _AT_A_TIME}
            self._obs.put(self._store, key, content.blocks(), **parts)


class _failures:  # noqa: N801 - reads as a statement
    """Makes an `OSError` of whatever obstore raises, a panic included, which is no `Exception`."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, (OSError, KeyboardInterrupt, SystemExit, GeneratorExit)):
            return
        raise _KINDS.get(type(error).__name__, OSError)(str(error) or type(error).__name__) from None


def _plain_http(variables: dict[str, str]) -> bool:
    """Whether the environment names an endpoint without encryption: then that is meant."""
    return any("ENDPOINT" in name and value.lower().startswith("http://") for name, value in variables.items())


def _bare(e_tag: str | None) -> str | None:
    return None if e_tag is None else e_tag.removeprefix("W/").strip('"')
