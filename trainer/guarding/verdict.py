"""Figures in, a verdict in words out: what became of a run so far, and what to change. Pure, and needs no model.

The gravest that holds is named. Where the limits come from:

- Vanished: 3e-4 of the weights is what rounding the base to fp16 does to it (2^-10 / sqrt(12) of a value's power of
  two, 2e-4 on average), so a smaller delta cannot be told from the file's rounding.
- Under-trained: the loss at fixed timesteps and noise has no noise of its own, so that any steady training moves it.
- Overfitting and text encoder overfitting: the held-out pictures are few, but asked the same question each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from trainer.course import Event, Reading, Verdict

VANISHED = 3e-4
# alpha / rank below this scales so much away that the advice is about alpha, and not about the learning rate.
LOW_SCALE = 1 / 32
UNDER_TRAINED = 0.01
OVERFIT = 0.05
TE_OVERFIT = 0.03


@dataclass(frozen=True)
class RunSettings:
    """What advice depends on: alpha / rank, the learning rates, and the number format of the base."""

    scale: float
    unet_lr: float
    te_lr: float
    dtype: str


def judge(readings: Sequence[Reading], events: Sequence[Event], settings: RunSettings) -> Verdict:
    """The verdict on a run whose readings so far are `readings`: the first (epoch 0) is from before training."""
    rules = (_overflow, _exploding, _te_exploding, _pictures, _vanished, _te_overfitting, _overfitting, _under_trained)
    found = (verdict for rule in rules if (verdict := rule(readings, events, settings)) is not None)
    return next(found, Verdict(name="healthy", reason=_healthy(readings)))


def _overflow(readings: Sequence[Reading], events: Sequence[Event], settings: RunSettings) -> Verdict | None:
    event = next((event for event in events if event.kind == "overflow"), None)
    if event is None:
        return None
    return Verdict(
        name="overflow",
        reason=f"at step {event.step} {event.what}, for every picture that was tried, so no picture is to blame",
        advice=f'the base\'s numbers do not fit {settings.dtype}: set model.dtype = "bfloat16" or "float32"'
        if settings.dtype != "float32"
        else "the base model itself answers with numbers that are not finite: use another copy of it",
    )


def _exploding(readings: Sequence[Reading], events: Sequence[Event], settings: RunSettings) -> Verdict | None:
    found = [event for event in events if event.kind == "exploding"]
    if not found:
        return None
    rate = max(settings.unet_lr, settings.te_lr)
    return Verdict(
        name="exploding",
        reason=_last_of(found),
        advice=f"lower the learning rates, the larger of which is {rate:g}, ten times; no single picture is to blame",
    )


def _te_exploding(readings: Sequence[Reading], events: Sequence[Event], settings: RunSettings) -> Verdict | None:
    found = [event for event in events if event.kind == "text encoder exploding"]
    if not found:
        return None
    advice = f"lower te_lr ({settings.te_lr:g}) ten times and more; the UNet's part is sound"
    return Verdict(name="text encoder overfitting", reason=_last_of(found), advice=advice)


def _last_of(found: Sequence[Event]) -> str:
    last = found[-1]
    return f"at step {last.step} {last.what}; {last.done}" + (f" (time {len(found)})" if len(found) > 1 else "")


def _pictures(readings: Sequence[Reading], events: Sequence[Event], settings: RunSettings) -> Verdict | None:
    pictures = [picture for event in events for picture in event.pictures]
    if not pictures:
        return None
    return Verdict(
        name="diverged on these pictures",
        reason="; ".join(dict.fromkeys(pictures)),
        advice="look at these pictures and their captions, then replace or remove them",
    )


def _vanished(readings: Sequence[Reading], events: Sequence[Event], settings: RunSettings) -> Verdict | None:
    moved = _movement(readings[-1])
    if len(readings) < 2 or moved is None or moved >= VANISHED:
        return None
    low = f"alpha / rank is {settings.scale:.2g} and scales all of it: set lora.alpha near lora.rank"
    return Verdict(
        name="vanished",
        reason=f"the LoRA moves the base's weights by {moved:.1g} of their size, less than rounding to fp16 does",
        advice=low if settings.scale <= LOW_SCALE else "raise unet_lr and te_lr ten times and more",
    )


def _te_overfitting(readings: Sequence[Reading], events: Sequence[Event], settings: RunSettings) -> Verdict | None:
    last = readings[-1]
    if last.held_out_loss is None or last.held_out_without_te is None:
        return None
    worse = last.held_out_loss / last.held_out_without_te - 1
    if worse <= TE_OVERFIT:
        return None
    return Verdict(
        name="text encoder overfitting",
        reason=f"held-out loss is {last.held_out_loss:.4f}, and {last.held_out_without_te:.4f} with the text encoder's "
        f"part switched off, so that part makes it {worse:.0%} worse (it moved by {last.te_movement:.2g})",
        advice=f"lower te_lr ({settings.te_lr:g}), or use this file at a lower TEnc weight",
    )


def _overfitting(readings: Sequence[Reading], events: Sequence[Event], settings: RunSettings) -> Verdict | None:
    held_out = [(one.held_out_loss, one.epoch) for one in readings if one.held_out_loss is not None]
    if len(held_out) < 2:
        return None
    (least, best), (last, _) = min(held_out), held_out[-1]
    if last <= least * (1 + OVERFIT):
        return None
    return Verdict(
        name="overfitting",
        reason=f"held-out loss was {least:.4f} {_at(best)} and is {last:.4f} now, while the loss on train pictures "
        f"went from {_figure(readings[0].train_loss)} to {_figure(readings[-1].train_loss)}",
        advice=f"use the file of epoch {best}, or train for fewer steps" if best else "train for fewer steps",
    )


def _under_trained(readings: Sequence[Reading], events: Sequence[Event], settings: RunSettings) -> Verdict | None:
    before, after = readings[0].train_loss, readings[-1].train_loss
    if len(readings) < 2 or before is None or after is None or after < before * (1 - UNDER_TRAINED):
        return None
    return Verdict(
        name="under-trained",
        reason=f"the loss on pictures trained on, at fixed noise, was {before:.4f} before and is {after:.4f} now",
        advice="train longer, or at a higher learning rate",
    )


def _healthy(readings: Sequence[Reading]) -> str:
    first, last = readings[0], readings[-1]
    moved = _movement(last)
    words = f"loss at fixed noise {_figure(first.train_loss)} -> {_figure(last.train_loss)}"
    if last.held_out_loss is not None:
        words += f", held out {_figure(first.held_out_loss)} -> {_figure(last.held_out_loss)}"
    return words + (f", weights moved by {moved:.2g} of the base's" if moved is not None else "")


def _movement(reading: Reading) -> float | None:
    sizes = [size for size in (reading.unet_movement, reading.te_movement) if size is not None]
    return max(sizes) if sizes and all(map(isfinite, sizes)) else None


def _at(epoch: int) -> str:
    return f"after epoch {epoch}" if epoch else "before training"


def _figure(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"
