"""The machine that one stands on: what it computes with, and how long that takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from base_models.base_source import BaseSource
from trainer.config.presets import PRESETS

# A step back costs about twice a step forward: the base's weights are frozen, but all of it is gone through.
FORWARD_AND_BACK = 3.0


@dataclass(frozen=True)
class Machine:
    """`device` as a configuration names it; `called` as people do."""

    device: str
    called: str

    @property
    def has_gpu(self) -> bool:
        """Whether a GPU computes."""
        return self.device != "cpu"

    @property
    def in_words(self) -> str:
        """What stands beside the device in a file."""
        return f"Here: {self.called}." if self.has_gpu else 'There is no GPU here; on a machine with one: "cuda".'

    @staticmethod
    def epochs_of(preset: str) -> int:
        """How many epochs a preset trains."""
        epochs = PRESETS[preset]["training"]["epochs"]
        assert isinstance(epochs, int)
        return epochs


@cache
def this_machine() -> Machine:
    """A GPU where there is one, all where there are several; else the CPU."""
    import torch  # seconds to import

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    threads = torch.get_num_threads()
    if not count:
        return Machine("cpu", f"the CPU, {threads} thread{'s' * (threads > 1)}")
    name = torch.cuda.get_device_name(0)
    return Machine("cuda", name) if count == 1 else Machine("auto", f"{count} GPUs ({name})")


@dataclass(frozen=True)
class Speed:
    """Seconds of a training picture (one step of a batch of one), and of a rendered one."""

    trained: float
    rendered: float


def speed_of(
    machine: Machine, base: BaseSource, trained: tuple[int, int, str], rendered: tuple[int, int, int, str]
) -> Speed:
    """An estimate from the model's arithmetic and a matrix product here. `trained`: width, height, type;
    `rendered`: width, height, steps, type."""
    import torch

    from base_models.drawing.arithmetic import decoding_operations, operations_a_second, step_operations

    device = torch.device("cuda" if machine.has_gpu else "cpu")
    width, height, kind = trained
    learned = FORWARD_AND_BACK * step_operations(base, (width, height), 1)
    wide, high, steps, type_ = rendered
    drawn = steps * step_operations(base, (wide, high), 2) + decoding_operations(base, (wide, high))
    rates = {name: operations_a_second(device, getattr(torch, name)) for name in {kind, type_}}
    return Speed(learned / rates[kind], drawn / rates[type_])
