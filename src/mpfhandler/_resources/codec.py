"""The four ways to compress, as streams with one surface. Knows no files.

What is packed can be unpacked by `zcat`, `zstd -d`, `xz -d` and `bzip2 -d`. Each has a checksum of the content. All of them
let other threads run while they work on a chunk.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from struct import pack
from typing import Any, Protocol

from .importing import importing

__all__ = ["CHUNK", "MAGIC", "Malformed", "Packer", "Torn", "packer", "unpacked"]

CHUNK = 256 * 1024  # bytes that are worked on between two looks whether to stop
MAGIC = {"gz": b"\x1f\x8b\x08", "zst": b"\x28\xb5\x2f\xfd", "xz": b"\xfd7zXZ\x00", "bz2": b"BZh"}

_USUAL = {"gz": 6, "zst": 3, "xz": 6, "bz2": 9}
_UNIX = 3  # RFC 1952: the system that a file was packed on
_ZSTD = ("compression.zstd", "backports.zstd")  # of Python 3.14 and newer, and of the extra [zstd]


class Malformed(Exception):
    """What is read is no such stream, from some place on."""


class Torn(Malformed):
    """What is read is such a stream, but it ends too early."""


class Packer(Protocol):
    """Compresses one stream."""

    def compress(self, data: bytes, /) -> bytes:
        """The next chunk; gives what has come out by now, perhaps nothing."""
        ...

    def flush(self) -> bytes:
        """The rest."""
        ...


class _Unpacker(Protocol):
    """Decompresses one stream, a bounded piece at a time."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def packer(method: str, level: int | None, modified: int) -> Packer:
    """A new stream.

    Args:
        method: "gz", "zst", "xz" or "bz2".
        level: of the method's own; None is its usual one.
        modified: when the content was last written (epoch seconds), for formats that tell it.

    Raises:
        ImportError: this Python cannot do that.
    """
    level = _USUAL[method] if level is None else level
    if method == "gz":
        return _Gzip(level, modified)
    made: Packer
    if method == "zst":
        zstd = _zstd()
        names = zstd.CompressionParameter
        made = zstd.ZstdCompressor(options={names.compression_level: level, names.checksum_flag: 1})
    elif method == "xz":
        made = _import("lzma").LZMACompressor(preset=level)
    else:
        made = _import("bz2").BZ2Compressor(level)
    return made


def unpacked(method: str, read: Callable[[], bytes], most: int = CHUNK) -> Iterator[bytes]:
    """The content of a packed file in pieces of bounded size. Several streams one behind the other are one, as for the programs.

    Args:
        method: "gz", "zst", "xz" or "bz2".
        read: gives the next chunk of the file, nothing at its end; what it raises goes through.
        most: bytes in a piece. Where the file is broken, as much that could have been read is not given, nor what comes of the
            chunk of the file: small ones show all of it.

    Raises:
        Torn: after the last piece that can be read, the stream goes on and the file does not.
        Malformed: after the last piece that can be read, there is no such stream any more.
        ImportError: this Python cannot do that.
    """
    make = _unpacker(method)
    stream, data = make(), read()
    while True:
        if stream.eof:
            data = _behind_padding(method, stream.unused_data or read(), read)
            if not data:
                return
            stream = make()
        elif stream.needs_input and not data:
            raise Torn(f"the {method} stream ends too early")
        try:
            piece = stream.decompress(data, most)
        except Exception as error:  # each method has another one
            raise Malformed(f"the {method} stream is broken: {error}") from error
        if piece:
            yield piece
        data = read() if stream.needs_input and not stream.eof else b""


def _behind_padding(method: str, data: bytes, read: Callable[[], bytes]) -> bytes:
    """What comes after the zeros that may stand behind a stream: gzip passes over those at a file's end, xz over such as leave
    the next stream at a multiple of four bytes (the xz file format, section 2.2)."""
    if method not in {"gz", "xz"}:
        return data
    zeros = 0
    while data:
        rest = data.lstrip(b"\0")
        zeros += len(data) - len(rest)
        if rest:
            break
        data = read()
    if zeros and (data if method == "gz" else zeros % 4):
        raise Malformed(f"there are {zeros} zeros behind the {method} stream")
    return data.lstrip(b"\0")


class _Gzip:
    """RFC 1952 with the time of the content, which zlib's own header does not have, and without a name."""

    def __init__(self, level: int, modified: int) -> None:
        self._body = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._check = self._size = 0
        speed = {1: 4, 9: 2}.get(level, 0)
        time = modified if 0 <= modified < 1 << 32 else 0
        self._head = MAGIC["gz"] + pack("<BLBB", 0, time, speed, _UNIX)

    def compress(self, data: bytes, /) -> bytes:
        """See `Packer`."""
        self._check = zlib.crc32(data, self._check)
        self._size += len(data)
        head, self._head = self._head, b""
        return head + self._body.compress(data)

    def flush(self) -> bytes:
        """See `Packer`."""
        head, self._head = self._head, b""
        return head + self._body.flush() + pack("<LL", self._check, self._size & 0xFFFFFFFF)


class _Gunzip:
    """zlib's object with the surface of the others."""

    def __init__(self) -> None:
        self._body = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._body.eof

    @property
    def needs_input(self) -> bool:
        return not self._body.unconsumed_tail and not self._full

    @property
    def unused_data(self) -> bytes:
        return self._body.unused_data

    _full = False  # the last piece was as long as it may be: there may be more without any input

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        piece = self._body.decompress(self._body.unconsumed_tail + data, max_length)
        self._full = len(piece) == max_length
        return piece


def _unpacker(method: str) -> Callable[[], _Unpacker]:
    if method == "gz":
        return _Gunzip
    if method == "zst":
        zstd: Callable[[], _Unpacker] = _zstd().ZstdDecompressor
        return zstd
    if method == "xz":
        lzma = _import("lzma")
        return lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ)
    bz2: Callable[[], _Unpacker] = _import("bz2").BZ2Decompressor
    return bz2


def _zstd() -> Any:
    try:
        return _import(_ZSTD[0])
    except ImportError:
        return _import(_ZSTD[1])


def _import(name: str) -> Any:
    with importing():
        return import_module(name)
