"""The table of commands: what is imported when, and what each `--help` tells."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
import sys

import pytest

from mpfhandler._faces import cli
from mpfhandler._faces.cli import COMMANDS

NAMES = [command.name for command in COMMANDS]


def imported(*arguments: str) -> set[str]:
    """Our modules and rich's that a run of the command line brings in."""
    code = (
        "import sys; from mpfhandler._faces.cli import main; main(sys.argv[1:])\n"
        "print(*(name for name in sys.modules if name.split('.')[0] in {'mpfhandler', 'rich'}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
    return set(done.stderr.splitlines()[-1].split())


def test_the_overview_has_every_command_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    """Name and line of the table; a command's module comes when it is chosen."""
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert [command for command in COMMANDS if command.name not in text or command.help not in text] == []
    found = imported("--help")
    modules = {f"mpfhandler._faces{command.module}" for command in COMMANDS}
    assert found & modules == set()
    assert "rich" not in found


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_a_command_brings_in_its_own_module_alone(command: cli.Command) -> None:
    """Not another command's, and not rich, as nobody looks."""
    found = imported(command.name, "--help")
    others = {f"mpfhandler._faces{other.module}" for other in COMMANDS} - {f"mpfhandler._faces{command.module}"}
    assert f"mpfhandler._faces{command.module}" in found
    assert found & others == set()
    assert "rich" not in found


def test_the_package_brings_in_no_command() -> None:
    """`import mpfhandler` does not import the command line."""
    code = "import sys, mpfhandler; mpfhandler.TimedLogFile; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"mpfhandler._faces.cli", "mpfhandler._faces.look", "argparse"} & set(done.stdout.split()) == set()


@pytest.mark.parametrize("arguments", [[], ["--"], ["sael"], ["--sael"], ["--", "sael", "x"]])
def test_no_command_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Told on standard error, with the names that there are."""
    assert cli.main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("usage: mpfhandler")


def test_dashes_before_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """They end the program's own options; the command is the same one."""
    assert cli.main(["--", "check", "--help"]) == 0
    assert "--procs" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_help_has_examples_that_are_accepted_and_the_exit_codes(command: cli.Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Each example of a command is what its parser takes; what the exit codes mean stands below."""
    assert cli.main([command.name, "--help"]) == 0
    text = capsys.readouterr().out
    calls = re.findall(rf"^  (?:.*?\| )?mpfhandler ({command.name}\b.*)", text, re.MULTILINE)
    assert calls
    for call in calls:
        words = itertools.takewhile(lambda word: word not in {"|", ">", "&&"}, shlex.split(call, comments=True))
        assert cli.whole_parser().parse_args([*words]).run
    assert re.search(r"^exit codes: 0 .*\b2 ", text, re.MULTILINE | re.DOTALL)
