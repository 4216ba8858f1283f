"""The machine that one stands on: what it computes with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from trainer.config.presets import PRESETS


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
