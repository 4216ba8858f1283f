"""What each schedule of the learning rate reads, by the names of a configuration; how rules of steps are written."""

from __future__ import annotations

from math import isfinite
from typing import TypeAlias

Rules: TypeAlias = tuple[tuple[float, int | None], ...]

WARMUP = "lr_warmup_steps"
# What each schedule reads beside the rates. kohya takes the others too, and forgets them without a word.
SCHEDULE_READS: dict[str, tuple[str, ...]] = {
    "constant": (),
    "constant_with_warmup": (WARMUP,),
    "linear": (WARMUP,),
    "cosine": (WARMUP,),
    "cosine_with_restarts": (WARMUP, "lr_cycles"),
    "polynomial": (WARMUP, "lr_power"),
    "inverse_sqrt": (WARMUP, "lr_timescale"),
    "cosine_with_min_lr": (WARMUP, "lr_cycles", "lr_min_ratio"),
    "warmup_stable_decay": (WARMUP, "lr_cycles", "lr_min_ratio", "lr_decay_steps"),
    "piecewise_constant": ("lr_step_rules",),
    # The optimizer sets its own rate, step by step.
    "adafactor": (),
}
SCHEDULE_KEYS = tuple(dict.fromkeys(key for keys in SCHEDULE_READS.values() for key in keys))


def step_rules(text: str) -> Rules:
    """`1:10,0.1:20,0.005` -> factor 1 before step 10, 0.1 before step 20, 0.005 from there on.

    Raises ValueError, saying how rules are written, for anything else: for ends that do not rise as well.
    """
    *timed, last = text.split(",")
    try:
        pairs = [(float(factor), int(end)) for factor, end in (rule.split(":") for rule in timed)]
        rules = (*pairs, (float(last), None))
    except ValueError:
        raise ValueError(
            f"`{text}` are no rules; write them like 1:10,0.1:20,0.005 (factor:end, the last alone)"
        ) from None
    ends = [end for _, end in pairs]
    if ends != sorted(set(ends)) or any(end < 1 for end in ends):
        raise ValueError(f"`{text}`: steps end at {ends}; each end must be above the one before it")
    if any(factor < 0 or not isfinite(factor) for factor, _ in rules):
        raise ValueError(f"`{text}`: a factor is negative or not finite")
    return rules
