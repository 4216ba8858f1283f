"""A unit: what every cell renders, so that cells are compared in pairs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """One (prompt, seed): every cell renders every unit, so cells are compared in pairs.

    `role` is "subject" (the prompt carries the trigger; the control cell has the class word in its place)
    or "bleed" (a person who is not the subject, no trigger).
    """

    prompt: str
    seed: int
    role: str
