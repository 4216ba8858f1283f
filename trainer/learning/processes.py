"""The processes that share a run, as `accelerate launch` starts them: one a GPU, or several on a CPU."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from base_models.devices import chosen_device
from foundation.errors import ConfigurationError
from foundation.typed.untyped import untyped

if TYPE_CHECKING:  # so that a finished run is recognised without loading torch
    import torch
    from torch import Tensor

Told = TypeVar("Told")


def process_count() -> int:
    """How many processes share this run, as their launcher says in the environment."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Whether this is the process that writes and speaks."""
    return os.environ.get("RANK", "0") == "0"


@dataclass(frozen=True)
class Processes:
    """This process's `rank` among `count`. Each learns from its share of a step's batches; gradients are summed.

    Every process makes the same decisions, from the same figures or because the first tells it; the first alone writes.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes and whose word the others take."""
        return self.rank == 0

    def share(self, batches: Sequence[tuple[int, ...]]) -> list[tuple[int, tuple[int, ...]]]:
        """This process's batches of a step, with their places in it."""
        return list(enumerate(batches))[self.rank :: self.count]

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor, in place, by its sum over the processes."""
        if self.count == 1:
            return
        import torch

        flat = torch.cat([tensor.flatten() for tensor in tensors])
        torch.distributed.all_reduce(flat)
        for tensor, part in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))

    def any(self, flag: bool) -> bool:
        """Whether `flag` is set in any process."""
        if self.count == 1:
            return flag
        import torch

        flags = torch.tensor([float(flag)], device=_own_device())
        self.add_up([flags])
        return bool(flags.item())

    def told_by_first(self, find: Callable[[], Told]) -> Told:
        """What `find` returns in the first process, which alone calls it; a value that can be pickled.

        Kernels that add in another order could let two processes see the same picture on two sides of a limit; they
        would then go different ways, and wait for each other for ever.
        """
        if self.count == 1:
            return find()
        import torch

        told = [find() if self.is_first else None]
        torch.distributed.broadcast_object_list(told, src=0, device=_own_device())
        return cast(Told, told[0])

    def leave(self) -> None:
        """The others are not waited for any more."""
        if self.count > 1:
            import torch

            torch.distributed.destroy_process_group()

    def wait(self) -> None:
        """Until every process is here."""
        if self.count > 1:
            import torch

            torch.distributed.barrier()


def _own_device() -> torch.device:
    from accelerate import PartialState

    return untyped(PartialState()).device


def join_processes(device: str) -> tuple[Processes, str]:
    """Join the run's other processes; returns them and this one's device. `device` is what the configuration says.

    Raises ConfigurationError for a device that is not here, and for one GPU by its number where processes share a run.
    """
    import torch

    if process_count() == 1:
        chosen = chosen_device(device)
        if chosen.startswith("cuda:"):
            torch.cuda.set_device(chosen)  # 8-bit optimizers work on the current device, whatever their tensors say
        return Processes(), chosen
    if device.startswith("cuda:"):
        raise ConfigurationError(f'[model] device = "{device}": each of several processes takes a GPU; write "cuda"')
    from accelerate import PartialState

    state = untyped(PartialState(cpu=device == "cpu"))
    return Processes(state.process_index, state.num_processes), str(state.device)
