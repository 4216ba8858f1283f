"""Learning rates over the steps of a run."""

from __future__ import annotations

from math import cos, pi


def cosine_with_restarts(step: int, warmup: int, total: int, cycles: int) -> float:
    """The factor on the learning rate for the update after `step` updates of `total` are done.

    Linear warm-up from 0, then `cycles` half cosines from 1 towards 0; 0 from `total` on. As kohya's, which is
    diffusers' `get_cosine_with_hard_restarts_schedule_with_warmup`.
    """
    if step < warmup:
        return step / warmup
    progress = (step - warmup) / max(1, total - warmup)
    if progress >= 1:
        return 0.0
    return max(0.0, 0.5 * (1.0 + cos(pi * ((cycles * progress) % 1.0))))
