"""A LoRA file's header, read without its tensors and without torch."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open

from trainer.errors import LoraFileError, MissingFileError

PICKLES = (".pt", ".ckpt", ".bin", ".pth")


def read_metadata(path: Path) -> dict[str, str]:
    """The header's metadata. Raises MissingFileError, or LoraFileError for what is no .safetensors file."""
    with opened_safetensors(path, framework="np") as opened:
        return dict(opened.metadata() or {})


@contextmanager
def opened_safetensors(path: Path, framework: str = "pt") -> Generator[safe_open]:
    """Open a .safetensors file lazily; a damaged file or a pickle is a LoraFileError."""
    if not path.is_file():
        raise MissingFileError(f"{path}: no such LoRA file")
    if path.suffix in PICKLES:
        raise LoraFileError(f"{path}: pickles can run code and are refused; convert it to .safetensors first")
    try:
        with safe_open(path, framework=framework) as opened:
            yield opened
    except SafetensorError as error:
        raise LoraFileError(f"{path}: not a readable .safetensors file ({error}); download or save it again") from error
