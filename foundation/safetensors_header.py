"""A LoRA file's header, read without its tensors and without torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

from safetensors import SafetensorError, safe_open

from foundation.errors import LoraFileError, MissingFileError
from foundation.text_files import is_text

if TYPE_CHECKING:
    import numpy as np

PICKLES = (".pt", ".ckpt", ".bin", ".pth")
PICKLE_STARTS = (b"\x80", b"PK\x03\x04")  # pickle protocol 2 and later; torch.save's zip archive
HEADER_LIMIT = 16 * 2**20
MOST_TENSORS = 2**16
FLOATS = frozenset(["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"])


class UnreadableNameError(LoraFileError):
    """A file that may be sound, and whose name no library can be told."""


@dataclass(frozen=True)
class Header:
    """Shapes and safetensors' type names by key, in the file's order, and the metadata."""

    shapes: Mapping[str, tuple[int, ...]]
    types: Mapping[str, str]
    metadata: Mapping[str, str]


class _Entry(TypedDict):
    """What a header that safetensors has checked says of a tensor."""

    dtype: str
    shape: list[int]


def read_metadata(path: Path) -> dict[str, str]:
    """The header's metadata. Raises MissingFileError, or LoraFileError for what is no .safetensors file."""
    return dict(read_header(path).metadata)


def read_header(path: Path) -> Header:
    """Read and check the header alone: milliseconds, whatever the file's size.

    Raises MissingFileError, or LoraFileError for a pickle (renamed or not), a truncated file, a header over 16 MiB or
    of too many tensors, or a key that stands there twice: safetensors itself lets a reader see one of the two only.
    """
    _check_is_no_pickle(path)
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        if size > HEADER_LIMIT:
            raise LoraFileError(
                f"{path}: its header claims {size} bytes; that of a .safetensors file is under 16 MiB, so this is "
                "damaged or another kind of file"
            )
        text = stream.read(size)
    if (count := text.count(b"data_offsets")) > MOST_TENSORS:
        raise LoraFileError(
            f"{path}: its header names {count} tensors; no model has more than {MOST_TENSORS}, so this is damaged or "
            "made wrongly"
        )
    with opened_safetensors(path, framework="np"):  # the library's own checks: offsets, holes, truncation
        pass
    whole: dict[str, Any] = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, path))
    said: dict[str, object] = whole.pop("__metadata__", None) or {}  # safetensors takes null for nothing
    entries: dict[str, _Entry] = whole
    return Header(
        {key: tuple(entry["shape"]) for key, entry in entries.items()},
        {key: entry["dtype"] for key, entry in entries.items()},
        {key: str(value) for key, value in said.items()},
    )


def _once(pairs: list[tuple[str, object]], path: Path) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        doubled = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise LoraFileError(f"{path}: `{doubled}` stands twice in the header; the file was made wrongly, make it again")
    return found


def _check_is_no_pickle(path: Path) -> None:
    if not path.is_file():
        raise MissingFileError(f"{path}: no such LoRA file")
    if not is_text(str(path)):
        raise UnreadableNameError(f"{path}: its name or a folder's is not UTF-8 text; rename it, then it can be read")
    with path.open("rb") as stream:
        start = stream.read(10)
    # A .safetensors file begins with its header's length and `{`; a pickle's second byte is its protocol.
    is_pickle = start.startswith(PICKLE_STARTS) and start[8:9] != b"{"
    if path.suffix in PICKLES or is_pickle:
        renamed = "" if path.suffix in PICKLES else " (whatever its name says)"
        raise LoraFileError(
            f"{path}: a pickle{renamed}; pickles can run code and are refused; convert it to .safetensors first"
        )


@overload
def opened_safetensors(path: Path, framework: Literal["pt"] = "pt") -> AbstractContextManager[safe_open]: ...


@overload
def opened_safetensors(path: Path, framework: Literal["np"]) -> AbstractContextManager[safe_open[np.ndarray]]: ...


@contextmanager
def opened_safetensors(path: Path, framework: Literal["pt", "np"] = "pt") -> Generator[object]:
    """Open a .safetensors file lazily; a damaged file or a pickle is a LoraFileError. "np" loads no torch."""
    _check_is_no_pickle(path)
    try:
        with safe_open(path, framework=framework) as opened:
            yield opened
    except SafetensorError as error:
        raise LoraFileError(f"{path}: not a readable .safetensors file ({error}); download or save it again") from error
