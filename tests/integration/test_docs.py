"""Every code block of the documentation is run, from the top of a page to its end, as a reader does it (`_docs.py`)."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from _docs import DOCS, ROOT, Block, blocks_of, run_page
from _programs import wait_until
from _readers import Missing, Refused, read

PAGES = sorted(path for path in DOCS.rglob("*.md") if "benchmarks" not in path.parts)
TRANSLATED = [path for path in PAGES if path.name.endswith(".zh.md")]
ENGLISH = [*(path for path in PAGES if path not in TRANSLATED), ROOT / "README.md"]
RUN = {"python", "sh"}
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py") if path.name != Path(__file__).name)

pytestmark = pytest.mark.integration


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def missing(blocks: list[Block]) -> list[str]:
    """What a page needs and this machine lacks: packages that it imports or starts, and programs."""
    code = "\n".join(block.code for block in blocks if block.language in RUN and not block.reason)
    packages = ["celery", "django", "fastapi", "flask", "gunicorn", "uvicorn"]
    needed = [one for one in packages if re.search(rf"^\s*(from|import|pip install .*)?\b{one}\b", code, re.MULTILINE)]
    lacking = [one for one in needed if importlib.util.find_spec(one) is None]
    programs = [one for one in ("curl", "uwsgi") if re.search(rf"^{one} |\b{one} -s", code, re.MULTILINE)]
    beside = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return lacking + [one for one in programs if shutil.which(one, path=beside) is None]


def english_of(path: Path) -> Path:
    return path.with_name(path.name.replace(".zh.md", ".md"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def with_blocks() -> list[Any]:
    """Pages that are run; those with servers and self-tests take long. The blocks of the pages on moving over are alternatives:
    `test_moving_over.py` runs each by itself."""
    pages = [page for page in ENGLISH if page.parent.name != "move"]
    pages = [page for page in pages if any(block.language in RUN and not block.reason for block in blocks_of(page))]
    return [pytest.param(page, id=name(page), marks=[pytest.mark.load] if takes_long(page) else []) for page in pages]


def takes_long(page: Path) -> bool:
    """Whether it starts a server, the self-test, or waits."""
    blocks = blocks_of(page)
    return any(
        block.background or re.search(r"^(pip .*&& )?mpfhandler check|sleep", block.code, re.MULTILINE) for block in blocks
    )


@pytest.mark.parametrize("page", with_blocks())
def test_blocks_run(page: Path, tmp_path: Path) -> None:
    """Python and shell, one after the other; what a page says cannot be run is printed with its reason."""
    blocks = [block for block in blocks_of(page) if block.language != "text"]
    for block in blocks:
        if block.reason:
            print(f"{block.page}:{block.line}: not run: {block.reason}")
    if lacking := missing(blocks):
        pytest.skip(f"not installed: {', '.join(lacking)}")
    folder = tmp_path / "page"
    folder.mkdir()
    done = run_page([block for block in blocks if not block.reason], folder, free_port())
    shutil.rmtree(folder)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    assert "Traceback (most recent call last)" not in done.stderr, done.stderr
    assert "--- Logging error ---" not in done.stderr, done.stderr


CONFIGURATION = [block for page in ENGLISH for block in blocks_of(page) if block.language not in {*RUN, "text", ""}]


@pytest.mark.parametrize("block", CONFIGURATION, ids=lambda block: f"{block.page}:{block.line}")
def test_configuration_is_read(block: Block) -> None:
    """By what reads it. What has no reader here belongs to a page of which another test runs the real program, or which says that
    none does."""
    if block.reason:
        pytest.skip(block.reason)
    try:
        read(block.language, block.code, block.title)
    except Missing as missing:
        if Path(block.page).name in TESTS or Path(block.page).stem in TESTS:
            return
        if "**Not tested here**" in (ROOT / block.page).read_text(encoding="utf-8"):
            pytest.skip(f"{missing}; the page says that it is not tested")
        if str(missing).startswith("not i"):
            pytest.skip(str(missing))
        raise


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_fence_is_understood(page: Path) -> None:
    """No block is overlooked: each fence is the beginning or the end of one."""
    fences = re.findall(r"^ *```", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == 2 * len(blocks_of(page))


@pytest.mark.parametrize("page", TRANSLATED, ids=name)
def test_translations_have_the_same_code(page: Path) -> None:
    """A Chinese page has the blocks of the English one, so they are run as well; its headings, lists and tables have as many
    entries; and it speaks of the same parameters and files."""
    ours, theirs = blocks_of(page), blocks_of(english_of(page))
    assert [(block.language, block.title, block.code) for block in ours] == [
        (block.language, block.title, block.code) for block in theirs
    ]
    entries = [
        re.findall(r"^ *(#+ |- |\d+\. |\|)", path.read_text(encoding="utf-8"), re.MULTILINE) for path in (page, english_of(page))
    ]
    assert entries[0] == entries[1]
    spans = [
        set(re.findall(r"`([!-~]+)`", re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)))
        for path in (page, english_of(page))
    ]
    assert spans[0] == spans[1]


def test_a_block_that_fails_is_named(tmp_path: Path) -> None:
    """The runner tells page and line of what fails: of Python, of a shell's command, of a module that cannot be imported,
    and of a server that does not start."""
    for language, title, code, background in (
        ("python", "", "x = 1\nassert x == 2\n", False),
        ("sh", "", "false\ntrue\n", False),
        ("sh", "", "pip install no-such-package-here\n", False),
        ("python", "app.py", "import no_such_module\n", False),
        ("sh", "", "exit 3 # 8000\n", True),
    ):
        folder = tmp_path / f"{language}{title}{len(code)}"
        folder.mkdir()
        block = Block("docs/page.md", 7, language, title, code, "", background)
        done = run_page([Block("docs/page.md", 1, "sh", "", "true\n"), block], folder, free_port())
        assert done.returncode == 1
        assert "docs/page.md:7: " in done.stderr


def test_a_configuration_that_is_wrong_is_told() -> None:
    """Readers read."""
    wrong = {
        "toml": ("a = \n", ""),
        "json": ("{", ""),
        "yaml": (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: x, image: y, imagePolicy: z}]}\n",
            "",
        ),
        "ini": ("[Service]\nExecStart=/bin/true\nNoSuchThing=1\n", "x.service"),
        "dockerfile": ("FRM python\n", ""),
    }
    for language, (text, title) in wrong.items():
        try:
            with pytest.raises(Refused):
                read(language, text, title)
        except Missing as missing:
            print(missing)


WORKER = """\
import signal, sys, time

def end(*_):
    for number in range(500):
        print("last", number)
    sys.exit()

signal.signal(signal.SIGTERM, end)
print("first", flush=True)
time.sleep(60)
"""


def test_a_service_that_is_stopped_loses_no_line(tmp_path: Path) -> None:
    """The unit whose output is piped: its main process gets SIGTERM and says its last words, which are in the log. What its
    `KillMode` does to the others is done as systemd.kill(5) has it."""
    [unit] = [block for block in blocks_of(DOCS / "how-to" / "systemd.md") if block.title == "worker.service"]
    options = dict(line.split("=", 1) for line in unit.code.splitlines() if "=" in line)
    (tmp_path / "worker.py").write_text(WORKER)
    log, program = tmp_path / "worker.log", Path(sys.executable).with_name("mpfhandler")
    command = options["ExecStart"].replace("/srv/worker/bin/worker", f"{sys.executable} {tmp_path}/worker.py")
    command = command.replace("/srv/worker/.venv/bin/mpfhandler", str(program)).replace("/var/log/worker/worker.log", str(log))
    with subprocess.Popen(shlex.split(command), start_new_session=True) as main:
        try:
            wait_until(lambda: log.exists() and log.read_text() == "first\n", "its first line")
            mode = options.get("KillMode", "control-group")
            (os.killpg if mode == "control-group" else os.kill)(main.pid, signal.SIGTERM)
            main.wait(60)
            if mode == "process":
                wait_until(lambda: not in_group(main.pid), "the end of the pipe")
        finally:
            if in_group(main.pid):
                os.killpg(main.pid, signal.SIGKILL)
    assert log.read_text() == "first\n" + "".join(f"last {number}\n" for number in range(500))


def in_group(group: int) -> bool:
    """Whether a process of it lives."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
