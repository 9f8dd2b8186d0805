"""The handler's parameters as options of the command line."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path

import pytest

from mpfhandler import TimedLogFile
from mpfhandler._faces import cli, options
from mpfhandler._faces.arguments import size
from mpfhandler._faces.options import _WORDS, add_options, given_options
from mpfhandler._faces.spelling import spelled
from mpfhandler._pure.errors import InvalidOption
from mpfhandler._pure.options import Options

ONLY_FUNCTIONS = {"on_error"}  # cannot be written on a command line


def parser() -> argparse.ArgumentParser:
    """One with all options."""
    made = argparse.ArgumentParser()
    add_options(made)
    return made


def test_no_parameter_is_missing() -> None:
    """Each parameter of `TimedLogFile` but its path and what takes functions alone is an option, with the same default and with
    words of its own; there are words for nothing else."""
    parameters = inspect.signature(TimedLogFile).parameters
    wanted = set(parameters) - {"path"} - ONLY_FUNCTIONS
    actions = {action.dest: action for action in parser()._actions if action.dest != "help"}
    assert set(actions) == wanted == set(_WORDS)
    assert all(action.option_strings == [spelled(name)] and action.help for name, action in actions.items())
    assert {name: action.default for name, action in actions.items()} == {name: parameters[name].default for name in wanted}


def test_defaults_are_the_handlers() -> None:
    """Nothing given is what a log without options has."""
    given = given_options(parser().parse_args([]))
    parameters = inspect.signature(TimedLogFile).parameters
    assert given == {name: one.default for name, one in parameters.items() if name in given}


def test_values_are_taken_as_text(tmp_path: Path) -> None:
    """What a command line can give, the engine understands."""
    words = ["--when", "W0", "--interval", "2", "--at-time", "03:30", "--tz", "UTC", "--max-bytes", "1000", "--chmod", "0640"]
    words += ["--lock-timeout", "0.5", "--late-grace", "3", "--spill-bytes", "9", "--compress", "gz", "--compress-level", "9"]
    words += ["--backup-count", "3", "--max-age", "14d", "--max-total-bytes", "10GB", "--delay", "--rotate-idle", "--mkdir"]
    log = TimedLogFile(tmp_path / "new" / "app.log", **given_options(parser().parse_args(words)))  # type: ignore[arg-type]
    options = log._writer.options
    assert (options.schedule.when, options.schedule.interval, options.max_bytes) == ("W0", 2, 1000)
    assert (options.access.mode, options.compression.level, options.retention.max_age) == (0o640, 9, 14 * 86400)
    assert options.rotate_idle
    assert not (tmp_path / "new").exists(), "--delay"
    log.close()


@pytest.mark.parametrize("option", ["--max-bytes", "--spill-bytes", "--buffer-bytes", "--max-total-bytes", "--min-free-bytes"])
def test_sizes_are_spelled_alike(option: str, tmp_path: Path) -> None:
    """A number of bytes, or text with a unit; what is neither is refused by the option's name."""

    def made(text: str) -> Options:
        with TimedLogFile(tmp_path / "app.log", **given_options(parser().parse_args([option, text]))) as log:  # type: ignore[arg-type]
            return log._writer.options

    assert made("10MB") == made("10000000") != made("10 MiB") == made("10485760")
    for wrong in ("ten", "-1", "10 minutes", "0.5"):
        with pytest.raises(InvalidOption) as caught:
            made(wrong)
        assert spelled(caught.value.parameter) == option


def test_size_of_records_is_spelled_like_the_others() -> None:
    """`check --size` takes it within bounds, and says what is wrong with another one."""
    given = size(1, 1 << 20)
    assert (given("100"), given("4kB"), given("1MiB")) == (100, 4000, 1 << 20)
    for wrong, why in (("0", "not between"), ("2MB", "not between"), ("long", "is not a size")):
        with pytest.raises(argparse.ArgumentTypeError, match=why):
            given(wrong)


@pytest.mark.parametrize(
    ("text", "end"), [("\\n", "\n"), ("\\r\\n", "\r\n"), ("\\0", "\0"), ("\\x1e", "\x1e"), ("\\\\n", "\\n"), ("|", "|")]
)
def test_terminator_is_spelled(text: str, end: str) -> None:
    """A shell gives no control characters: they are spelled."""
    assert given_options(parser().parse_args(["--terminator", text]))["terminator"] == end


def test_encoding_of_wide_line_ends_is_refused() -> None:
    """Lines are told in bytes."""
    with pytest.raises(InvalidOption, match="several bytes"):
        given_options(parser().parse_args(["--encoding", "utf-16"]))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--when", "Q"], "--when='Q'"),
        (["--max-line", "0"], "--max-line='0'"),
        (["--at-time", "25:00"], "--at-time='25:00'"),
        (["--terminator", ""], "--terminator=''"),
        (["--compress", "rar"], "--compress='rar'"),
        (["--lock-dir", "no/such"], "--lock-dir='no/such'"),
    ],
)
def test_message_names_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """As it is written on the command line; exit code 2, and nothing is created."""
    assert cli.main(["pipe", str(tmp_path / "app.log"), *words]) == 2
    assert capsys.readouterr().err.startswith(f"mpfhandler pipe: {said}: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lock-dir", "no/such"], "or leave --lock-dir out"),
        (["--utc", "--tz", "Asia/Shanghai"], "contradicts --utc"),
        (["--archive-delete"], "--archive-delete: there is no archive"),
        (["--archive-delete"], 'give --archive "s3://bucket/prefix" or'),
        (["--compress-level", "99"], "or leave it out for the usual one"),
        (["--compress-level", "6"], 'give --compress "gz", "zst",'),
        (["--at-time", "25:00"], "has no meaning with --when 'H'"),
        (["--max-line", "-1"], "0 means no limit"),
    ],
)
def test_remedy_is_for_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """What helps is told in the words of who types options, not of who writes Python."""
    assert cli.main(["pipe", str(tmp_path / "app.log"), *words]) == 2
    told = capsys.readouterr().err
    assert (said in told) is (said != "0 means no limit"), told
    assert "=True" not in told
    assert "None" not in told


def test_missing_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The remedy is an option."""
    assert cli.main(["pipe", str(tmp_path / "no" / "app.log")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("mpfhandler pipe: LOG=")
    assert "or pass --mkdir" in said


def test_parameter_without_words_has_the_docstrings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parameter that is new is an option at once."""
    monkeypatch.setattr(options, "_WORDS", {name: one for name, one in _WORDS.items() if name != "buffer_bytes"})
    monkeypatch.setattr(
        options, "_GROUPS", tuple((title, tuple(set(some) - {"buffer_bytes"})) for title, some in options._GROUPS)
    )
    (action,) = [action for action in parser()._actions if action.dest == "buffer_bytes"]
    assert action.help == "size of the buffer, and of one write, at most (bytes). (default: 65536)"
