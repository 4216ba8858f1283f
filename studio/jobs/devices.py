"""What jobs run on: each device has a queue of its own, and light work has another, so that it waits for nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studio.languages.translation import tr

NVIDIA = Path("/proc/driver/nvidia/gpus")
LIGHT, PROCESSOR = "light", "processor"


@dataclass(frozen=True)
class Device:
    """`name` is its queue's, `words` what people call it, `environment` what makes a command use it."""

    name: str
    words: str
    environment: Mapping[str, str]


def devices_here(gpus: Path = NVIDIA) -> list[Device]:
    """The GPUs of this machine as NVIDIA's driver lists them, without loading anything; else its processor."""
    count = len(list(gpus.iterdir())) if gpus.is_dir() else 0
    if count == 0:
        return [Device(PROCESSOR, said(PROCESSOR), {})]
    if count == 1:
        return [Device("gpu0", tr("the GPU"), {})]
    return [Device(f"gpu{at}", said(f"gpu{at}"), {"CUDA_VISIBLE_DEVICES": str(at)}) for at in range(count)]


def light_work() -> Device:
    """For what takes no device for long."""
    return Device(LIGHT, said(LIGHT), {})


def said(name: str) -> str:
    """What people call a device of that name."""
    known = {LIGHT: tr("beside other work"), PROCESSOR: tr("this machine")}
    return known.get(name) or tr("GPU {number}", number=name.removeprefix("gpu"))
