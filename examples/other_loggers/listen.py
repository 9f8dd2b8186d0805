"""`logging.config.listen`: a running process gets a new configuration through a socket, and goes on logging to the same file.

A configuration names what is to be called, so whoever may send one may do anything. Here `verify` lets through what has a shared
secret in front, and nothing else.
"""

from __future__ import annotations

import hmac
import json
import logging.config
import socket
import struct
import sys

from several import main, orders

SECRET = b"known to both sides"


def settings(folder: str, style: str) -> dict[str, object]:
    """A configuration as it may come from anywhere, with another format for each `style`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": f"%(created)r %(levelname)s {style} %(message)s"}},
        "handlers": {
            "file": {
                "class": "mpfhandler.MultProcTimedRotatingFileHandler",
                "filename": f"{folder}/app.log",
                "when": "S",
                "encoding": "utf-8",
                "formatter": "plain",
            }
        },
        "root": {"handlers": ["file"], "level": "INFO"},
    }


def verified(data: bytes) -> bytes | None:
    """The configuration without its secret, or None, which has it ignored."""
    secret, _, text = data.partition(b"\n")
    return text if hmac.compare_digest(secret, SECRET) else None


def send(port: int, data: bytes) -> None:
    """What another program does: the length in four bytes, then the data."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(struct.pack(">L", len(data)) + data)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)  # until the other side has done it, and closes


def work(folder: str, worker: int) -> None:
    """What one process does: it is configured anew ten times meanwhile, and once by somebody without the secret."""
    logging.config.dictConfig(settings(folder, "style-0"))
    server = logging.config.listen(0, verify=verified)
    server.start()
    server.ready.wait()
    send(server.port, b"a guess\n" + json.dumps(settings(folder, "style-of-somebody")).encode())
    for order in orders():
        logging.info("order placed worker=%d order=%d", worker, order)
        if order % 15 == 14:
            style = f"style-{order // 15 + 1}"
            send(server.port, SECRET + b"\n" + json.dumps(settings(folder, style)).encode())
    logging.config.stopListening()
    server.join()


if __name__ == "__main__":
    sys.exit(main(work))
