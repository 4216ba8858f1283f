"""What a number of a configuration is counted in, said in its type: `width: Annotated[int, Unit("pixels")]`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """What a field is counted in."""

    name: str


PIXELS, STEPS, EPOCHS, PICTURES, MINUTES = (Unit(name) for name in ("pixels", "steps", "epochs", "pictures", "minutes"))
TOKENS, TIMESTEPS, SECONDS, FORWARDS = (Unit(name) for name in ("tokens", "timesteps", "seconds", "UNet forwards"))
MONEY, SHARE = Unit("any currency"), Unit("a share of 1")
