"""How fast pictures were rendered before, kept in the store: the next plan's time is read off this."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from eval.request.cells import Sampling, digest
from eval.store.store import Store
from foundation.typed.json_values import is_table

KEY = "rate"


@dataclass(frozen=True)
class Rate:
    """Pictures that one worker made in so many seconds of rendering, on a device of that name."""

    device: str
    pictures: int
    seconds: float

    @property
    def seconds_a_picture(self) -> float:
        """Of one worker: several make as many pictures in a share of that."""
        return self.seconds / self.pictures


def add_rate(store: Store, sampling: Sampling, rate: Rate) -> None:
    """Add to what was seen on this device. Prompts do not matter, so the negative one does not either."""
    if not rate.pictures:
        return
    kept = dict(store.fact(KEY) or {})
    place = _place(sampling, rate.device)
    before = _rate_of(kept.get(place))
    if before:
        rate = replace(rate, pictures=before.pictures + rate.pictures, seconds=before.seconds + rate.seconds)
    store.set_fact(KEY, {**kept, place: asdict(rate)})


def known_rate(store: Store, sampling: Sampling, device: str) -> Rate | None:
    """What was seen of this sampling on a device of that name."""
    return _rate_of((store.fact(KEY) or {}).get(_place(sampling, device)))


def _place(sampling: Sampling, device: str) -> str:
    return digest("rate", asdict(replace(sampling, negative="")), device)


def _rate_of(stored: object) -> Rate | None:
    if not is_table(stored):
        return None
    told: dict[str, Any] = stored
    return Rate(str(told["device"]), int(told["pictures"]), float(told["seconds"]))
