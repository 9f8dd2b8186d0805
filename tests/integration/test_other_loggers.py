"""The programs of examples/other_loggers: structlog, loguru, python-json-logger, a queue, `listen`, OpenTelemetry.

All are started at once, each into a folder of its own, and then read one by one.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

import mpfhandler

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "other_loggers"
WORKERS, ORDERS = 3, 150
NEEDED = {
    "structlog_to_handler": ["structlog"],
    "structlog_to_file": ["structlog"],
    "loguru_to_handler": ["loguru"],
    "loguru_to_file": ["loguru"],
    "json_logger": ["pythonjsonlogger"],
    "queue_listener": [],
    "listen": [],
    "opentelemetry_fields": ["opentelemetry.sdk", "opentelemetry.instrumentation.logging"],
}
SEGMENT = re.compile(r"app\.log\.\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d")
Line = tuple[int, int, float | None]  # worker, order, time where the line tells it to the millisecond


def is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """The folder of each example's log, once it has ended well and without a word."""
    running: dict[str, tuple[Path, subprocess.Popen[str]]] = {}
    for name, modules in NEEDED.items():
        if all(map(is_there, modules)):
            folder = tmp_path_factory.mktemp(name)
            command = [sys.executable, str(EXAMPLES / f"{name}.py"), str(folder)]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
            running[name] = folder, subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload]

    def folder_of(name: str) -> Path:
        missing = [module for module in NEEDED[name] if not is_there(module)]
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")
        folder, process = running[name]
        output, _ = process.communicate(timeout=120)
        assert (process.returncode, output) == (0, "")
        return folder

    yield folder_of
    for _, process in running.values():
        process.kill()
        process.communicate()


def as_json(line: str) -> Line:
    """Events of structlog, and its rendering of a record of `logging`."""
    found = json.loads(line)
    assert found["level"] == "info"
    moment = datetime.fromisoformat(found["timestamp"].replace("Z", "+00:00")).timestamp()
    told = re.fullmatch(r"order placed by worker (\d+), order (\d+)", found["event"])
    if told:
        return int(told[1]), int(told[2]), moment
    assert found["event"] == "order placed"
    return found["worker"], found["order"], moment


def as_loguru(line: str) -> Line:
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) INFO order placed worker=(\d+) order=(\d+)", line)
    assert found, line
    return int(found[2]), int(found[3]), datetime.fromisoformat(found[1]).timestamp()


def as_loguru_json(line: str) -> Line:
    found = json.loads(line)
    assert found["text"] == "order placed\n"
    extra = found["record"]["extra"]
    return extra["worker"], extra["order"], found["record"]["time"]["timestamp"]


def as_json_logger(line: str) -> Line:
    found = json.loads(line)
    assert set(found) == {"time", "level", "process", "message", "worker", "order"}
    assert (found["message"], found["level"]) == ("order placed", "INFO")
    return found["worker"], found["order"], datetime.strptime(found["time"], "%Y-%m-%d %H:%M:%S,%f").timestamp()


def as_queued(line: str) -> Line:
    found = re.fullmatch(r"(\d+\.\d+) INFO MainThread order placed worker=(\d+) order=(\d+)", line)
    assert found, line
    return int(found[2]), int(found[3]), float(found[1])


def as_listened(line: str) -> Line:
    found = re.fullmatch(r"(\d+\.\d+) INFO style-(\d+) order placed worker=(\d+) order=(\d+)", line)
    assert found, line
    assert int(found[2]) == int(found[4]) // 15, "the configuration of that moment"
    return int(found[3]), int(found[4]), float(found[1])


def as_traced(line: str) -> Line:
    found = re.fullmatch(
        r"(\d+\.\d+) INFO trace_id=([0-9a-f]{32}) span_id=([0-9a-f]{16}) sampled=True service=shop "
        r"order placed worker=(\d+) order=(\d+) ([0-9a-f]{32}) ([0-9a-f]{16})",
        line,
    )
    assert found, line
    assert (found[2], found[3]) == (found[6], found[7]), "the span that the record was made in"
    return int(found[4]), int(found[5]), float(found[1])


READERS: dict[str, Callable[[str], Line]] = {
    "structlog_to_handler": as_json,
    "structlog_to_file": as_json,
    "loguru_to_handler": as_loguru,
    "loguru_to_file": as_loguru_json,
    "json_logger": as_json_logger,
    "queue_listener": as_queued,
    "listen": as_listened,
    "opentelemetry_fields": as_traced,
}
# Where the file is chosen by the very time that the line tells. The others look at the clock a moment before the handler does.
SAME_CLOCK = {"json_logger", "queue_listener", "listen", "opentelemetry_fields"}


def check(folder: Path, reader: Callable[[str], Line], slack: float) -> None:
    """Each order once, each line whole and in the file of its second, at least one rotation, and no other files."""
    found: Counter[tuple[int, int]] = Counter()
    names = {path.name for path in folder.iterdir()}
    segments = {name for name in names if SEGMENT.fullmatch(name)}
    assert names == segments | {"app.log", "app.log.lock"}
    assert segments
    for name in sorted(names - {"app.log.lock"}):
        text = (folder / name).read_text(encoding="utf-8")
        assert text.endswith("\n")
        for line in text.splitlines():
            worker, order, moment = reader(line)
            found[worker, order] += 1
            if name in segments and moment is not None:
                start = datetime.strptime(name.removeprefix("app.log."), "%Y-%m-%d_%H-%M-%S").timestamp()
                assert start - slack <= moment < start + 1, (name, line)
    assert found == Counter((worker, order) for worker in range(WORKERS) for order in range(ORDERS))


@pytest.mark.parametrize("name", list(NEEDED))
def test_an_order_a_line(name: str, folders: Callable[[str], Path]) -> None:
    """P1, P2: 450 orders of three processes, in the shape that this logger gives them, over at least one rotation."""
    check(folders(name), READERS[name], slack=0.0 if name in SAME_CLOCK else 0.5)


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_a_queue_by_dict_config(version: str, tmp_path: Path) -> None:
    """The form that dictConfig has from Python 3.12 on, by each such interpreter that is found."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    program = next(map(str, root.glob(f"{version}.*/bin/python")), None) or shutil.which(f"python{version}")
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        program = sys.executable
    if program is None:
        pytest.skip(f"not installed: Python {version}")
    environment = {**os.environ, "PYTHONPATH": str(Path(mpfhandler.__file__).parents[1])}
    command = [program, "-W", "error", str(EXAMPLES / "queue_listener.py"), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    check(tmp_path, as_queued, 0.0)


def test_every_program_is_run() -> None:
    """No example without a test."""
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*NEEDED, "several"}


def plant(folder: Path, lines: dict[str, list[str]]) -> None:
    for name, texts in {"app.log.lock": [], **lines}.items():
        (folder / name).write_text("".join(f"{text}\n" for text in texts))


def test_the_check_finds_what_is_wrong(tmp_path: Path) -> None:
    """A whole log passes; with an order lost, doubled, in the wrong file, or with a file too many it does not."""
    stamp = datetime(2026, 11, 23, 16, 0, 5, tzinfo=timezone.utc).timestamp()
    local = f"app.log.{datetime.fromtimestamp(stamp):%Y-%m-%d_%H-%M-%S}"
    lines = [f"{stamp + 0.5!r} INFO MainThread order placed worker={w} order={o}" for w in range(WORKERS) for o in range(ORDERS)]
    plant(tmp_path, {local: lines[:200], "app.log": lines[200:]})
    check(tmp_path, as_queued, 0.0)
    later = f"{stamp + 1!r} INFO MainThread order placed worker=0 order=0"
    for wrong in (lines[1:200], [*lines[:200], lines[0]], [later, *lines[1:200]], [lines[0] + lines[1], *lines[2:200]]):
        plant(tmp_path, {local: wrong})
        with pytest.raises(AssertionError):
            check(tmp_path, as_queued, 0.0)
    plant(tmp_path, {local: lines[:200], "app.log.1": []})
    with pytest.raises(AssertionError):
        check(tmp_path, as_queued, 0.0)
