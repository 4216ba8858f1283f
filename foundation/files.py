"""Files that are either whole or absent: written beside, flushed to the disk, then renamed into place."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import socket
import stat
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from io import BufferedReader
from pathlib import Path
from uuid import uuid4

from foundation.errors import DamagedFileError, InputOverwrittenError
from foundation.progress import at_hand

PARTIAL = ".partial"
LONGEST_STEM = 120  # bytes of the 255 that file systems give a name
# What a temporary's name says of its writer: the host, and the process there.
OWNER = re.compile(r"-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}" + re.escape(PARTIAL))
# What is hashed in blocks, and so for seconds on a slow disk.
LARGE = 256 * 2**20
BLOCK = 2**24
BLOCK_MB = BLOCK // 2**20
PIECE = 2**20
# Whether another host's process still lives cannot be told; none writes a file for so long.
ABANDONED = 24 * 60 * 60  # seconds
# What may stand where a file is expected. To open all but a folder may wait for ever, or never come to an end.
KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """Yield a path beside `path` to write to; it becomes `path` when the block ends well, else it vanishes.

    What killed commands left half-written in the folder is removed. The suffix is kept, because many libraries choose
    the format by it. Permissions follow the umask. An OSError names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file_there(path) as beside:
        yield beside


@contextmanager
def whole_file_there(path: Path) -> Generator[Path]:
    """As `whole_file`, in a folder that is there: one that was taken away meanwhile is not made anew."""
    _sweep_once(path.parent)
    beside = partial_beside(path)
    with told_of(path, beside), gone_at_last(beside):
        yield beside
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(beside, 0o666 & ~mask)
        flush(beside)
        os.replace(beside, path)
        flush(path.parent)


@contextmanager
def told_of(path: Path, beside: Path) -> Generator[None]:
    """An OSError of the block names `path`, and not `beside` or what lies in it, which says nothing to a user."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # a library's own words, as Pillow's, without any name
            raise OSError(errno.EIO, " ".join(str(error).split()), str(path)) from error
        named = [Path(one) for one in (error.filename, error.filename2) if isinstance(one, str)]
        inner = [one.relative_to(beside) for one in named if one.is_relative_to(beside)]
        if inner or not named:  # of a full disk nothing is named; of a copy both sides are
            error.filename, error.filename2 = str(path / inner[0] if inner else path), None
        raise


@contextmanager
def gone_at_last(beside: Path) -> Generator[None]:
    """Remove `beside`, a file or a folder, when the block ends; what cannot be removed is swept by the next run.

    Said is why the block failed, not that the same disk does not let go of what it left.
    """
    try:
        yield
    finally:
        if beside.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def check_written(beside: Path, sha256: str, path: Path) -> None:
    """Compare the hash of what was meant with what the disk has of `beside`, which is to become `path`.

    Raises DamagedFileError where they differ.
    """
    flush(beside, forget=True)
    check_given_back(sha256_of(beside), sha256, path)


def check_given_back(found: str, meant: str, path: Path) -> None:
    """Raise DamagedFileError where the hash of what the disk has is not that of what `path` was meant to be."""
    if found != meant:
        raise DamagedFileError(
            f"{path}: the disk gave back other bytes than were written, so the file was not put in place; "
            "check the disk and the room that is left on it, then run the same command again"
        )


def check_is_no_input(output: Path, inputs: Iterable[Path]) -> None:
    """Raise InputOverwrittenError where `output` is one of the files that it is to be made of, under whatever name."""
    if output.exists() and any(one.exists() and one.samefile(output) for one in inputs):
        raise InputOverwrittenError(f"{output}: is one of the inputs, which would be lost; name another file with -o")


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file whole."""
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8")


def partial_beside(path: Path) -> Path:
    """A new name beside `path` for what will become it: hidden, with its suffix, and with who is writing it."""
    return path.with_name(f".{_cut(path.stem)}-{_host()}-{os.getpid()}-{uuid4().hex[:8]}{PARTIAL}{path.suffix}")


def _cut(stem: str) -> str:
    """The beginning of a name, so long that what is written behind it fits into a name, too."""
    return stem.encode("utf-8", "surrogateescape")[:LONGEST_STEM].decode("utf-8", "ignore")


def sweep_partial(folder: Path, stem: str = "") -> None:
    """Remove what a kill left half-written in `folder`, of files whose name begins with `stem`.

    What a living process of this host is writing stays, and so does what another host wrote less than a day ago.
    """
    for left in folder.glob(f".*{PARTIAL}*"):
        if not left.name.startswith(f".{_cut(stem)}") or not _is_left_over(left):
            continue
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


@cache
def _sweep_once(folder: Path) -> None:
    """Whoever writes into a folder first removes what killed commands left half-written there, once a process."""
    sweep_partial(folder)


def _is_left_over(path: Path) -> bool:
    owner = OWNER.search(path.name)
    if owner and owner[1] == _host():
        return not _lives(int(owner[2]))
    try:
        return time.time() - path.stat().st_mtime > ABANDONED
    except OSError:
        return False  # renamed into place just now


@cache
def _host() -> str:
    """This machine, or the container that numbers processes by itself, in eight hex digits."""
    try:
        numbered_in = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        numbered_in = ""
    return hashlib.sha256(f"{socket.gethostname()} {numbered_in}".encode()).hexdigest()[:8]


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hex. Of a large one the reporter at hand shows how much is read.

    Raises OSError, also for a pipe or a device.
    """
    with opened_file(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size < LARGE:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        digest, advance = hashlib.sha256(), at_hand().task(f"hashing {path.name}, MB", -(-size // BLOCK) * BLOCK_MB)
        block = memoryview(bytearray(BLOCK))  # one for all: the system clears every page of a new one
        while read := stream.readinto(block):
            digest.update(block[:read])
            advance(BLOCK_MB)
        return digest.hexdigest()


@contextmanager
def hashed_meanwhile(paths: Iterable[Path]) -> Generator[Callable[[Path], str]]:
    """Give what tells the sha256 of these files, which are read by a thread of their own while the block goes on.

    It raises the OSError of a file that could not be read when that one is asked for.
    """
    pool = ThreadPoolExecutor(1, "hashing")
    try:
        hashes = {path: pool.submit(sha256_of, path) for path in paths}
        yield lambda path: hashes[path].result() if path in hashes else sha256_of(path)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def why_unopenable(path: Path) -> str | None:
    """What keeps `path` from being read, told without opening it; None for an ordinary file, also behind a link."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return f"is a link to {os.readlink(path)}, which is not there" if path.is_symlink() else "is not there"
    except OSError as error:  # a circle of links, a folder that may not be entered
        return f"cannot be reached ({error.strerror})"
    kind = next((kind for is_kind, kind in KINDS.items() if is_kind(mode)), None)
    if kind:
        return f"is {kind}, not a file"
    return None if os.access(path, os.R_OK) else "may not be read by this user"


def opened_file(path: Path) -> BufferedReader:
    """An ordinary file, opened to be read. Raises OSError, also for what would be waited for, or never ends."""
    mode = path.stat().st_mode
    kind = next((kind for is_kind, kind in KINDS.items() if is_kind(mode)), None)
    if kind and not stat.S_ISDIR(mode):  # of a folder the system says so itself
        raise OSError(errno.EINVAL, f"is {kind}, not a file", str(path))
    return path.open("rb")


def bytes_within(path: Path, most: int) -> bytes:
    """All bytes of an ordinary file. Raises OSError, also where there are more than `most`."""
    with opened_file(path) as stream:
        held = read_at_most(stream, most + 1) if os.fstat(stream.fileno()).st_size <= most else None
    if held is None or len(held) > most:  # it may have grown meanwhile
        raise OSError(errno.EFBIG, f"has more than {most} bytes", str(path))
    return held


def read_at_most(stream: BufferedReader, most: int) -> bytes:
    """All bytes of a file, or so many. By pieces: Linux has no memory for one large read of what it makes up itself."""
    pieces: list[bytes] = []
    while most > 0 and (piece := stream.read(min(most, PIECE))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


def leads_out(path: Path, folder: Path) -> bool:
    """Whether `path` lies elsewhere than below `folder` once links are followed, those on the way too."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def flush(path: Path, forget: bool = False) -> None:
    """Have the disk hold what was written; `forget`: and the system no copy of its own, which would be read instead."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        if forget and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)
