"""Models that lie on other people's servers: what may be asked for, and what is said before anything is fetched.

A mistyped path must never become a question to a stranger's server, and gigabytes never arrive unannounced. Loads no
heavy library.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import UserError
from foundation.progress import at_hand

OFFLINE = ("LORA_STUDIO_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
NO = ("", "0", "false", "no", "off")
FILES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".onnx", ".gguf", ".json", ".toml")
HUB = "huggingface.co"
# Where a user wrote the name of a model, by its kind.
WRITTEN_AS = {
    "base model": "[model] base, or --base",
    "CLIP model": "[score] clip, or --clip",
    "DINOv2": "[score] likeness",
}
# What may be named in a model's place, by its kind.
WAYS_OUT = {
    "CLIP model": "name a folder of its files as local-dir:FOLDER, or miniature",
    "BLIP": "name a folder of its files (--blip FOLDER), or caption with --model clip or tagger",
}


class NotFetchedError(UserError):
    """A model that is not on this machine and is not asked for elsewhere, with the reason."""


def stay_offline() -> None:
    """Fetch nothing from now on, in this process and those that it starts."""
    os.environ.update(dict.fromkeys(OFFLINE, "1"))


def is_offline() -> bool:
    """Whether nothing may be fetched: by a configuration's `offline = true`, or by one of the variables of OFFLINE."""
    return any(os.environ.get(name, "").lower() not in NO for name in OFFLINE)


def looks_like_a_path(name: str) -> bool:
    """Whether somebody who wrote this meant a place on this machine.

    A hub's names are OWNER/NAME; `models/sd15` is a path all the same where there is a folder `models`.
    """
    first, *others = name.split("/")
    return (
        len(others) != 1
        or "\\" in name
        or first in ("", ".", "..", "~")
        or Path(name).suffix.lower() in FILES
        or Path(first).is_dir()
    )


@dataclass(frozen=True)
class Fetched:
    """What is about to be fetched: the kind of model, its name, from where, how big, and on whose terms."""

    kind: str
    name: str
    server: str
    size: str = "size not told"
    licence: str = "licence not told"

    @property
    def way_out(self) -> str:
        """What may be named in its place."""
        return WAYS_OUT.get(self.kind, "name a folder or file")

    def announce(self) -> None:
        """Say it, before the first byte. Raises NotFetchedError where nothing may be fetched."""
        if is_offline():
            raise NotFetchedError(
                f"{self.kind} `{self.name}`: is not on this machine, and nothing is fetched (`offline = true`, or "
                f"{' or '.join(name for name in OFFLINE if os.environ.get(name))} is set); "
                f"{self.way_out}"
            )
        at_hand().say(f"fetching {self.kind} `{self.name}` from {self.server}: {self.size}, {self.licence}; once")


def hub_model(kind: str, name: str) -> Fetched:
    """What the hub says of a model: asked for its size and licence, where it answers.

    Raises NotFetchedError, before anything is asked, for a name that looks like a path, and where no hub is reached.
    """
    refuse_path(kind, name)
    found, is_unreachable = Fetched(kind, name, HUB), False
    if is_offline():
        return found
    with suppress(Exception):  # huggingface_hub, requests and httpx each raise their own; then nothing is told
        from huggingface_hub import HfApi

        try:
            told = HfApi().model_info(name, files_metadata=True, timeout=10)
        except Exception as error:
            is_unreachable = _is_unreachable(error)
            raise
        sizes = [file.size or 0 for file in told.siblings or []]
        licence = told.card_data.get("license") if told.card_data else None
        return Fetched(kind, name, HUB, _in_bytes(sum(sizes)), f"licence {licence}" if licence else found.licence)
    if is_unreachable:  # what fetches would try for minutes
        raise NotFetchedError(f"{kind} `{name}`: is not on this machine, and {HUB} cannot be reached; {found.way_out}")
    return found


def _is_unreachable(error: BaseException) -> bool:
    """Whether there is no way to the hub at all: no name server, no route, nobody who answers there."""
    kinds = {each.__name__ for each in type(error).__mro__}
    return bool(kinds & {"ConnectError", "ConnectionError", "ProxyError"})


def refuse_path(kind: str, name: str) -> None:
    """Raise NotFetchedError for what looks like a path: no server is asked for it."""
    if looks_like_a_path(name):
        raise NotFetchedError(
            f"{name}: no such {kind} on this machine; it looks like a path, so no server was asked for it; "
            f"check {WRITTEN_AS.get(kind, 'how it is written')}"
        )


def _in_bytes(size: int) -> str:
    return f"up to {size / 1e9:.1f} GB" if size >= 1e8 else f"up to {size / 1e6:.0f} MB" if size else "size not told"
