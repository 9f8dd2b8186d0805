"""The other end of a shipper: counts the records that arrive, as lines by TCP, as OTLP by HTTP, or on a program's output."""

from __future__ import annotations

import gzip
import re
import socketserver
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RECORD = re.compile(rb"record (\d+)-(\d+) written at (\d+\.\d{6}) whole")


class Received:
    """What has arrived so far; any number of threads add to it.

    `_lock` guards both counts.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.records: Counter[tuple[int, int]] = Counter()  # by writer and number
        self.strange: Counter[bytes] = Counter()  # lines that are no record, or names of files that are no log

    def add(self, data: bytes, strange: list[bytes]) -> None:
        """Count the records in this piece, in which each is whole."""
        found = [(int(writer), int(number)) for writer, number, _ in RECORD.findall(data)]
        with self._lock:
            self.records.update(found)
            self.strange.update(strange)

    def add_lines(self, data: bytes) -> None:
        """The same for whole lines, of which each is one record or strange."""
        self.add(data, [line[:200] for line in data.splitlines() if line and len(RECORD.findall(line)) != 1])

    def lost(self, expected: set[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those that have not arrived."""
        with self._lock:
            return expected - self.records.keys()

    def doubled(self) -> set[tuple[int, int]]:
        """Those that have arrived more than once."""
        with self._lock:
            return {record for record, count in self.records.items() if count > 1}


class Lines:
    """A TCP server on a port of its own that takes lines, as syslog servers do."""

    def __init__(self) -> None:
        self.received = received = Received()

        class Connection(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                rest = b""
                while piece := self.request.recv(1 << 20):
                    whole, found, rest = (rest + piece).rpartition(b"\n")
                    received.add_lines(whole + found)
                received.add_lines(rest)

        self._server = _TCPServer(("127.0.0.1", 0), Connection)
        self.port = int(self._server.server_address[1])
        _begin(self._server)

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()


class _TCPServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


class Otlp:
    """An HTTP server on a port of its own that takes OTLP logs in protobuf.

    A record's body and the name of its file stand in a message as they are, so they are looked for without a decoder.
    """

    _NAME = re.compile(rb"app\.log(?:\.[-\w]+)*")
    _LOG = re.compile(rb"app\.log(\.\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(\.\d+)?)?")

    def __init__(self) -> None:
        self.received = received = Received()
        names, log = self._NAME, self._LOG

        class Request(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                data = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
                received.add(data, [name for name in names.findall(data) if not log.fullmatch(name)])
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_request(self, code: object = "-", size: object = "-") -> None:
                """No word of each request."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        _begin(self._server)

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()


def _begin(server: socketserver.BaseServer) -> None:
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
