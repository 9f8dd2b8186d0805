"""`mpfhandler cat` and `tail` without `-f`: which records come, in which order, and how the commands end."""

from __future__ import annotations

import argparse
import bz2
import errno
import gzip
import io
import lzma
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mpfhandler._faces import cli
from mpfhandler._faces.read import tail
from mpfhandler._faces.read.asked import Asked
from mpfhandler._faces.read.files import add_log_arguments
from mpfhandler._faces.read.reading import Reading, find
from mpfhandler._faces.read.records import Wanted
from mpfhandler._pure.facts import FileId
from mpfhandler._pure.schedule import Schedule
from mpfhandler._pure.state import State, pack
from mpfhandler._pure.zone import find_zone

TRACE = "Traceback (most recent call last):\n  File x\nValueError: lost\n"
COMMAND = [sys.executable, "-m", "mpfhandler"]
UTC = {**os.environ, "TZ": "UTC"}


def hour(number: int, *texts: str) -> str:
    """Records of that hour, a minute from each other."""
    return "".join(f"2026-11-23 {number}:{minute:02}:00,000 INFO {text}\n" for minute, text in enumerate(texts))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """An hour that is compressed, one that is split, one that is active."""
    (tmp_path / "app.log.2026-11-23_14.gz").write_bytes(gzip.compress(hour(14, "a", "b", "c").encode()))
    (tmp_path / "app.log.2026-11-23_15.bz2").write_bytes(bz2.compress(hour(15, "d", "e").encode()))
    (tmp_path / "app.log.2026-11-23_15.1").write_text("2026-11-23 15:30:00,000 ERROR f\n" + TRACE)
    (tmp_path / "app.log").write_text(hour(16, "g", "h"))
    return tmp_path / "app.log"


def said(*arguments: object, code: int = 0) -> tuple[str, str]:
    """What the command prints, as a program of its own."""
    done = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, env=UTC)
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


def letters(text: str) -> str:
    """The last letter of each record's first line."""
    return "".join(line[-1] for line in text.splitlines() if line.startswith("2026"))


def test_whole_log_in_order(log: Path) -> None:
    """The oldest period first, splits by number, compressed or not; every byte."""
    out, err = said("cat", log)
    assert out == hour(14, "a", "b", "c") + hour(15, "d", "e") + "2026-11-23 15:30:00,000 ERROR f\n" + TRACE + hour(16, "g", "h")
    assert err == ""


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--since", "2026-11-23 15:01"], "efgh"),
        (["--until", "2026-11-23T15:01:00Z"], "abcd"),
        (["--since", "2026-11-23 14:02", "--until", "2026-11-23 15:31"], "cdef"),
        (["--grep", "[bh]$"], "bh"),
        (["--grep", "lost"], "f"),
        (["--grep", "LOST", "-i"], "f"),
        (["--grep", "INFO", "--since", "1795449600"], "gh"),
        (["--since", "2026-11-23 16:30"], ""),
        (["--grep", "nothing"], ""),
    ],
)
def test_records_that_are_asked_for(log: Path, options: list[str], wanted: str) -> None:
    """By time and by pattern, a traceback with its message; that there are none is no failure."""
    out, err = said("cat", log, *options)
    assert letters(out) == wanted
    assert (TRACE in out) == ("f" in wanted)
    assert err == ""


def test_only_needed_files_are_opened(log: Path) -> None:
    """One that cannot be read does not matter where its period is not asked for; else it does."""
    (log.parent / "app.log.2026-11-23_14.gz").write_bytes(b"no gzip")
    assert letters(said("cat", log, "--since", "2026-11-23 15:00", "--when", "H")[0]) == "defgh"
    out, err = said("cat", log, code=1)
    assert letters(out) == "defgh"
    assert "app.log.2026-11-23_14.gz: damaged" in err


@pytest.mark.parametrize("command", [["cat"], ["tail"], ["ls", "--fast"]], ids=" ".join)
def test_segments_with_names_of_another_schedule(log: Path, command: list[str]) -> None:
    """That they are not read is told, with what helps."""
    log.with_name("app.log.2026-11-01").write_text("2026-11-01 00:00:00,000 z\n")
    out, err = said(*command, log)
    assert "app.log.2026-11-01" not in out
    assert err.startswith(f"mpfhandler {command[0]}: app.log.2026-11-01 looks like a segment of this log")
    assert "--when" in err
    assert said(*command, log, "--when", "D")[0].count("z\n" if command[0] != "ls" else "app.log.2026-11-01\n") == 1


@pytest.mark.parametrize("command", [["cat"], ["tail", "-n", "20"], ["tail", "-n", "2"]], ids=" ".join)
@pytest.mark.parametrize(("until", "wanted"), [("16:00", "abcdefyzk"), ("15:59:59", "abcdefy"), ("15:58:59", "abcdef")])
def test_record_that_was_written_after_the_boundary(log: Path, command: list[str], until: str, wanted: str) -> None:
    """With `late_grace=0` it stands in the next file: that is looked at, too, where it begins within a minute of `--until`. What
    it begins with and has no time is not wanted."""
    late = "2026-11-23 15:58:59,000 y\n2026-11-23 15:59:59,000 z\n"
    log.with_name("app.log.2026-11-23_16").write_text("goes on\n" + late + hour(16, "g") + "2026-11-23 15:59:59,500 k\n")
    log.unlink()
    out, err = said(*command, log, "--when", "H", "--until", f"2026-11-23 {until}")
    assert letters(out) == (wanted[-2:] if command[-1] == "2" else wanted)
    assert "goes on" not in out
    assert err == ""


def test_next_file_that_cannot_matter(log: Path) -> None:
    """It begins later than a minute after `--until`, and is not opened; or it does not, but its lines have no times."""
    log.rename(log.with_name("app.log.2026-11-23_16"))
    log.with_name("app.log.2026-11-23_16").write_text("no time\n" * 3)
    for until in ("2026-11-23 15:59:30", "2026-11-23 16:00"):
        for command in ("cat", "tail"):
            assert "no time" not in "".join(said(command, log, "--when", "H", "--until", until))
    log.with_name("app.log.2026-11-23_16").rename(log.with_name("app.log.2026-11-23_16.gz"))
    assert said("cat", log, "--when", "H", "--until", "2026-11-23 15:58:59")[1] == ""
    assert "damaged" in said("cat", log, "--when", "H", "--until", "2026-11-23 15:59", code=1)[1]


def test_log_that_could_not_be_rotated(log: Path) -> None:
    """The active file goes on behind the period that the state record tells, where a folder may not be written to."""
    seen, schedule = log.stat(), Schedule.create("H", utc=True)
    state = State(FileId(seen.st_dev, seen.st_ino), seen.st_mtime_ns, schedule.period(1_795_446_000), schedule.fingerprint)
    log.with_name("app.log.lock").write_bytes(pack(state))
    assert letters(said("cat", log, "--since", "2026-11-23 16:00")[0]) == "gh"
    assert letters(said("tail", log, "--since", "2026-11-23 16:00")[0]) == "gh"


def test_truncated_file(log: Path) -> None:
    """What is readable is printed, whole lines apart from what follows; then the error, and exit code 1."""
    path = log.parent / "app.log.2026-11-23_14.gz"
    packed = gzip.compress(hour(14, *(f"{number:09}" for number in range(60))).encode())
    path.write_bytes(packed[:-60])
    out, err = said("cat", log, code=1)
    lines = out.splitlines()
    assert lines[0] == "2026-11-23 14:00:00,000 INFO 000000000"
    assert lines[20] == "2026-11-23 14:20:00,000 INFO 000000020"
    assert hour(15, "d").strip() in lines  # on a line of its own
    assert err.count("\n") == 1
    assert str(path) in err


def test_logs_one_after_the_other_and_merged(log: Path, tmp_path: Path) -> None:
    """Without --merge in the order of the arguments; with it by time, each record whole."""
    other = tmp_path / "web.log"
    other.write_text("2026-11-23 14:00:30,000 x\n2026-11-23 15:30:30,000 y\n  more\n2026-11-23 17:00:00,000 z")
    assert letters(said("cat", other, log)[0]) == "xyzabcdefgh"
    out, _ = said("cat", "--merge", log, other)
    assert letters(out) == "axbcdefyghz"
    assert TRACE + "2026-11-23 15:30:30,000 y\n  more\n" in out


def reader(log: Path) -> tuple[Reading, Asked]:
    """What `cat` reads with, once it has looked at the folder; and what it will say."""
    parser = argparse.ArgumentParser()
    add_log_arguments(parser)
    asked = Asked("cat", Wanted(), find_zone(True, None), "")
    return Reading(find("cat", parser.parse_args([str(log), "--when", "H"])), asked), asked


@pytest.mark.parametrize("when", ["before", "during"])
def test_files_that_move_meanwhile(log: Path, when: str) -> None:
    """A segment that is compressed and a log that is rotated after the folder was looked at: every record once all the same."""
    reading, asked = reader(log)
    pieces = reading.pieces()
    read = b"" if when == "before" else next(pieces)
    plain = log.with_name("app.log.2026-11-23_15.1")
    plain.with_name(f"{plain.name}.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    log.rename(log.with_name("app.log.2026-11-23_16"))
    log.write_text(hour(17, "i"))
    read += b"".join(pieces)
    assert letters(read.decode()) == ("abcdefghi" if when == "before" else "abcdefgh")
    assert not asked.failed


@pytest.mark.parametrize("gone", ["app.log.2026-11-23_14.gz", "app.log"])
def test_file_that_is_deleted_meanwhile(log: Path, gone: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The others come. Of a segment it is told; a log without an active file is one between two rotations."""
    reading, asked = reader(log)
    log.with_name(gone).unlink()
    assert letters(b"".join(reading.pieces()).decode()) == ("abcdef" if gone == "app.log" else "defgh")
    assert asked.failed == (gone != "app.log")
    assert ("was deleted meanwhile" in capsys.readouterr().err) == asked.failed


def test_log_that_is_rotated_at_each_look(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened as what it was when it was listed, or not at all: nothing is read for something else, nor for ever."""
    reading, _ = reader(log)
    really, made = os.open, list[Path]()

    def rotating(path: str, flags: int, mode: int = 0o777) -> int:
        if path == str(log):
            made.append(log.rename(log.with_name(f"moved.{len(made)}")))
            log.write_text(hour(17, "i"))
        return really(path, flags, mode)

    monkeypatch.setattr(os, "open", rotating)
    assert letters(b"".join(reading.pieces()).decode()) == "abcdef"
    assert len(made) == 20


def failing(path: Path, number: int) -> Callable[..., int]:
    """`os.open` that cannot open that file, whoever runs this."""
    really = os.open

    def opening(name: str, flags: int, mode: int = 0o777) -> int:
        if name == str(path):
            raise OSError(number, os.strerror(number), name)
        return really(name, flags, mode)

    return opening


@pytest.mark.parametrize("name", ["app.log.2026-11-23_14.gz", "app.log"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_file_that_cannot_be_opened(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, number: int
) -> None:
    """It is told, the rest is printed, and the command says no."""
    monkeypatch.setattr(os, "open", failing(log.with_name(name), number))
    for command in ("cat", "tail"):
        assert cli.main([command, str(log), "--utc"]) == 1
        out, err = capsys.readouterr()
        assert letters(out) == ("abcdef" if name == "app.log" else "defgh")
        assert str(log.with_name(name)) in err
        assert ("may not be read by" in err) == (number == errno.EACCES)


def test_segment_that_is_never_where_it_was_seen(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not looked for for ever."""
    segment = log.with_name("app.log.2026-11-23_14.gz")
    monkeypatch.setattr(os, "open", failing(segment, errno.ENOENT))
    assert cli.main(["cat", str(log), "--utc"]) == 1
    out, err = capsys.readouterr()
    assert (letters(out), err) == ("defgh", f"mpfhandler cat: {segment}: was deleted meanwhile\n")


def test_file_that_cannot_be_read_to_its_end(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the disk gives is printed, its error is told, and the files behind it come."""
    bad, really = log.with_name("app.log.2026-11-23_15.1"), os.pread

    def reading(fd: int, size: int, at: int) -> bytes:
        if os.path.samestat(os.fstat(fd), bad.stat()):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really(fd, size, at)

    monkeypatch.setattr(os, "pread", reading)
    assert cli.main(["cat", str(log), "--utc"]) == 1
    out, err = capsys.readouterr()
    assert letters(out) == "abcdegh"
    assert f"mpfhandler cat: {bad}: [Errno {errno.EIO}]" in err


@pytest.mark.parametrize("command", ["cat", "tail"])
@pytest.mark.parametrize(("method", "remedy"), [("xz", "use a Python that has it"), ("zst", "pip install 'mpfhandler[zstd]'")])
def test_python_without_a_way_to_unpack(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], method: str, remedy: str, command: str
) -> None:
    """What would help is told; the other files come."""
    log.with_name(f"app.log.2026-11-23_13.{method}").write_bytes(lzma.compress(b"x"))
    for name in ("lzma", "compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    assert cli.main([command, str(log), "--utc"]) == 1
    out, err = capsys.readouterr()
    assert letters(out) == "abcdefgh"
    assert f"app.log.2026-11-23_13.{method}: this Python cannot unpack {method} (" in err
    assert err.endswith(f"{remedy}\n")


@pytest.mark.parametrize("options", [[], ["--merge"]], ids=str)
def test_what_is_far_behind_the_end_is_not_read(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    """In a file with records of that time and many later ones; of each file that has some, and in both ways to print."""
    log.with_name("app.log.2026-11-23_15.1").write_text(hour(15, "x") + hour(17, "y") * 200_000)
    read, really = list[int](), os.pread

    def counting(fd: int, size: int, at: int) -> bytes:
        data = really(fd, size, at)
        read.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", counting)
    assert (
        cli.main(["cat", str(log), "--utc", "--when", "D", "--suffix", "%Y-%m-%d_%H", "--until", "2026-11-23 16:01", *options])
        == 0
    )
    assert letters(capsys.readouterr().out) == "abcdexg"
    assert sum(read) < 3 << 20


def test_wait_for_the_next_poll(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is over in time, with a pipe as with a file or with what has no descriptor; a reader that goes away ends it at once."""
    monkeypatch.setattr(tail, "_POLL", 0.01)
    reads, writes = os.pipe()
    with os.fdopen(reads, "rb") as pipe, os.fdopen(writes, "w") as into_pipe, (tmp_path / "out").open("w") as into_file:
        for out in (into_pipe, into_file, io.StringIO()):
            monkeypatch.setattr(sys, "stdout", out)
            tail._wait()
        pipe.close()
        monkeypatch.setattr(tail, "_POLL", 60)
        monkeypatch.setattr(sys, "stdout", into_pipe)
        with pytest.raises(BrokenPipeError):
            tail._wait()


def test_json_lines(tmp_path: Path) -> None:
    """The time under a key that is named."""
    log = tmp_path / "j.log"
    log.write_text('{"meta": {"at": 1795449600}, "x": 1}\n{"meta": {"at": "2026-11-23T16:30:00Z"}, "x": 2}\n')
    assert said("cat", log, "--since", "1795449601", "--time-field", "meta.at")[0].endswith('"x": 2}\n')
    out, err = said("cat", log, "--since", "1795449601")
    assert out == log.read_text()
    assert "no line begins with a time that is understood" in err


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("ÄRGER", True),
        ("äRg", True),
        ("ärgerĳ", False),
        ("^2026.* Ä{2}$", True),
        ("\\Ä{2}", True),
        ("[ä]rger", True),
        ("^2.* [äö]rger", True),
        (" [^äö]rger", False),
        (" [^öü]rger", True),
        (" [à-þ]rger", True),
        (" [a-þ]rger", True),
        (" [ê-þ]rger", False),
        (" [^à-þ]rger", False),
        (" [Ä]rger", True),
        (" [Á-Å]RGER", True),
        (" [^]é^]rger", True),
        (" [é^]rger", False),
        (" [Ѐ-Я] [^ё-]{2}$", True),
        (" [一-龥]", False),
        (" \\\\?[\\wä]rger", True),
        ("ё", True),
    ],
)
def test_letters_beyond_ascii(tmp_path: Path, pattern: str, found: bool) -> None:
    """They are letters to --grep and --ignore-case, though a log is bytes."""
    log = tmp_path / "app.log"
    log.write_text("2026-11-23 16:00:00,000 ärger Ё ää\n", encoding="utf-8")
    assert bool(said("cat", log, "-i", "--grep", pattern)[0]) is found


def test_binary_content_passes(tmp_path: Path) -> None:
    """Bytes are bytes, also without the end of a line."""
    log = tmp_path / "b.log"
    log.write_bytes(bytes(range(256)) * 5000)
    done = subprocess.run([*COMMAND, "cat", log], capture_output=True, check=True)
    assert done.stdout == log.read_bytes()


@pytest.mark.parametrize("command", ["cat", "tail"])
def test_segment_that_is_named_itself(log: Path, command: str) -> None:
    """It is unpacked; nothing else is read."""
    assert said(command, f"{log}.2026-11-23_14.gz")[0] == hour(14, "a", "b", "c")


@pytest.mark.parametrize("command", ["cat", "tail"])
def test_no_such_log(log: Path, command: str) -> None:
    """The nearest name is told; exit code 2."""
    out, err = said(command, log.parent / "ap.log", code=2)
    assert out == ""
    assert "app.log" in err


@pytest.mark.parametrize(
    "options", [["--since", "soon"], ["--grep", "("], ["--since", "2026-11-23", "--until", "2026-11-22"], ["--when", "X"]]
)
def test_wrong_usage(log: Path, options: list[str]) -> None:
    """It is told by the option's name; exit code 2."""
    out, err = said("cat", log, *options, code=2)
    assert (out, err.count("\n")) == ("", 1)
    assert f"mpfhandler cat: {options[-2]}=" in err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_file_of_somebody_else(log: Path) -> None:
    """What may not be read is told with its owner; the rest is printed."""
    (log.parent / "app.log.2026-11-23_14.gz").chmod(0)
    out, err = said("cat", log, code=1)
    assert letters(out) == "defgh"
    assert "app.log.2026-11-23_14.gz" in err


@pytest.mark.parametrize("command", ["cat", "tail"])
def test_closed_pipe_is_quiet(log: Path, command: str) -> None:
    """Nothing on standard error, exit code 141."""
    log.write_text(hour(16, "x" * 100) * 20_000)
    options = ["-n", "20000"] if command == "tail" else []
    with subprocess.Popen([*COMMAND, command, log, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert (running.stderr.read(), running.wait()) == (b"", 141)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ([], "abcdefgh"),
        (["-n", "3"], "fgh"),
        (["-n", "0"], ""),
        (["-n", "2", "--grep", "ERROR|b"], "bf"),
        (["--since", "2026-11-23 15:01"], "efgh"),
        (["--since", "2026-11-23 15:01", "-n", "2"], "gh"),
        (["--until", "2026-11-23 15:01", "-n", "2"], "cd"),
    ],
)
def test_last_records(log: Path, options: list[str], wanted: str) -> None:
    """So many records, or all of a time, from as many files as it takes."""
    out, _ = said("tail", log, *options)
    assert letters(out) == wanted
    assert (TRACE in out) == ("f" in wanted)


@pytest.mark.parametrize("options", [[], ["-n", "20"], ["--since", "2026-11-23"]], ids=str)
def test_last_line_of_a_file_gets_an_end(log: Path, options: list[str]) -> None:
    """If it has none, and another file follows."""
    log.with_name("app.log.2026-11-23_15.1").write_text("2026-11-23 15:30:00,000 ERROR f")
    log.write_text(hour(16, "g", "h").rstrip("\n"))
    assert letters(said("tail", log, *options)[0]) == "abcdefgh"
    assert said("tail", log, *options)[0].endswith(" h")


@pytest.mark.parametrize("head", ["2026-11-23 16:00:00,000 ", ""])
@pytest.mark.parametrize("end", ["\n", ""])
@pytest.mark.parametrize("size", [100_000, 700_000, 3_000_000])
def test_last_record_is_whole(log: Path, size: int, end: str, head: str) -> None:
    """Whatever its length, up to 4 MiB."""
    last = f"{head}the{'x' * size}last{end}"
    log.write_text(f"{head}first\n" * 200_000 + last)
    found = [said("tail", log, "-n", number)[0] for number in (1, 2)]
    assert [text[:30] for text in found] == [last[:30], f"{head}first\n{last}"[:30]]
    assert list(map(len, found)) == [len(last), len(f"{head}first\n{last}")]


def test_long_records(log: Path) -> None:
    """How records begin is seen from the beginning of the file, also where it is read from the middle of one."""
    records = [f"2026-11-23 16:{minute}:00,000 INFO {minute}\n" + "ValueError: x\n" * 20_000 for minute in range(10, 30)]
    log.write_text("".join(records))
    for arguments, wanted in (
        (["cat", log, "--since", "2026-11-23 16:25"], records[15:]),
        (["tail", log, "-n", "2"], records[-2:]),
    ):
        out, err = said(*arguments)
        assert (len(out), out[:40], err) == (sum(map(len, wanted)), wanted[0][:40], "")


def test_last_records_of_a_big_file(log: Path) -> None:
    """Those that are rare are found from the end backwards, with their tracebacks."""
    lines = [hour(16, f"{number} needle\nValueError: x" if number % 5000 == 7 else f"{number}") for number in range(20_000)]
    log.write_text("".join(lines))
    assert said("tail", log, "-n", "2", "--grep", "needle")[0] == lines[10_007] + lines[15_007]
    assert said("tail", log, "-n", "5000")[0] == "".join(lines[-5000:])


@pytest.mark.parametrize("command", ["cat", "tail"])
def test_help_has_examples_and_exit_codes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The examples are commands that the parser takes."""
    assert cli.main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "exit codes: 0 done" in text
    assert text.count(f"  mpfhandler {command} ") == 2


MEASURED = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "mpfhandler", *sys.argv[1:]], stdout=subprocess.DEVNULL)
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(done.returncode, most // 1024 if sys.platform == "darwin" else most)
"""


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["cat"], ["cat", "--grep", "needle"], ["tail", "--grep", "needle"]], ids=" ".join)
def test_memory_for_ten_gigabytes(tmp_path: Path, arguments: list[str]) -> None:
    """Under 64 MiB, for a file that has a beginning, an end and a hole of 10 GB, which is read as zeros."""
    log = tmp_path / "app.log"
    with log.open("wb") as file:
        file.write(hour(15, "x" * 100, "a needle").encode() * 5000)
        file.seek(10 << 30)
        file.write(b"\n" + hour(16, "y" * 100, "the needle").encode() * 5000)
    words = [sys.executable, "-c", MEASURED, arguments[0], str(log), *arguments[1:]]  # a fork of this process counts its memory
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=UTC)
    code, kilobytes = map(int, done.stdout.split())
    assert code == 0
    assert kilobytes < 64 * 1024
