"""How long pictures take, from the model's arithmetic and a matrix product here: nothing is loaded or trained."""

from __future__ import annotations

from dataclasses import dataclass

from base_models.base_source import BaseSource

# A step back costs about twice a step forward: the base's weights are frozen, but all of it is gone through.
FORWARD_AND_BACK = 3.0


@dataclass(frozen=True)
class Speed:
    """Seconds of a training picture (one step of a batch of one), and of a rendered one."""

    trained: float
    rendered: float


def speed_of(
    device: str, base: BaseSource, trained: tuple[int, int, str], rendered: tuple[int, int, int, str]
) -> Speed:
    """An estimate for "cpu" or a GPU. `trained`: width, height, type; `rendered`: width, height, steps, type."""
    import torch

    from base_models.drawing.arithmetic import decoding_operations, operations_a_second, step_operations

    place = torch.device("cpu" if device == "cpu" else "cuda")
    width, height, kind = trained
    learned = FORWARD_AND_BACK * step_operations(base, (width, height), 1)
    wide, high, steps, type_ = rendered
    drawn = steps * step_operations(base, (wide, high), 2) + decoding_operations(base, (wide, high))
    rates = {name: operations_a_second(place, getattr(torch, name)) for name in {kind, type_}}
    return Speed(learned / rates[kind], drawn / rates[type_])
