"""The code blocks of a page of the documentation, and how they are run.

A page is run from its top to its end in a folder of its own, as a reader does it:

- ```` ```python ```` runs in one interpreter with the blocks before it; with a `title="app.py"` it is written to that file,
  which must be importable;
- ```` ```sh ```` runs in bash, which stops at the first command that fails; after `<!-- background -->` it goes on until the
  page's end, and the next block waits until it listens, or a moment;
- a configuration is parsed by what reads it (`_readers.py`), and written to its file, if it has a title;
- ```` ```text ```` is what something prints, and is not run;
- before a block that cannot be run stands `<!-- not run: why -->`.

`pip` and `my-server` are stand-ins there: the first one looks whether what is asked for is installed, the second one prints some
lines. Port 8000 is another one, `/var/log` and `/etc` are in the page's folder, and `mpfhandler tail -f` is interrupted after a
moment.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

__all__ = ["DOCS", "ROOT", "Block", "blocks_of", "run_page"]

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
RUNNER = Path(__file__).with_name("_docs_runner.py")
PATIENCE = 280  # seconds for one page

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\S\n]*(?P<more>[^\n`]*)\n(?P<code>.*?)^(?P=indent)```[ ]*$", re.MULTILINE | re.DOTALL
)
_NOTE = re.compile(r"<!-- (not run: (?P<reason>[^>]+)|(?P<background>background)) -->\s*\Z")
_SHIMS = {
    "pip": """\
#!{python}
import importlib.metadata, re, sys
words = [word for word in sys.argv[2:] if not word.startswith("-")]
assert sys.argv[1] == "install" and words, sys.argv
for word in words:
    name = re.split(r"[\\[=<>~]", word)[0]
    if word not in {".", "../.."} and not word.endswith(".whl"):
        importlib.metadata.version(name)  # raises if it is not one of those that the tests install
""",
    "my-server": '#!/bin/sh\nfor number in 1 2 3; do echo "line $number"; done\n',
    "sudo": '#!/bin/sh\nexec "$@"\n',
}


@dataclass(frozen=True)
class Block:
    """One block of a page.

    Attributes:
        page: its path in the repository.
        line: on which the code begins.
        language: as it is written.
        title: the file that it is, or "".
        code: without indentation.
        reason: why it is not run, or "".
        background: whether it goes on until the page's end.
    """

    page: str
    line: int
    language: str
    title: str
    code: str
    reason: str = ""
    background: bool = False


def blocks_of(path: Path) -> list[Block]:
    """All blocks of a page, in their order."""
    text, found = path.read_text(encoding="utf-8"), []
    for fence in _FENCE.finditer(text):
        note = _NOTE.search(text, 0, fence.start())
        title = re.search(r'title="([^"]+)"', fence["more"])
        code = re.sub(rf"^{fence['indent']}", "", fence["code"], flags=re.MULTILINE)
        line = text.count("\n", 0, fence.start("code")) + 1
        reason = note["reason"].strip() if note and note["reason"] else ""
        found.append(
            Block(
                str(path.relative_to(ROOT)), line, fence["language"], title[1] if title else "", code, reason,
                bool(note and note["background"]),
            )
        )  # fmt: skip
    return found


def run_page(blocks: list[Block], folder: Path, port: int) -> subprocess.CompletedProcess[str]:
    """Run them in a folder; a block that fails ends the page, and is named by its page and line."""
    shims = folder.with_name(f"{folder.name}-bin")
    shims.mkdir()
    for name, text in _SHIMS.items():
        (shims / name).write_text(text.replace("{python}", sys.executable))
        (shims / name).chmod(0o755)
    mine = [replace(block, code=_here(block.code, folder, port), title=_here(block.title, folder, port)) for block in blocks]
    told = json.dumps([asdict(block) for block in mine])
    path = os.pathsep.join([str(shims), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PORT": str(port), "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(RUNNER)]
    return subprocess.run(
        command, input=told, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def _here(code: str, folder: Path, port: int) -> str:
    code = re.sub(r"(?<![\w./])/(var/log|etc|srv|mnt)(?=[/\"'\s])", rf"{folder}/\1", code)
    code = re.sub(r"^(\s*)(mpfhandler tail -f .*?)(\s*#.*)?$", r"\1timeout 3 \2 || [ $? = 124 ]", code, flags=re.MULTILINE)
    return code.replace("8000", str(port))
