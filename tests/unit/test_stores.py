"""Which library the URL of an archive needs, told at construction."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from mpfhandler._platform import OPERATIONS
from mpfhandler._platform.helper import module_exists
from mpfhandler._pure.errors import InvalidOption
from mpfhandler._pure.target import parse_target
from mpfhandler._resources import store_fsspec, store_object, stores
from mpfhandler._resources.content import Content
from mpfhandler._resources.stores import open_store, to_archive


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("s3://bucket/p", r"s3:// needs the library obstore; run pip install 'mpfhandler\[s3\]'"),
        ("gs://bucket/p", "needs the library obstore"),
        ("sftp://host/p", r"'sftp' is not known without .*; .*pip install 'mpfhandler\[fsspec\]'"),
    ],
)
def test_missing_libraries(url: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to run is told at construction; a folder needs none."""
    monkeypatch.setattr(stores, "module_exists", lambda _name: False)
    with pytest.raises(InvalidOption, match=problem):
        to_archive("archive", url)
    assert to_archive("archive", "file:///mnt/archive/") == "file:///mnt/archive"
    assert to_archive("archive", None) is None
    assert to_archive("archive", "") is None


class Modules:
    """Stands for `importlib`: what is not told of is missing."""

    def __init__(self, **known: Any) -> None:
        self.known = known

    def import_module(self, name: str) -> Any:
        """Of the ones that were told of."""
        found = self.known.get(name.replace(".", "_"))
        if found is None:
            raise ImportError(f"No module named {name!r}")
        return found


REGISTRY = SimpleNamespace(
    registry={"mem": object},
    known_implementations={
        "sftp": {"class": "fsspec.implementations.sftp.SFTPFileSystem"},
        "local": {"class": "fsspec.implementations.local.LocalFileSystem"},
        "adl": {"class": "adlfs.AzureDatalakeFileSystem"},
    },
)


@pytest.mark.parametrize(
    ("url", "there", "problem"),
    [
        ("nonsense://x/y", {"fsspec"}, "is not known to fsspec either; use one of file://, s3://"),
        ("sftp://host/logs", {"fsspec"}, "needs the library paramiko beside fsspec; install .*pip install paramiko"),
        ("adl://x/y", {"fsspec"}, "needs the library adlfs"),
        ("sftp://host/logs", {"fsspec", "paramiko"}, None),
        ("local:///x", {"fsspec"}, None),
        ("mem://x", {"fsspec"}, None),
        ("s3://bucket", {"obstore"}, None),
    ],
)
def test_schemes(url: str, there: set[str], problem: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsspec's own, those of another library, one that was registered by hand, and an unknown one."""
    monkeypatch.setattr(stores, "module_exists", lambda name: name in there)
    monkeypatch.setattr(store_fsspec, "importlib", Modules(fsspec_registry=REGISTRY))
    if problem is None:
        assert to_archive("archive", url) == url
        return
    with pytest.raises(InvalidOption, match=problem):
        to_archive("archive", url)


def test_libraries_that_have_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removed since the program began: an `OSError` like any other failure, with the command that installs it."""
    monkeypatch.setattr(store_object, "importlib", Modules())
    monkeypatch.setattr(store_fsspec, "importlib", Modules())
    with pytest.raises(OSError, match=r"pip install 'mpfhandler\[s3\]'"):
        open_store(OPERATIONS, parse_target("archive", "s3://bucket"))
    with pytest.raises(OSError, match=r"fsspec\.core"):
        open_store(OPERATIONS, parse_target("archive", "sftp://host/x"))


class Panic(BaseException):
    """What a library in Rust raises when it is at its end: no `Exception`."""


class AlreadyExistsError(Exception):
    """obstore's, which is no `FileExistsError`."""


class UnauthenticatedError(Exception):
    """obstore's."""


class Obs:
    """Stands for obstore, with stores that fail as they are told to."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.S3Store = self.GCSStore = self.AzureStore = self._store

    def _store(self, place: str, **options: Any) -> str:
        self.asked.append((place, options))
        return place

    def head(self, *_: object) -> None:
        """Fails."""
        raise self.error or AssertionError

    get = put = head


RAISED = [(Panic("it panicked"), OSError), (RuntimeError("x"), OSError), (PermissionError("no"), PermissionError)]
RAISED += [(AlreadyExistsError("taken"), FileExistsError), (UnauthenticatedError("who"), PermissionError)]


@pytest.mark.parametrize(("error", "kind"), RAISED)
def test_whatever_obstore_raises(error: BaseException, kind: type[OSError], monkeypatch: pytest.MonkeyPatch) -> None:
    """An `OSError`, a panic included; what is missing is no failure."""
    obs = Obs(error)
    monkeypatch.setattr(store_object, "importlib", Modules(obstore=obs, obstore_store=obs))
    store = store_object.ObjectStore(parse_target("archive", "gs://bucket/p"))
    with pytest.raises(kind, match=str(error)):
        store.facts("key")
    with pytest.raises(kind):
        list(store.blocks("key"))
    obs.error = FileNotFoundError("key")
    assert store.facts("key") is None


@pytest.mark.parametrize(("endpoint", "plain"), [("http://127.0.0.1:9000", True), ("https://host", False), (None, False)])
def test_plain_http(endpoint: str | None, plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where the environment names an endpoint without encryption."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    obs = Obs()
    monkeypatch.setattr(store_object, "importlib", Modules(obstore=obs, obstore_store=obs))
    store_object.ObjectStore(parse_target("archive", "az://box/some/prefix"))
    ((place, options),) = obs.asked
    assert (place, options["prefix"], options["client_options"]["allow_http"]) == ("box", "some/prefix", plain)


def test_which_modules_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an import of them; one that was put in place by hand, without the usual facts of a module, counts."""
    monkeypatch.delitem(sys.modules, "mailbox", raising=False)
    assert module_exists("mailbox")
    assert "mailbox" not in sys.modules
    assert not module_exists("no_such_module_anywhere")
    assert not module_exists("no_such_module_anywhere.inside")
    monkeypatch.setitem(sys.modules, "made_by_hand", SimpleNamespace(__spec__=None))  # type: ignore[arg-type]
    assert module_exists("made_by_hand")


class Cluster:
    """A file system of fsspec's kind, in memory."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def makedirs(self, _folder: str, exist_ok: bool) -> None:
        assert exist_ok

    def open(self, path: str, _mode: str) -> io.BytesIO:
        made = io.BytesIO()
        made.close = lambda: self.files.__setitem__(path, made.getvalue())  # type: ignore[method-assign]
        return made

    def invalidate_cache(self) -> None:
        pass

    def exists(self, path: str) -> bool:
        return path in self.files

    def mv(self, source: str, target: str) -> None:
        self.files[target] = self.files.pop(source)


def test_fsspec_writes_over_nothing() -> None:
    """A file system whose `mv` writes over what is there is asked before; the other machine's file stays as it is."""
    store = store_fsspec.FsspecStore.__new__(store_fsspec.FsspecStore)
    files = {"/logs/web/app.log/1": b"theirs"}
    store._fs, store._root = Cluster(files), "/logs"
    content = Content(4, lambda: iter((b"mi", b"ne")))
    with pytest.raises(FileExistsError, match=r"^/logs/web/app.log/1$"):
        store.create("web/app.log/1", content)
    assert files["/logs/web/app.log/1"] == b"theirs"
    store.create("web/app.log/old/2", content)
    assert files == {"/logs/web/app.log/1": b"theirs", "/logs/web/app.log/old/2": b"mine"}, "what the first had left is gone"
