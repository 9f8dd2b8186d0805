"""The client: a fixed number of answered requests over several connections, and a precise account of them.

Every try has a number of its own. A try that got the answer 200 must stand in the log; one that got no answer (a
worker was replaced under it) may or may not, and another try with a new number takes its place.
"""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Account", "Load"]


@dataclass(frozen=True)
class Account:
    """What the client knows after the last request."""

    answered: frozenset[int]
    unanswered: frozenset[int]
    workers: frozenset[int]
    seconds: float


class Load:
    """Makes requests from several threads. One lock guards every field below it."""

    def __init__(self, port: int, requests: int, connections: int = 8, rate: int = 0, first: int = 1) -> None:
        """`rate` is the most requests per second, 0 makes as many as it can; `first` is the number of the first try."""
        self._port = port
        self._seconds_each = 1 / rate if rate else 0.0
        self._first = first
        self._started = time.monotonic()
        self._requests = requests
        self._connections = connections
        self._half = threading.Event()
        self._middle_over = False
        self._numbers = itertools.count(first)
        self._lock = threading.Lock()
        self._open_tickets = requests
        self._answered: set[int] = set()
        self._unanswered: set[int] = set()
        self._workers: set[int] = set()
        self._latest = 0
        self._broken = ""

    @property
    def workers(self) -> frozenset[int]:
        """The processes that have answered so far."""
        with self._lock:
            return frozenset(self._workers)

    @property
    def latest(self) -> int:
        """The process that gave the last answer."""
        return self._latest

    @property
    def broken(self) -> str:
        """Why it has given up; empty while it has not."""
        return self._broken

    def run(self, in_the_middle: Callable[[], None] = lambda: None) -> Account:
        """Makes all requests and calls `in_the_middle` once, when half of them are answered, while the rest goes on; more
        than that are made if all are answered before it has returned.

        Raises:
            RuntimeError: the server answered something else than 200, or too many tries in all got no answer.
        """
        self._started = time.monotonic()
        threads = [threading.Thread(target=self._connection, daemon=True) for _ in range(self._connections)]
        for thread in threads:
            thread.start()
        self._half.wait()
        try:
            if not self._broken:
                in_the_middle()
        finally:
            with self._lock:
                self._middle_over = True
            for thread in threads:
                thread.join()
        if self._broken:
            raise RuntimeError(self._broken)
        seconds = time.monotonic() - self._started
        return Account(frozenset(self._answered), frozenset(self._unanswered), frozenset(self._workers), seconds)

    def _connection(self) -> None:
        connection, misses = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60), 0
        while (number := self._take()) is not None:
            due = self._started + (number - self._first) * self._seconds_each
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                connection.request("GET", f"/log/{number}")
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self._give_back(number, error)
                time.sleep(min(1.0, 0.02 * 2**misses))  # nobody may be listening while a server replaces all of its workers
                misses += 1
                continue
            misses = 0
            self._answer(number, response.status, body)
            if number % 5 == 0:
                connection.close()  # one that is kept alive would stay with its worker, and leave others without any
        connection.close()

    def _take(self) -> int | None:
        with self._lock:
            if self._broken or (self._open_tickets == 0 and self._middle_over):
                return None
            self._open_tickets = max(0, self._open_tickets - 1)
            return next(self._numbers)

    def _give_back(self, number: int, error: Exception) -> None:
        with self._lock:
            self._open_tickets += 1
            self._unanswered.add(number)
            if len(self._unanswered) > 200:
                self._give_up(f"200 requests got no answer; the last one: {error!r}")

    def _answer(self, number: int, status: int, body: bytes) -> None:
        with self._lock:
            if status != 200:
                self._give_up(f"request {number} was answered with {status}: {body[:200]!r}")
                return
            echoed, worker = body.split()
            if int(echoed) != number:
                self._give_up(f"request {number} got the answer of {int(echoed)}")
            self._answered.add(number)
            self._latest = int(worker)
            self._workers.add(self._latest)
            if len(self._answered) * 2 >= self._requests:
                self._half.set()

    def _give_up(self, reason: str) -> None:
        self._broken = self._broken or reason
        self._half.set()
