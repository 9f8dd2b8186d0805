"""Completion in the shells themselves, and the reference: both know all that the parser takes."""

from __future__ import annotations

import os
import pty
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from _terminal import ENVIRONMENT, read_until

from mpfhandler._faces import reference as reference_module
from mpfhandler._faces.cli import COMMANDS, whole_parser
from mpfhandler._faces.completion import SHELLS
from mpfhandler._faces.outline import Entry, Group, Page, pages
from mpfhandler._faces.reference import reference

PAGES = {page.name: page for page in pages()}
REFERENCE = Path(__file__).parents[2] / "docs/reference/command-line.md"
BASH = """
source "$1"
while IFS= read -r line; do
    eval "COMP_WORDS=($line)"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _mpfhandler
    echo "${COMPREPLY[*]}"
done
"""


def helped(name: str) -> set[str]:
    """The flags that `--help` of a command shows: read by other means than the code has."""
    parser = whole_parser()._subparsers._group_actions[0].choices[name]  # type: ignore[union-attr, index, call-overload]
    usage = parser.format_usage() + parser.format_help()
    return {flag.rstrip("-") for flag in re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", usage.partition("\nexamples:")[0])}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two logs, one of them with a blank in its name, and a folder; and the three scripts."""
    (tmp_path / "app.log").touch()
    (tmp_path / "app two.log").touch()
    (tmp_path / "archive").mkdir()
    (tmp_path / "scripts").mkdir()
    for shell, script in SHELLS.items():
        (tmp_path / "scripts" / shell).write_text(script(list(PAGES.values())) + "\n")
    return tmp_path


def needs(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"no {shell} here")
    return found


def in_bash(folder: Path, *lines: str) -> list[list[str]]:
    """What bash offers for the last word of each line."""
    command = [needs("bash"), "--norc", "-c", BASH, "bash", "scripts/bash"]
    done = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, cwd=folder, timeout=60)
    offered = [line.split() for line in done.stdout.splitlines()]
    assert len(offered) == len(lines), done.stderr
    return offered


def in_fish(folder: Path, line: str) -> list[str]:
    """What fish offers, without the descriptions."""
    command = [needs("fish"), "--no-config", "-c", f"source scripts/fish; complete -C '{line}'"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, timeout=60, env={**os.environ, "HOME": str(folder)}
    )
    assert done.stderr == ""
    return [text.partition("\t")[0] for text in done.stdout.splitlines()]


def test_the_command_prints_the_script(folder: Path) -> None:
    """As the shell gets it."""
    for shell in SHELLS:
        done = subprocess.run(
            [sys.executable, "-m", "mpfhandler", "completion", shell], capture_output=True, text=True, env=ENVIRONMENT
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (folder / "scripts" / shell).read_text()


def test_bash_knows_every_command_and_option(folder: Path) -> None:
    """All that `--help` shows, of each command."""
    first, *others = in_bash(folder, "mpfhandler ''", *(f"mpfhandler {name} -" for name in PAGES))
    assert first == [command.name for command in COMMANDS]
    for name, offered in zip(PAGES, others, strict=True):
        assert {*offered} == helped(name), name


OF_THE_PROGRAM = ["-h", "--help", "--version"]


def test_options_of_the_program_itself(folder: Path) -> None:
    """Before a command; they are not offered as commands."""
    (offered,) = in_bash(folder, "mpfhandler -")
    assert offered == OF_THE_PROGRAM
    if shutil.which("fish"):
        assert {*in_fish(folder, "mpfhandler -")} == {*OF_THE_PROGRAM}


def test_bash_after_two_dashes(folder: Path) -> None:
    """No options come any more."""
    assert in_bash(folder, "mpfhandler cat -- -", "mpfhandler cat -- app.") == [[], ["app.log"]]


def test_bash_knows_every_choice(folder: Path) -> None:
    """For each option that has some, written as two words and as one."""
    cases = [(page.name, flag, entry.choices) for page in PAGES.values() for entry in page.options for flag in entry.flags]
    cases = [case for case in cases if case[2]]
    assert cases
    offered = in_bash(folder, *(f"mpfhandler {name} {flag}{mark} ''" for name, flag, _ in cases for mark in ("", " =")))
    assert offered == [list(choices) for _, _, choices in cases for _ in range(2)]


def test_bash_completes_values(folder: Path) -> None:
    """Names of logs and folders, units, methods; nothing for a number."""
    assert in_bash(
        folder,
        "mpfhandler pru",
        "mpfhandler seal app.",
        "mpfhandler seal --compress z",
        "mpfhandler seal --compress = x",
        "mpfhandler prune --when =",
        "mpfhandler check a",
        "mpfhandler prune --backup-count ''",
        "mpfhandler completion ''",
        "mpfhandler pipe app.log --overflow ''",
        "mpfhandler seal app.log --fsync ''",
        "mpfhandler bench --when ''",
    ) == [
        ["prune"],
        ["app.log"],
        ["zst"],
        ["xz"],
        ["S", "M", "H", "D", "midnight", "W0", "W1", "W2", "W3", "W4", "W5", "W6", "MONTH"],
        ["archive"],
        [],
        ["bash", "zsh", "fish"],
        ["block", "drop"],
        ["never", "seal"],
        ["S", "M", "h", "H", "D", "midnight"],
    ]


def test_fish_knows_every_command_and_option(folder: Path) -> None:
    """All that `--help` shows, of each command."""
    assert {*in_fish(folder, "mpfhandler ")} == {*PAGES}
    for name in PAGES:
        assert {*in_fish(folder, f"mpfhandler {name} -")} == helped(name), name


def test_fish_completes_values(folder: Path) -> None:
    """Names of logs and folders, methods; nothing for a number."""
    assert in_fish(folder, "mpfhandler seal app.") == ["app.log"]
    assert in_fish(folder, "mpfhandler seal --compress z") == ["zst"]
    assert in_fish(folder, "mpfhandler check a") == ["archive/"]
    assert in_fish(folder, "mpfhandler prune --backup-count ") == []
    assert {*in_fish(folder, "mpfhandler completion ")} == {*SHELLS}


SESSIONS = {
    "bash": ["--norc", "--noprofile", "-i"],
    "zsh": ["-f", "-i"],
    "fish": ["--no-config", "-i"],
}
PRINT = "mpfhandler() { printf '<%s>' \"$@\"; echo .; }"
BEGIN = {
    "bash": f"PS1='$ '; bind 'set bell-style none'; source scripts/bash; {PRINT}",
    "zsh": f"PS1='$ '; autoload -U compinit; compinit -u -D; source scripts/zsh; {PRINT}",
    "fish": "source scripts/fish; function mpfhandler; printf '<%s>' $argv; echo .; end",
}


@pytest.mark.parametrize("shell", SESSIONS)
@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("pru\t--max-a\t 14d app.l\t", ["prune", "--max-age", "14d", "app.log"]),
        ("seal app\\ t\t--compress zs\t", ["seal", "app two.log", "--compress", "zst"]),
        ("check arc\tx", ["check", "archive/x"]),
        ("compl\tfi\t", ["completion", "fish"]),
        ("--vers\t", ["--version"]),
    ],
)
def test_the_tab_key(folder: Path, shell: str, keys: str, words: list[str]) -> None:
    """In an interactive shell: what was typed with tabs is run in full."""
    program = needs(shell)
    pid, master = pty.fork()
    if not pid:  # pragma: no cover
        os.chdir(folder)
        os.execve(program, [program, *SESSIONS[shell]], {**ENVIRONMENT, "HOME": str(folder), "ZDOTDIR": str(folder)})
    try:
        os.write(master, f"{BEGIN[shell]}; echo rea''dy\n".encode())
        assert "ready" in read_until(master, "ready\r\n")
        os.write(master, b"mpfhandler " + keys.encode() + b"\n")
        wanted = "".join(f"<{word}>" for word in words) + "."
        assert wanted in read_until(master, wanted, 20)
    finally:
        os.close(master)
        os.waitpid(pid, 0)


def test_zsh_has_every_option_in_its_script(folder: Path) -> None:
    """All that `--help` shows, of each command, and zsh reads the script."""
    script = (folder / "scripts" / "zsh").read_text()
    for name in PAGES:
        line = next(line for line in script.splitlines() if line.startswith(f"        {name}) "))
        assert [flag for flag in helped(name) if f"{flag}[" not in line and f"{flag}=[" not in line] == []
    assert subprocess.run([needs("zsh"), "-n", "scripts/zsh"], cwd=folder, capture_output=True).stderr == b""


@pytest.fixture
def bare(folder: Path) -> Page:
    """A command that takes one option and nothing else, and says little of itself; the scripts know it, too."""
    option = Entry(("--when",), "UNIT", (), "the unit", optional=True, repeated=False)
    page = Page("bare", "does little", "Does little.", "", (Group("options", (option,)),))
    for shell, script in SHELLS.items():
        (folder / "scripts" / shell).write_text(script([*PAGES.values(), page]) + "\n")
    return page


def test_bash_offers_nothing_where_nothing_can_be_given(folder: Path, bare: Page) -> None:
    """Its options are completed, and their values; of an argument that it does not take, no files."""
    offered = in_bash(folder, f"mpfhandler {bare.name} -", f"mpfhandler {bare.name} ''", f"mpfhandler {bare.name} --when M")
    assert offered == [["--when"], [], ["M", "MONTH"]]


def test_fish_and_zsh_offer_nothing_where_nothing_can_be_given(folder: Path, bare: Page) -> None:
    """One line for the option, none for an argument; another command has both."""
    lines = (folder / "scripts" / "fish").read_text().splitlines()
    assert [line.partition(" -d ")[0] for line in lines if f"from {bare.name}'" in line] == [
        "complete -c mpfhandler -n '__fish_seen_subcommand_from bare' -l when -x -a 'S M H D midnight W0 W1 W2 W3 W4 W5 W6 MONTH'"
    ]
    assert [line for line in lines if line.endswith("from cat' -F")] != []
    line = next(line for line in (folder / "scripts" / "zsh").read_text().splitlines() if f" {bare.name}) " in line)
    assert line.count("_files") == 0
    assert line.count("--when=[") == 1


def test_the_reference_of_a_command_without_examples(bare: Page) -> None:
    """Nothing stands where they would."""
    assert [*reference_module._section(bare)] == [
        "## mpfhandler bare",
        "```text\nmpfhandler bare [OPTION …]\n```",
        "Does little.",
        "**options**",
        "- `--when UNIT`: the unit",
    ]


def test_the_reference_is_what_its_module_prints(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """To the byte, as its documentation tells to make the file."""
    monkeypatch.delitem(sys.modules, "mpfhandler._faces.reference")
    runpy.run_module("mpfhandler._faces.reference", run_name="__main__")
    assert capsys.readouterr().out == REFERENCE.read_text(encoding="utf-8")


def test_the_reference_is_the_parsers() -> None:
    """What is committed is what is made: on every Python alike."""
    assert REFERENCE.read_text(encoding="utf-8") == reference(), "run: python -m mpfhandler._faces.reference > docs/reference/..."


def test_the_reference_is_complete() -> None:
    """Each command has its section with every flag that its `--help` shows, an example and its exit codes."""
    written = REFERENCE.read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## mpfhandler (\S+)\n(.*?)(?=^## |\Z)", written, re.MULTILINE | re.DOTALL))
    assert list(sections) == [command.name for command in COMMANDS]
    for name, text in sections.items():
        listed = set(re.findall(r"`(--?[a-zA-Z][\w-]*)", text))
        assert listed == helped(name), name
        assert "exit codes: 0" in text
        assert re.search(rf"^  (.*\| )?mpfhandler {name}\b", text, re.MULTILINE)
