"""Configuration in the documentation, read by what reads it."""

from __future__ import annotations

import configparser
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Missing", "Refused", "read"]

Reader = Callable[[str, str], object]


class Missing(Exception):
    """What reads it is not installed."""


class Refused(Exception):
    """What reads it does not understand it."""


def read(language: str, text: str, title: str) -> None:
    """Have it read.

    Raises:
        Missing: there is no reader here.
        Refused: it is wrong.
    """
    if language not in _READERS:
        raise Missing(f"no reader for {language}")
    try:
        _READERS[language](text, title)
    except Missing:
        raise
    except Exception as error:
        raise Refused(f"{type(error).__name__}: {error}") from error


def _tool(name: str, *words: str) -> list[str]:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        raise Missing(f"not installed: {name}")
    return [found, *words]


def _run(command: list[str], text: str, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_text(text, encoding="utf-8")
        done = subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _toml(text: str, _title: str) -> object:
    if sys.version_info < (3, 11):
        raise Missing("not in Python 3.10: tomllib")
    import tomllib

    return tomllib.loads(text)


def _ini(text: str, title: str) -> object:
    """A unit of systemd's, uWSGI's own, or a configuration of `logging`."""
    if title.endswith((".service", ".timer", ".socket")):
        return _unit(text, title)
    parser = configparser.RawConfigParser(strict=not title.endswith("uwsgi.ini"))
    parser.read_string(text)
    if "loggers" in parser:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "logging.ini")
            path.write_text(text, encoding="utf-8")
            subprocess.run(
                [sys.executable, "-c", f"import logging.config; logging.config.fileConfig({str(path)!r})"], cwd=folder, check=True
            )
    return parser


def _unit(text: str, title: str) -> None:
    """What systemd says of it. Programs and users that are not on this machine are put aside."""
    lines = [line for line in text.splitlines() if not line.startswith(("User=", "Group="))]
    lines = [f"{line.partition('=')[0]}=/bin/true" if line.startswith("Exec") else line for line in lines]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, Path(title).name)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        done = subprocess.run(
            [*_tool("systemd-analyze", "verify", "--man=no"), str(path)], capture_output=True, text=True, timeout=60, check=False
        )
    told = [
        line
        for line in (done.stdout + done.stderr).splitlines()
        if path.name in line and ("nknown" in line or "nvalid" in line or "ailed to parse" in line)
    ]
    assert told == []


def _yaml(text: str, _title: str) -> object:
    """Objects of Kubernetes' are held against its schemas."""
    if importlib.util.find_spec("yaml") is None:
        raise Missing("not installed: PyYAML")
    import yaml

    documents: list[Any] = list(yaml.safe_load_all(text))
    if any("apiVersion" in one for one in documents):
        if importlib.util.find_spec("kubernetes_validate") is None:
            raise Missing("not installed: kubernetes-validate")
        import kubernetes_validate

        for one in documents:
            kubernetes_validate.validate(one, "1.30", strict=True)
    return documents


def _dockerfile(text: str, _title: str) -> object:
    if importlib.util.find_spec("dockerfile_parse") is None:
        raise Missing("not installed: dockerfile-parse")
    from dockerfile_parse import DockerfileParser

    known = {
        "FROM",
        "RUN",
        "COPY",
        "WORKDIR",
        "USER",
        "ENV",
        "VOLUME",
        "CMD",
        "ENTRYPOINT",
        "EXPOSE",
        "ARG",
        "STOPSIGNAL",
        "COMMENT",
    }
    with tempfile.TemporaryDirectory() as folder:
        parser = DockerfileParser(folder)
        parser.content = text
        found = {step["instruction"] for step in parser.structure}
    assert found <= known, found
    assert "FROM" in found
    return found


def _conf(text: str, title: str) -> object:
    """By the name of the file."""
    if "logrotate" in title:
        return _run(_tool("logrotate", "-d"), text, "logrotate.conf")
    if "syslog-ng" in title:
        return _run(_tool("syslog-ng", "--syntax-only", "--no-caps", "-f"), text, "syslog-ng.conf")
    if "rsyslog" in title:
        return _run(_tool("rsyslogd", "-N1", "-f"), text, "rsyslog.conf")
    raise Missing(f"nobody reads {title or 'a file without a title'}")


_READERS: dict[str, Reader] = {
    "toml": _toml,
    "ini": _ini,
    "yaml": _yaml,
    "json": lambda text, _title: json.loads(text),
    "dockerfile": _dockerfile,
    "conf": _conf,
}
