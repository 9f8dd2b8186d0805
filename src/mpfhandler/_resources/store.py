"""What an archive needs of a place where objects are stored. `stores` tells which one a URL means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from .content import Content

__all__ = ["Facts", "Store"]


class Facts(NamedTuple):
    """What a store tells of an object without giving its content."""

    size: int  # bytes; negative for what is there and has no content, such as a folder
    e_tag: str | None = None  # without quotation marks


class Store(Protocol):
    """Objects by key, below the URL. What fails is an `OSError`."""

    def facts(self, key: str) -> Facts | None:
        """None: there is no such object."""
        ...

    def blocks(self, key: str) -> Iterator[bytes]:
        """The content of an object that is there."""
        ...

    def create(self, key: str, content: Content) -> None:
        """Make an object, whole or not at all. FileExistsError if there is one, as far as the store can tell in the same step;
        the caller has looked before."""
        ...
