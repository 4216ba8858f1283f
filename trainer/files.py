"""Files that are either whole or absent: written beside, flushed to the disk, then renamed into place."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

PARTIAL = ".partial"


@contextmanager
def whole_file(path: Path) -> Generator[Path]:
    """Yield a path beside `path` to write to; it becomes `path` when the block ends well, else it vanishes.

    The suffix is kept, because many libraries choose the format by it. Permissions follow the umask. An OSError names
    `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}-{uuid4().hex[:8]}{PARTIAL}{path.suffix}")
    try:
        yield beside
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(beside, 0o666 & ~mask)
        _flush(beside)
        os.replace(beside, path)
        _flush(path.parent)
    except OSError as error:
        # A full disk is told of without a name, and the name of what is written beside says nothing to a user.
        if error.errno is not None and error.filename in (None, str(beside)):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file whole."""
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8")


def sweep_partial(folder: Path) -> None:
    """Remove what a kill left half-written in `folder`."""
    for left in folder.glob(f".*{PARTIAL}*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
