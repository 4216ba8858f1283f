"""The installed package `lora-studio`, loaded by a node when it runs; where it is missing, what to install."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

ROOMS = ("foundation", "base_models", "loras", "eval", "miniature")


class NodeError(Exception):
    """What a node was asked for and cannot do. The text says what to change; ComfyUI shows it on the node."""


class StudioMissingError(NodeError):
    """The package, or one that it needs, is not installed where ComfyUI runs."""


@contextmanager
def studio_at_hand() -> Generator[None]:
    """Raise StudioMissingError, one sentence, where the block imports what is not installed."""
    try:
        yield
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package in ROOMS:
            raise StudioMissingError(
                f"this node needs the package lora-studio: run `{sys.executable} -m pip install PATH`, PATH being a "
                "checkout of LoRA studio, and start ComfyUI again"
            ) from error
        raise
