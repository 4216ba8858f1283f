"""What `device = ".."` may say, and which device that is on this machine. One place for training and rendering."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from foundation.errors import ConfigurationError

_WRITTEN = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")
FORMS = '"auto", "cpu", "cuda" or "cuda:0"'


def device_name(name: str) -> str:
    """`name`, if it is written as a device's name is. Raises ValueError that says what is here."""
    if not _WRITTEN.fullmatch(name):
        raise ValueError(f'"{name}" is no device; write {FORMS} (here: {", ".join(devices_here())})')
    return name


DeviceName = Annotated[str, AfterValidator(device_name)]


def devices_here() -> list[str]:
    """The devices that torch sees on this machine, by the names that a configuration has for them."""
    import torch  # takes seconds, and a configuration is read without it

    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else [])]


def chosen_device(name: str) -> str:
    """The device to compute on: "auto" is a GPU where torch sees one, else the CPU.

    Raises ConfigurationError, which lists what is here, for a name of none and for one that is not here.
    """
    here = devices_here()
    has_gpu = any(one.startswith("cuda") for one in here)
    if name == "auto":
        return "cuda" if has_gpu else "cpu"
    # A launcher of several processes calls each one's own device by its number, the CPU too.
    if name in here or (name == "cuda" and has_gpu) or name == "cpu:0":
        return name
    missing = "is not on this machine" if _WRITTEN.fullmatch(name) else "is no device"
    raise ConfigurationError(f'[model] device = "{name}" {missing}; here: "auto", {", ".join(map(_quoted, here))}')


def devices_to_share(name: str) -> list[str]:
    """The devices that work is shared out among: all GPUs where "auto" finds several, else the one of that name.

    Raises ConfigurationError as `chosen_device` does.
    """
    gpus = [one for one in devices_here() if one.startswith("cuda")]
    return gpus if name == "auto" and len(gpus) > 1 else [chosen_device(name)]


def _quoted(name: str) -> str:
    return f'"{name}"'
