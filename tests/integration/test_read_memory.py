"""What the reading commands need in memory for a log of generated lines in compressed segments: under 64 MiB, whatever is asked.

The log has 300 MB of content; in `nox -s proof`, which prints what was measured, more than 10 GB.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

PROOF = os.environ.get("MPFHANDLER_PROOF", "") not in {"", "0"}
SECONDS = 3600 if PROOF else 300  # that one command may take
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * SECONDS)]

HOURS, MEGABYTES = range(10, 16), 1700 if PROOF else 50  # segments; of each, unpacked
LINE, MOST = 128, 64 << 10  # bytes; KiB
LINES = (1 << 20) // LINE  # in a block
WAYS: list[tuple[list[str], int]] = [
    (["cat", "--grep", "needle"], len(HOURS)),
    (["cat", "--grep", "FATAL|needle", "--since", "2026-11-23 12:00"], len(HOURS) - 2),
    (["tail", "-n", "1000"], 1000),
    (["ls", "--json"], 0),
]
ENVIRONMENT = {**os.environ, "TZ": "UTC"}
# A process of its own, for a fork of the test's counts the test's memory. What the command prints goes to its standard output.
MEASURED = """
import resource, subprocess, sys
code = subprocess.run([sys.executable, "-m", "mpfhandler", *sys.argv[1:]]).returncode
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(code, most // 1024 if sys.platform == "darwin" else most, file=sys.stderr)
"""


def block(hour: int) -> bytes:
    """A mebibyte of lines of that hour, each of its own content; of 10 GB, lest they fill the disk, one of a few."""
    numbers = random.Random(hour)
    head = f"2026-11-23 {hour}:30:00,000 INFO "
    width = LINE - len(head) - 1
    lines = [f"{head}{numbers.getrandbits(4 * width):0{width}x}\n" for _ in range(64 if PROOF else LINES)]
    return "".join(numbers.choices(lines, k=LINES) if PROOF else lines).encode()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its segments are made of a block that is packed once, one of them of a single stream; each has one line to be found at its
    end."""
    log = tmp_path_factory.mktemp("log") / "app.log"
    for hour in HOURS:
        content, last = block(hour), f"2026-11-23 {hour}:45:00,000 INFO needle\n".encode()
        with log.with_name(f"app.log.2026-11-23_{hour}.gz").open("wb") as out:
            if hour == HOURS[0]:
                stream = zlib.compressobj(1, wbits=31)
                for _ in range(MEGABYTES):
                    out.write(stream.compress(content[: 1 << 14] * 64))
                out.write(stream.compress(last) + stream.flush())
            else:
                packed = gzip.compress(content, 1)
                for _ in range(MEGABYTES):
                    out.write(packed)
                out.write(gzip.compress(last))
    log.write_bytes(b"2026-11-23 16:00:00,000 INFO active\n")
    return log


def measured(*words: str) -> tuple[int, int, str]:
    """The exit code, the most memory in KiB, and what was printed."""
    command = [sys.executable, "-c", MEASURED, *words]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=SECONDS, check=True)
    code, kilobytes = map(int, done.stderr.splitlines()[-1].split())
    size = len(HOURS) * MEGABYTES * (LINES * LINE) / 1e9
    print(f"{' '.join(word for word in words if '/' not in word)}: {kilobytes / 1024:.1f} MiB of memory for {size:.1f} GB")
    return code, kilobytes, done.stdout


@pytest.mark.parametrize(("words", "count"), WAYS, ids=[" ".join(words) for words, _ in WAYS])
def test_memory_for_compressed_segments(log: Path, words: list[str], count: int) -> None:
    """All of it is read, for the answer is right."""
    code, kilobytes, printed = measured(words[0], str(log), *words[1:])
    assert code == 0
    if words[0] == "ls":
        lines = [one["lines"] for one in json.loads(printed)["files"]]
        assert lines == [*(MEGABYTES * LINES + 1 for _ in HOURS), 1]
    else:
        found = printed.splitlines()
        assert len(found) == count
        assert found[-1].endswith("active" if words[0] == "tail" else "needle")
    assert kilobytes < MOST


def test_memory_of_verify(log: Path) -> None:
    """It goes through every segment to its end: damage there is found, and nothing else is wrong."""
    assert measured("verify", str(log))[0] == 0
    last = log.with_name(f"app.log.2026-11-23_{HOURS[-1]}.gz")
    content = last.read_bytes()
    last.write_bytes(content[:-6])
    code, kilobytes, printed = measured("verify", str(log))
    last.write_bytes(content)
    assert code == 1
    assert last.name in printed
    assert "damaged" in printed
    assert kilobytes < MOST


def test_memory_of_a_merge(tmp_path: Path) -> None:
    """Of many logs, of each of which a part is in memory."""
    texts = [block(hour) for hour in HOURS]
    logs = [tmp_path / f"{number:02}.log" for number in range(40)]
    for number, log in enumerate(logs):
        log.write_bytes(texts[number % len(texts)] * 2)
    code, kilobytes, printed = measured("cat", "--merge", *map(str, logs))
    assert code == 0
    assert [line[:13] for line in printed.splitlines()] == sorted(line[:13] for line in printed.splitlines())
    assert printed.count("\n") == len(logs) * 2 * LINES
    assert kilobytes < MOST
