"""Four processes with an asyncio server each, under load from clients in the same loop: each request is logged. Meanwhile the
lag of the loop is measured: how much later than it should a sleeping task gets its turn.

It logs by turns with `logging.FileHandler` and with ours, in the same run, so that each has the same machine. Prints the lags of
all processes as JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import time
from typing import Any

import _work

CLIENTS = 8
TURN = 0.25  # seconds
STEP = 0.005  # seconds between two looks at the clock
WAYS = ("plain", *_work.LOGS)


class Service:
    """One process's server, its clients, and the lags that were seen in each way's turns."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.lags: dict[str, list[float]] = {way: [] for way in WAYS}
        self.requests = dict.fromkeys(WAYS, 0)
        self.writers = {log: _work.Writer(log, kind="loop") for log in _work.LOGS}
        self.way = WAYS[0]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Each line is a request, and is logged."""
        plain = logging.getLogger("plain")
        while line := await reader.readline():
            if self.way == "plain":
                plain.info("%s %d %s", os.getpid(), self.requests["plain"], "x" * 60)
            else:
                self.writers[self.way].log()
            self.requests[self.way] += 1
            writer.write(line)
            await writer.drain()
        writer.close()

    async def ask(self, port: int) -> None:
        """One client, that asks as fast as it is answered, but for a pause."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.time() < self.until:
            writer.write(b"a request\n")
            await reader.readline()
            await asyncio.sleep(_work.PAUSE)
        writer.close()

    async def look(self) -> None:
        """Measures, and changes the way when its turn is over. The looks of the first moments are the start's."""
        loop = asyncio.get_running_loop()
        while time.time() < self.until:
            self.way = WAYS[int(time.time() / TURN) % len(WAYS)]
            before, way = loop.time(), self.way
            await asyncio.sleep(STEP)
            self.lags[way].append(loop.time() - before - STEP)

    async def run(self) -> None:
        """All of it."""
        server = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            await asyncio.gather(self.look(), *(self.ask(port) for _ in range(CLIENTS)))


def serve(results: Any) -> None:
    """One process."""
    service = Service(_work.until())
    asyncio.run(service.run())
    results.put((service.lags, service.requests))


def main() -> None:
    """The handlers are made before the fork."""
    _work.configure()
    plain = logging.FileHandler(_work.path("plain"))
    plain.setFormatter(logging.Formatter(_work.FORMAT))
    _work.logger("plain", plain)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    processes = [context.Process(target=serve, args=(results,)) for _ in range(_work.WORKERS)]
    for one in processes:
        one.start()
    found = [results.get() for _ in processes]
    for one in processes:
        one.join()
    together = {way: sorted(lag for lags, _ in found for lag in lags[way]) for way in WAYS}
    _work.say(json.dumps({"lags": together, "requests": {way: sum(counts[way] for _, counts in found) for way in WAYS}}))


if __name__ == "__main__":
    main()
