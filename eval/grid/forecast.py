"""What a grid will take, before it is run: pictures, changes of weights, time, cost. Nothing is rendered or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch

from base_models.base_source import find_base
from base_models.devices import chosen_device
from base_models.drawing.batch_size import DeviceFacts, batch_size, device_facts
from eval.executors.executor import Amount
from eval.executors.server_pool import facts_of
from eval.grid.early_checks import check_files, look_without_store
from eval.grid.picture_maker import amount_of, missing_batches
from eval.rendering.render_cost import picture_shape, seconds_a_picture
from eval.request.cells import Sampling
from eval.request.plan import Plan, batches_of, make_plans
from eval.request.references import References, find_references
from eval.request.spec import GridSpec
from eval.store.connection import is_store
from eval.store.render_rates import known_rate
from eval.store.store import Store, open_store
from foundation.printing import how_many


@dataclass(frozen=True)
class Forecast:
    """`amount` is left to do, in so many UNet `forwards` (each with its guidance pair), `cached` pictures are there,
    `kind` is the device's, `rate_from` whence the time is.

    `notes`: the order of training as it was read, and what is odd about the prompts.
    """

    cells: int
    pictures: int
    cached: int
    amount: Amount
    forwards: int
    batch: int
    device: str
    kind: str
    seconds_a_picture: float | None
    rate_from: str
    price_per_hour: float | None
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float | None:
        """None where nothing is known of how fast it is drawn, as on a server that has drawn nothing yet."""
        return None if self.seconds_a_picture is None else self.amount.pictures * self.seconds_a_picture

    @property
    def device_hours(self) -> float | None:
        return None if self.seconds is None else self.seconds / 3600

    @property
    def cost(self) -> float | None:
        """In the currency of `price_per_hour`; None where no price was given."""
        if self.price_per_hour is None or self.device_hours is None:
            return None
        return self.device_hours * self.price_per_hour

    @property
    def hours(self) -> str:
        """What hours of the device are called: nobody with a GPU should read a CPU's as its."""
        return "hours of a CPU" if self.kind == "cpu" else "GPU-hours"

    def as_json(self) -> dict[str, object]:
        return {
            "cells": self.cells,
            "pictures": self.pictures,
            "cached": self.cached,
            "to_render": self.amount.pictures,
            "forwards": self.forwards,
            "checkpoints": self.amount.checkpoints,
            "unet_changes": self.amount.unet_changes,
            "text_changes": self.amount.text_changes,
            "batches": self.amount.batches,
            "batch": self.batch,
            "device": self.device,
            "seconds_a_picture": self.seconds_a_picture,
            "rate_from": self.rate_from,
            "seconds": self.seconds,
            "gpu_hours": self.device_hours,
            "cost": self.cost,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        return "\n".join((*self._counted, *self._timed, *self.notes))

    @property
    def _counted(self) -> tuple[str, ...]:
        amount = self.amount
        return (
            f"{how_many(self.cells, 'cell')}, {how_many(self.pictures, 'picture')}: {self.cached} are there, "
            f"{amount.pictures} to render in {self.forwards} UNet forwards",
            f"batches of at most {self.batch}: {amount.batches}; {how_many(amount.checkpoints, 'checkpoint')}; "
            f"changes of weights: {amount.unet_changes} of the UNet's, {amount.text_changes} of the text encoders'",
        )

    @property
    def _timed(self) -> tuple[str, ...]:
        if self.seconds is None or self.device_hours is None:
            return (f"{self.device}: {self.rate_from}",)
        cost = "" if self.cost is None else f", {self.cost:.2f} at {self.price_per_hour:g} an hour"
        return (
            f"{_duration(self.seconds)} on one device ({self.device}), {self.device_hours:.3g} {self.hours}{cost}",
            f"{self.seconds_a_picture:.3g} s a picture: {self.rate_from}",
        )


def forecast(spec: GridSpec) -> Forecast:
    """Plan `spec` and reckon. Raises what planning raises, and what a grid would raise before it renders."""
    return forecast_of(spec, find_references(spec.references), make_plans(spec))


def forecast_of(spec: GridSpec, references: References, plans: Sequence[Plan]) -> Forecast:
    """The same of plans that are made. Raises what a grid would raise before it renders."""
    ways = list(zip(spec.settings, plans, strict=True))
    for one, plan in ways[1:]:
        check_files(one, plan)
    one, plan = ways[0]
    ways[0] = one, replace(plan, notes=(*plan.notes, *look_without_store(one, plan, references)))
    if not is_store(spec.store.path):
        return _together([_reckoned(one, plan, None) for one, plan in ways])
    store = open_store(spec.store.path)
    try:
        return _together([_reckoned(one, plan, store) for one, plan in ways])
    finally:
        store.close()


def _together(parts: Sequence[Forecast]) -> Forecast:
    """What several ways to draw take: sums, and the seconds of a picture as they are among those to render."""
    if len(parts) == 1:
        return parts[0]
    amounts = [part.amount for part in parts]
    pictures = sum(amount.pictures for amount in amounts)
    known = [part.seconds for part in parts if part.seconds is not None]
    seconds = sum(known) if len(known) == len(parts) else None
    return replace(
        parts[0],
        cells=sum(part.cells for part in parts),
        pictures=sum(part.pictures for part in parts),
        cached=sum(part.cached for part in parts),
        amount=Amount(**{one.name: sum(getattr(amount, one.name) for amount in amounts) for one in fields(Amount)}),
        forwards=sum(part.forwards for part in parts),
        batch=max(part.batch for part in parts),
        seconds_a_picture=seconds / pictures if pictures and seconds is not None else parts[0].seconds_a_picture,
        rate_from="; ".join(dict.fromkeys(part.rate_from for part in parts)),
    )


def _reckoned(spec: GridSpec, plan: Plan, store: Store | None) -> Forecast:
    facts, size = _place(spec, plan.sampling)
    amount = amount_of(missing_batches(plan, size, store, store.lost()) if store else batches_of(plan, size))
    seconds, source = _rate(spec, plan.sampling, store, facts)
    pictures = plan.picture_count
    return Forecast(
        cells=len(plan.cells),
        pictures=pictures,
        cached=pictures - amount.pictures,
        amount=amount,
        forwards=amount.pictures * plan.sampling.forwards,
        batch=size,
        device=facts.name,
        kind=facts.kind,
        seconds_a_picture=seconds,
        rate_from=source,
        price_per_hour=spec.budget.price_per_hour,
        notes=plan.said,
    )


def _place(spec: GridSpec, sampling: Sampling) -> tuple[DeviceFacts, int]:
    """What it is rendered on, and how many pictures at once."""
    if spec.elsewhere is not None:
        return facts_of(spec.elsewhere), 1
    facts = device_facts(torch.device(chosen_device(spec.model.device)))
    base = find_base(spec.model.base, spec.model.overrides)
    return facts, batch_size(spec.sampler.batch, picture_shape(base, sampling), facts)


def _rate(spec: GridSpec, sampling: Sampling, store: Store | None, facts: DeviceFacts) -> tuple[float | None, str]:
    seen = known_rate(store, sampling, facts.name) if store else None
    if seen:
        return seen.seconds_a_picture, f"from {seen.pictures} pictures rendered here"
    if spec.elsewhere is not None:
        return None, "how long a picture takes is known once the first is drawn"
    base, device = find_base(spec.model.base, spec.model.overrides), torch.device(chosen_device(spec.model.device))
    return seconds_a_picture(base, sampling, device), "estimated from the model's arithmetic and a matrix product here"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
