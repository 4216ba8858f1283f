"""Weights are read from .safetensors alone: a library that would take a pickle, which can run code, is stopped."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class PickledWeightsError(Exception):
    """A library was about to read a pickle."""


@contextmanager
def pickles_refused() -> Generator[None]:
    """Within, `torch.load` raises PickledWeightsError: open_clip and transformers fall back to it by themselves."""
    import torch

    def refuse(file: object = "", *_: object, **__: object) -> None:
        name = Path(file).name if isinstance(file, str | Path) else "its file"
        raise PickledWeightsError(f"its weights are a pickle ({name}), which can run code and is refused")

    with mock.patch.object(torch, "load", refuse):
        yield


def only_pickled(folder: Path) -> str | None:
    """The name of a pickle in a folder that has no .safetensors file, else None."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    if any(name.endswith(".safetensors") for name in names):
        return None
    return next((name for name in names if name.endswith(PICKLED)), None)
