"""Files are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from foundation.command_line import in_words
from foundation.files import (
    OWNER,
    PARTIAL,
    bytes_within,
    hashed_meanwhile,
    leads_out,
    partial_beside,
    sha256_of,
    sweep_partial,
    whole_file,
    write_text,
)
from foundation.safetensors_stream import write_tensors

ROOT = Path(__file__).resolve().parents[2]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail_half_way() -> None:
        with whole_file(path) as beside:
            beside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("stem", ["x" * 240, "\N{HIRAGANA LETTER NO}" * 80])
def test_a_name_as_long_as_the_disk_takes_can_be_written(stem: str, tmp_path: Path) -> None:
    path = tmp_path / f"{stem}.png"
    write_text(path, "one")
    write_text(path, "two")
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    left = partial_beside(path)
    left.write_text("half")
    owner = OWNER.search(left.name)
    assert owner is not None
    left.rename(left.with_name(left.name.replace(f"-{owner[2]}-", f"-{2**22 - 7}-")))
    sweep_partial(tmp_path, stem)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


HALF_WRITTEN = """
import os, sys
from pathlib import Path
from foundation.files import whole_file
with whole_file(Path(sys.argv[1])) as beside:
    beside.write_text("half")
    print("half", flush=True)
    sys.stdin.read()
"""


def _writer(path: Path) -> subprocess.Popen[str]:
    """Another process that is half-way through writing `path`, and ends well once its input is closed."""
    command = [sys.executable, "-c", HALF_WRITTEN, str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "half\n"
    return process


def test_what_a_living_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    writer = _writer(tmp_path / "a.txt")
    sweep_partial(tmp_path)
    writer.communicate()
    assert writer.returncode == 0
    assert (tmp_path / "a.txt").read_text() == "half"


def test_what_a_kill_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "whole.txt").write_text("whole")
    writer = _writer(tmp_path / "a.txt")
    writer.kill()
    writer.communicate()
    assert len(list(tmp_path.iterdir())) == 2
    sweep_partial(tmp_path, "b")
    assert len(list(tmp_path.iterdir())) == 2
    sweep_partial(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["whole.txt"]


def test_the_next_command_sweeps_what_a_kill_left_in_the_folder_that_it_writes_to(tmp_path: Path) -> None:
    writer = _writer(tmp_path / "a.txt")
    writer.kill()
    writer.communicate()
    assert len(list(tmp_path.iterdir())) == 1
    write_text(tmp_path / "b.txt", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_another_hosts_file_is_swept_after_a_day(tmp_path: Path) -> None:
    """Its process cannot be asked: the number may be anybody's here."""
    name = OWNER.sub(f"-ffffffff-{os.getpid()}-00000000{PARTIAL}", partial_beside(tmp_path / "a.txt").name)
    young, old = tmp_path / name, tmp_path / f"old{name}".replace("old.", ".old")
    for path, age in ((young, 3600), (old, 25 * 3600)):
        path.write_text("half")
        os.utime(path, (time.time() - age,) * 2)
    sweep_partial(tmp_path)
    assert list(tmp_path.iterdir()) == [young]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system refuses to let any file grow over `size` bytes, as a full disk does."""
    before, heard = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, heard)


def test_a_full_disk_is_told_of_by_the_files_own_name_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    with files_of_at_most(4096), pytest.raises(OSError, match="too large") as caught:
        write_tensors(path, {"weights": torch.ones(10_000)})
    assert in_words(caught.value).startswith(f"{path}: File too large; name a disk")
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_finds_the_disk_full_names_what_it_was_to_become(tmp_path: Path) -> None:
    source, path = tmp_path / "source", tmp_path / "a.txt"
    source.write_bytes(bytes(10_000))

    def copy() -> None:
        with whole_file(path) as beside:
            shutil.copyfile(source, beside)

    with files_of_at_most(4096), pytest.raises(OSError, match="too large") as caught:
        copy()
    assert in_words(caught.value).startswith(f"{path}: File too large")


def test_what_the_disk_does_not_let_go_of_hides_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "unlink", read_only)
    path = tmp_path / "a.txt"

    def fill_up() -> None:
        with whole_file(path):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as caught:
        fill_up()
    assert caught.value.filename == str(path)


def test_a_librarys_own_words_are_told_with_the_files_name(tmp_path: Path) -> None:
    def fail() -> None:
        with whole_file(tmp_path / "a.png"):
            raise OSError("encoder error -2 when writing image file")

    with pytest.raises(OSError, match="encoder error -2") as caught:
        fail()
    assert in_words(caught.value).startswith(f"{tmp_path / 'a.png'}: encoder error -2")


def test_tensors_come_back_in_type_and_shape(tmp_path: Path) -> None:
    from safetensors import safe_open

    tensors = {"a": torch.ones(2, 3).t(), "b": torch.tensor(7), "c": torch.zeros(3, dtype=torch.uint8)}
    write_tensors(tmp_path / "a.safetensors", tensors, {"of": "test"})
    with safe_open(tmp_path / "a.safetensors", "pt") as opened:
        assert opened.metadata() == {"of": "test"}
        for key, tensor in tensors.items():
            found = opened.get_tensor(key)
            assert found.dtype == tensor.dtype
            assert found.shape == tensor.shape
            assert torch.equal(found, tensor)


def test_files_are_hashed_while_something_else_is_done(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).write_text(name)
    with hashed_meanwhile([tmp_path / "one", tmp_path / "none"]) as sha256:
        assert sha256(tmp_path / "one") == sha256_of(tmp_path / "one")
        assert sha256(tmp_path / "other") == sha256_of(tmp_path / "other"), "one that nobody spoke of before"
        with pytest.raises(FileNotFoundError, match="none"):
            sha256(tmp_path / "none")


@pytest.mark.parametrize("read", [sha256_of, lambda path: bytes_within(path, 9)], ids=["hashed", "read"])
def test_what_is_no_ordinary_file_is_never_opened(tmp_path: Path, read: Callable[[Path], object]) -> None:
    pipe, device = tmp_path / "pipe", tmp_path / "device"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    for path, kind in ((pipe, "is a named pipe"), (device, "is a device")):
        with pytest.raises(OSError, match=kind) as caught:
            read(path)
        assert caught.value.filename == str(path)


def test_no_more_of_a_file_is_read_than_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"123456789")
    assert bytes_within(path, 9) == b"123456789"
    with pytest.raises(OSError, match="more than 8 bytes"):
        bytes_within(path, 8)


def test_a_link_on_the_way_leads_out(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "a").touch()
    (inside / "below").symlink_to(outside)
    (inside / "file").symlink_to(outside / "a")
    (inside / "own").symlink_to(inside / "a")
    (inside / "round").symlink_to(inside / "round")
    found = [name for name in ("a", "own", "round", "not there") if leads_out(inside / name, inside)]
    assert found == []
    assert all(leads_out(inside / name, inside) for name in ("below/a", "file", "../out/a"))
