"""What users write for options, and what is made of it."""

from __future__ import annotations

import dataclasses
import math
import pickle
import sys
from typing import Any

import pytest

from mpfhandler._pure.convert import spelled, to_count, to_encoding, to_flag, to_mode, to_seconds
from mpfhandler._pure.errors import InvalidOption, InvalidOptionType, MpfHandlerError, path_error
from mpfhandler._pure.options import (
    LEVELS,
    Access,
    Archive,
    Compression,
    Delivery,
    Options,
    Retention,
    to_compression,
    to_delivery,
    to_fsync,
    to_retention,
)
from mpfhandler._pure.schedule import Schedule


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (True, True), (False, False), (1, True), (0, False), ("True", True), ("false", False), (" Yes ", True), ("no", False),
        ("on", True), ("OFF", False), ("1", True), ("0", False),
    ],
)  # fmt: skip
def test_flag_also_as_text(given: object, wanted: bool) -> None:
    """A configuration file's "False" is false."""
    assert to_flag("delay", given) is wanted


@pytest.mark.parametrize("given", ["", "maybe", "2", 2, -1, 1.0, None, [], object()])
def test_anything_else_is_no_flag(given: object) -> None:
    """What is not clearly one of both is refused, by the parameter's name."""
    with pytest.raises(InvalidOptionType, match=r"^delay="):
        to_flag("delay", given)


@pytest.mark.parametrize(("given", "wanted"), [(0, 0), (7, 7), ("7", 7), (7.0, 7), ("1e3", 1000), (sys.maxsize, sys.maxsize)])
def test_count_also_as_text(given: object, wanted: int) -> None:
    """A whole number, also as text."""
    assert to_count("backupCount", given) == wanted
    assert type(to_count("backupCount", given)) is int


@pytest.mark.parametrize("given", [-1, "-1", 1.5, "1.5", "many", "", math.nan, math.inf, "nan", "inf", -math.inf])
def test_bad_count_is_a_value_error(given: object) -> None:
    """A negative, broken or endless count is refused, by the parameter's name."""
    with pytest.raises(InvalidOption, match=r"^backupCount="):
        to_count("backupCount", given)


@pytest.mark.parametrize("given", [None, True, b"7", [7], 7j])
def test_count_of_another_type_is_a_type_error(given: object) -> None:
    """What is no number at all is refused as a `TypeError`."""
    with pytest.raises(TypeError, match=r"^backupCount="):
        to_count("backupCount", given)


@pytest.mark.parametrize("convert", [to_count, to_seconds])
def test_number_beyond_floats_is_refused_or_taken(convert: Any) -> None:
    """A number that no float holds gives a `ValueError` that names the parameter, if it is not taken."""
    try:
        convert("lock_timeout", 10**400)
    except ValueError as error:
        assert str(error).startswith("lock_timeout=")  # noqa: PT017  taking it is right as well


def test_count_has_a_minimum() -> None:
    """The bound is inclusive and is named."""
    assert to_count("interval", 1, 1) == 1
    with pytest.raises(InvalidOption, match="use 1 or more"):
        to_count("interval", 0, 1)


@pytest.mark.parametrize(("given", "wanted"), [(0, 0.0), (2, 2.0), ("2.5", 2.5), (0.001, 0.001), ("1e-3", 0.001)])
def test_seconds_also_as_text(given: object, wanted: float) -> None:
    """A duration is a float of seconds."""
    assert to_seconds("lock_timeout", given) == wanted


@pytest.mark.parametrize("given", [-0.001, "-1", math.nan, math.inf, "soon"])
def test_bad_seconds_are_a_value_error(given: object) -> None:
    """A negative or endless duration is refused."""
    with pytest.raises(InvalidOption, match=r"^lock_timeout="):
        to_seconds("lock_timeout", given)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(None, None), (0o640, 0o640), ("0640", 0o640), ("0o640", 0o640), ("640", 0o640), ("2775", 0o2775), (0o600, 0o600)],
)
def test_mode_is_octal_text_or_a_number(given: object, wanted: int | None) -> None:
    """`"0640"` in a configuration file is what `0o640` is in Python."""
    assert to_mode("chmod", given) == wanted


@pytest.mark.parametrize("given", ["rw-r-----", "0999", "0x1a0", "", "64", "０６４０", True, 6.4, -1, 0o10000])
def test_bad_mode_is_refused(given: object) -> None:
    """What is not a mode is refused, and the remedy shows one."""
    with pytest.raises(InvalidOption, match=r"^chmod=.*0o640"):
        to_mode("chmod", given)


def test_access_is_wanted_if_any_part_is() -> None:
    """A mode of 0 and the user id 0 are wishes too."""
    assert not Access().wanted
    assert Access(mode=0).wanted
    assert Access(uid=0).wanted
    assert Access(gid=0).wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("utf-8", "utf-8"),
        ("UTF8", "utf-8"),
        ("latin1", "iso8859-1"),
        ("gb18030", "gb18030"),
        ("utf-8-sig", "utf-8"),
        (None, "cp1252"),
    ],
)
def test_encoding_is_normalised(given: object, wanted: str) -> None:
    """Names are looked up once; None is the caller's default."""
    assert to_encoding("encoding", given, "strict", "cp1252") == (wanted, "strict")


@pytest.mark.parametrize("given", ["utf-8-sig", "utf-16", "utf-32", "UTF_16"])
def test_encoding_with_a_mark_is_replaced(given: str) -> None:
    """Each record is encoded by itself, so no encoding is used that would begin each of them with a mark."""
    name, _ = to_encoding("encoding", given, "strict", "utf-8")
    assert "a".encode(name) + "b".encode(name) == "ab".encode(name)
    assert "a".encode(name).decode(name) == "a"


@pytest.mark.parametrize("given", ["utf-9", "rot13", "hex", "zlib", "undefined", "", "a\0b"])
def test_encoding_that_takes_no_text_is_refused(given: str) -> None:
    """Unknown names and codecs that are not text encodings are refused at construction, not at the first record."""
    with pytest.raises(InvalidOption, match=r"^encoding="):
        to_encoding("encoding", given, "strict", "utf-8")


def test_error_handler_is_checked() -> None:
    """A handler for odd characters that does not exist is refused at construction."""
    with pytest.raises(InvalidOption, match=r"^errors="):
        to_encoding("encoding", "utf-8", "backslash", "utf-8")
    with pytest.raises(TypeError, match=r"^errors="):
        to_encoding("encoding", "utf-8", 7, "utf-8")
    with pytest.raises(TypeError, match=r"^encoding="):
        to_encoding("encoding", 7, "strict", "utf-8")


def test_delivery_also_as_text() -> None:
    """The parameters of delivery, as a configuration file writes them, and their defaults."""
    assert to_delivery("direct", 0.2, 65536, "block") == Delivery()
    assert to_delivery(" BUFFERED", "0.5", "4096", "Drop") == Delivery(buffered=True, interval=0.5, size=4096, drops=True)


def test_compression_also_as_text() -> None:
    """The parameters of compression, as a configuration file writes them, and their defaults."""
    assert to_compression(None, None, 300) == Compression()
    assert to_compression(" GZ", "9", "0") == Compression("gz", 9, 0.0)
    assert to_compression("zst", 22, 300.0).level == 22


@pytest.mark.parametrize("method", ["gz", "zst", "xz", "bz2"])
def test_level_is_in_the_range_of_the_method(method: str) -> None:
    """The first and the last level are taken, the ones beyond are refused with the range as the remedy."""
    levels = LEVELS[method]
    for level in levels:
        assert to_compression(method, level, 0).level == level
    for level in (levels.start - 1, levels.stop):
        with pytest.raises(InvalidOption, match=rf"^compress_level={level}: .*; use {levels.start} to {levels.stop - 1}"):
            to_compression(method, level, 0)


def test_rules_also_as_text() -> None:
    """The rules of retention, as a configuration file writes them; without one there is none."""
    assert to_retention(None, None, None) == to_retention(0, "0", 0) == Retention()
    assert to_retention("14d", "10GB", "1 GiB") == Retention(14 * 86400.0, 10 * 10**9, 1 << 30)
    assert not Retention().wanted
    assert all(rule.wanted for rule in (Retention(max_age=1), Retention(max_total_bytes=1), Retention(min_free_bytes=1)))


def test_options_delete_if_there_is_a_rule() -> None:
    """A count or any other rule."""
    schedule = Schedule.create("H")
    assert not Options(schedule).deletes
    assert Options(schedule, backup_count=1).deletes
    assert Options(schedule, retention=Retention(min_free_bytes=1)).deletes


@pytest.mark.parametrize(
    ("options", "seals", "prunes", "keeps_house"),
    [
        ({}, False, False, False),
        ({"backup_count": 7}, False, False, False),
        ({"compression": Compression(level=9, delay=0.0)}, False, False, False),
        ({"archive": Archive(delete=True)}, False, False, False),
        ({"compression": Compression("gz")}, True, False, True),
        ({"archive": Archive("file:///mnt")}, True, False, True),
        ({"on_seal": print}, True, False, True),
        ({"fsync": "seal"}, True, False, True),
        ({"fsync": "always"}, True, False, True),
        ({"retention": Retention(max_age=1.0)}, False, True, True),
        ({"retention": Retention(min_free_bytes=1)}, False, True, True),
        ({"rotate_idle": True}, False, False, True),
    ],
)
def test_options_tell_what_work_there_is(options: dict[str, Any], seals: bool, prunes: bool, keeps_house: bool) -> None:
    """Only what comes due without a record needs a thread that waits; a level without a method asks for nothing."""
    found = Options(Schedule.create("H"), **options)
    assert (found.seals, found.prunes, found.keeps_house) == (seals, prunes, keeps_house)


def test_fsync_also_as_text() -> None:
    """Words in any case."""
    assert [to_fsync(word) for word in ("Never", " seal ", "ALWAYS")] == ["never", "seal", "always"]


def test_options_are_frozen() -> None:
    """Options are a value: nobody changes them behind the engine's back."""
    options = Options(Schedule.create("H"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.backup_count = 3  # type: ignore[misc]


def test_parameter_is_spelled_as_its_caller_did() -> None:
    """A message to a handler's user says `backupCount`, to the engine's `backup_count`."""
    assert spelled({"backup_count": "backupCount"}, "backup_count") == "backupCount"
    assert spelled({}, "backup_count") == "backup_count"


def test_message_names_parameter_value_and_remedy() -> None:
    """Every error of a constructor says what was wrong and what to write instead."""
    error = InvalidOption("when", "X", "is no unit", "use 'H'")
    assert str(error) == "when='X': is no unit; use 'H'"
    assert (error.parameter, error.value) == ("when", "X")
    assert str(path_error(PermissionError, "filename", "/x", "may not be written", "name another")) == (
        "filename='/x': may not be written; name another"
    )


@pytest.mark.parametrize("kind", [InvalidOption, InvalidOptionType])
def test_errors_are_the_standard_ones_too(kind: type[InvalidOption]) -> None:
    """They are caught as `ValueError` and as the package's own, a wrong type also as `TypeError`."""
    error = kind("when", "X", "is no unit", "use 'H'")
    assert isinstance(error, ValueError)
    assert isinstance(error, MpfHandlerError)
    assert isinstance(error, TypeError) is (kind is InvalidOptionType)


@pytest.mark.parametrize("kind", [InvalidOption, InvalidOptionType])
def test_errors_travel_between_processes(kind: type[InvalidOption]) -> None:
    """A worker's error arrives in its parent as it was."""
    twin = pickle.loads(pickle.dumps(kind("when", "X", "is no unit", "use 'H'")))
    assert type(twin) is kind
    assert (str(twin), twin.parameter, twin.value) == ("when='X': is no unit; use 'H'", "when", "X")
