"""Text of any editor is read the same; what is no text, TOML or JSON is one error that names the place."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import MissingFileError
from foundation.files import read_at_most
from foundation.text_files import MOST_OF_A_CAPTION, TextFileError, caption_text, legible_text, read_json, read_text
from foundation.toml_config import DEEP_KEY, read_toml

TEXT = 'name = "müller, 笑顔"\n\nage = 3\n'
MARKS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", [*MARKS, "utf-16-le", "utf-16-be", "utf-32-be"])
def test_every_encoding_and_every_end_of_line(tmp_path: Path, encoding: str, ends: str) -> None:
    path = tmp_path / "a.toml"
    mark = "\ufeff" * (encoding not in MARKS)
    path.write_bytes((mark + TEXT.replace("\n", ends)).encode(encoding))
    assert read_text(path) == TEXT
    assert read_toml(path) == {"name": "müller, 笑顔", "age": 3}
    path.write_bytes((mark + '{"name":\n "müller"}'.replace("\n", ends)).encode(encoding))
    assert read_json(path) == {"name": "müller"}


@given(st.text(st.characters(exclude_characters="\r\0\ufeff", exclude_categories=["Cs"])), st.sampled_from(MARKS))
def test_no_letter_is_lost(tmp_path_factory: pytest.TempPathFactory, text: str, encoding: str) -> None:
    path = tmp_path_factory.getbasetemp() / "text"
    path.write_bytes(text.encode(encoding))
    assert read_text(path) == text


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("a\nfotö".encode("cp1252"), "is not UTF-8 text: byte 5, in line 2, is 0xF6"),
        ("照片".encode("gbk"), "is not UTF-8 text: byte 0, in line 1, is 0xD5"),
        ("写真".encode("shift-jis"), "is not UTF-8 text: byte 0, in line 1, is 0x8E"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is not UTF-8 text: byte 0, in line 1, is 0x89"),
        (b"words\0more", "is not UTF-8 text: byte 5, in line 1, is 0x00"),
        ("no mark".encode("utf-16-le"), "is not UTF-8 text: byte 1, in line 1, is 0x00"),
        (b"\xff\xfea\0b", "is not UTF-16 text: byte 4, in line 1, is 0x62"),
        (b"\xef\xbb\xbfa\n\xfc", "is not UTF-8 text: byte 5, in line 2, is 0xFC"),
        ("\ufeffé\0".encode("utf-16-be"), "is not UTF-16 text: byte 4, in line 1, is 0x00"),
    ],
)
def test_what_is_no_text_is_named_with_its_byte(tmp_path: Path, written: bytes, fault: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(written)
    for read in (read_text, read_toml, read_json):
        with pytest.raises(TextFileError) as caught:
            read(path)
        assert str(caught.value) == f"{path}: {fault}; save the file as UTF-8 text"


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("a = ", r"not valid TOML \(Invalid value"),
        ("a = " + "[" * 20_000, r"not valid TOML \(brackets within brackets, deeper than can be read\)"),
        ("a = " + "9" * 5_000, r"not valid TOML \(a whole number of thousands of digits\)"),
    ],
)
def test_toml_that_cannot_be_read(tmp_path: Path, written: str, fault: str) -> None:
    (tmp_path / "a.toml").write_text(written)
    with pytest.raises(TextFileError, match=rf"a\.toml: {fault}.*; mend that place$"):
        read_toml(tmp_path / "a.toml")


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("", r"is not valid JSON \(Expecting value, at line 1, column 1\)"),
        ('{\n"a": 1,}', r"is not valid JSON \(.*, at line 2, column \d+\)"),
        ("[" * 200_000, r"is not valid JSON \(brackets within brackets, deeper than can be read\)"),
        ("9" * 5_000, r"is not valid JSON \(a whole number of thousands of digits\)"),
    ],
)
def test_json_that_cannot_be_read(tmp_path: Path, written: str, fault: str) -> None:
    (tmp_path / "a.json").write_text(written)
    with pytest.raises(TextFileError, match=rf"a\.json: {fault}; mend that place$"):
        read_json(tmp_path / "a.json")


def test_what_is_no_file_is_named_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "gone").symlink_to("nowhere")
    for name, fault in {"pipe": "is a named pipe", "zero": "is a device", "gone": "is a link to nowhere"}.items():
        for read in (read_text, read_toml, read_json):
            with pytest.raises(TextFileError, match=f"{name}: {fault}.*; give a text file in its place"):
                read(tmp_path / name)
        assert legible_text(tmp_path / name) == ""
    with pytest.raises(MissingFileError, match="nothing: no such file"):
        read_text(tmp_path / "nothing")


def test_what_is_only_shown_is_never_an_error(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_bytes("MIT\r\n© Müller".encode("cp1252"))
    assert legible_text(tmp_path / "LICENSE") == "MIT\n\ufffd M\ufffdller"


def test_a_folder_in_the_place_of_a_toml_file_names_the_files_in_it(tmp_path: Path) -> None:
    (tmp_path / "train.toml").touch()
    (tmp_path / "grid.toml").touch()
    with pytest.raises(TextFileError, match=r"is a folder, not a file; name a file in it: grid\.toml, train\.toml"):
        read_toml(tmp_path)


def test_no_more_is_read_than_such_a_file_can_have(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"a" * MOST_OF_A_CAPTION)
    assert len(caption_text(path)) == MOST_OF_A_CAPTION
    for length, read in ((MOST_OF_A_CAPTION + 1, caption_text), (3 * 2**30, read_text), (3 * 2**28, read_toml)):
        os.truncate(path, length)
        with pytest.raises(TextFileError, match=rf"a\.txt: has {length:,} bytes, and [0-9,]+ are the most.*smaller"):
            read(path)


NAMES = ".".join("a" * 101)


@pytest.mark.parametrize(
    "written",
    [
        f"[x]\n{NAMES} = 1",
        f"\n[{NAMES}]",
        f"\n[[{NAMES.replace('.', ' . ')}]]",
        f"\nx = {{ y = 'b', {NAMES} = 1 }}",
        "\n" + NAMES.replace("a", '"a \\" b"') + " = 1",
    ],
)
def test_a_key_of_very_many_parts_is_named_before_it_is_parsed(tmp_path: Path, written: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(written)
    with pytest.raises(TextFileError, match=r"a\.toml: a key of more than 100 parts, in line 2; mend"):
        read_toml(path)


def test_tables_within_tables_end_somewhere(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f"[{'a.' * 60}a]\n{'b.' * 60}b = 1")
    with pytest.raises(TextFileError, match="deeper than can be read"):
        read_toml(path)
    path.write_text(f"[{'a.' * 40}a]\n{'b.' * 40}b = 'a.b. {'c.' * 90}'")
    assert list(read_toml(path)) == ["a"]


@pytest.mark.parametrize("text", ["a" * 2**20, '"' + '\\"' * 2**19, "'" * 2**20, '""' * 2**19, '"a".' * 99 + "="])
def test_keys_are_looked_for_in_time(text: str) -> None:
    began = time.process_time()
    assert DEEP_KEY.search(text) is None
    assert time.process_time() - began < 5


@pytest.mark.skipif(not Path("/proc/sys/kernel/random/boot_id").is_file(), reason="Linux alone has it")
def test_what_the_system_makes_up_is_read_too() -> None:
    """It says to have no bytes, and refuses one large read."""
    assert len(legible_text(Path("/proc/sys/kernel/random/boot_id")).strip()) == 36


def test_of_a_file_no_more_than_asked_is_read(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(bytes(range(256)) * 5000)
    for most in (0, 1, 2**20, 2**20 + 1, 2**21):
        with path.open("rb") as stream:
            assert read_at_most(stream, most) == path.read_bytes()[:most]
