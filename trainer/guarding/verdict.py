"""Figures in, a verdict in words out: what became of a run so far, and what to change. Pure, and needs no model.

The gravest that holds is named. Where the limits come from:

- Vanished: 3e-4 of the weights is what rounding the base to fp16 does to it (2^-10 / sqrt(12) of a value's power of
  two, 2e-4 on average), so a smaller delta cannot be told from the file's rounding. Each trained part is judged by
  itself. One whose learning rate is lower than another's is expected to move less, and is called vanished only where it
  would be at the other's rate too, or where it moved by less than DEAD.
  What moved too little so far is judged by where the plan takes it: learning rates' sum over all steps against the sum
  until now. Advice names what of rate, alpha / rank and steps is out of the ordinary: a long run with a small alpha
  moves as far as a short one with a large one, and the preset `portrait` is such a run.
- Under-trained: the loss at fixed timesteps and noise has no noise of its own, so that any steady training moves it.
- Overfitting and text encoder overfitting: the held-out pictures are few, but asked the same question each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite

from trainer.learning.run_state import Event, PartMovement, Reading, Verdict

VANISHED = 3e-4
# A tenth of that does nothing that could be seen, whatever the learning rate explains.
DEAD = 3e-5
# alpha / rank below this scales so much away that the advice is about alpha, and not about the learning rate.
LOW_SCALE = 1 / 32
# What finished LoRAs move the weights by is 0.003 to 0.3. If so many steps of the plan's kind or fewer reach it, steps
# are what is wanting; a longer run is rare, and then it is alpha or the rates.
FINISHED, LONG_RUN = 0.003, 20_000
UNDER_TRAINED = 0.01
OVERFIT = 0.05
TE_OVERFIT = 0.03


@dataclass(frozen=True)
class RunSettings:
    """What advice depends on: alpha / rank, each part's learning rate ("unet", "te1", "te2"), the base's number format.

    `text_steps`: after so many steps the text encoders stay as they are; None: never. `travel`: the sum of the learning
    rates' factors until after each step of the plan, () where there is no plan.
    """

    scale: float
    rates: Mapping[str, float]
    dtype: str
    text_steps: int | None = None
    travel: Sequence[float] = ()

    @property
    def te_lr(self) -> float:
        """The larger of the text encoders'."""
        return max((rate for part, rate in self.rates.items() if part != "unet"), default=0.0)

    def trains(self, part: str, step: int) -> bool:
        """Whether `part` learns at `step`."""
        stopped = part != "unet" and self.text_steps is not None and step > self.text_steps
        return self.rates.get(part, 0.0) > 0 and not stopped

    def at_the_end(self, part: str, moved: float, step: int) -> float:
        """How far `part` will have moved, which has moved by `moved` at `step`, if it goes on as the rates do."""
        steps = len(self.travel)
        last = steps if part == "unet" or self.text_steps is None else min(steps, self.text_steps)
        if not 0 < step < last:
            return moved
        done = self.travel[step - 1]
        return moved * self.travel[last - 1] / done if done else inf


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
    rate = max(settings.rates.values())
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
    last = readings[-1]
    moved, expected = _movement(last), _movement_at_the_end(last, settings)
    if len(readings) < 2 or moved is None or expected is None:
        return None
    if expected >= VANISHED:
        return _part_vanished([part for part in last.parts if settings.trains(part.part, last.step)], last, settings)
    return Verdict(
        name="vanished",
        reason=f"the LoRA moves the base's weights by {moved:.1g} of their size, less than rounding to fp16 does",
        advice=_about_d(readings) or _about_the_plan(expected, settings),
    )


def _about_the_plan(moved: float, settings: RunSettings) -> str:
    """Which of steps, alpha and rates to change where a whole plan moves the weights by `moved`."""
    steps = len(settings.travel)
    needed = steps * FINISHED / moved if moved else inf
    if 0 < needed <= LONG_RUN:
        return (
            f"{steps} steps are few at a learning rate of {max(settings.rates.values()):g} and alpha / rank of "
            f"{settings.scale:.2g}: plan some {int(float(f'{needed:.1e}'))} (training.epochs, or repeats)"
        )
    if settings.scale <= LOW_SCALE:
        return f"alpha / rank is {settings.scale:.2g} and scales all of it: set lora.alpha near lora.rank"
    return "raise unet_lr and te_lr ten times and more"


def _part_vanished(parts: Sequence[PartMovement], last: Reading, settings: RunSettings) -> Verdict | None:
    """One of the parts does nothing, though another does."""
    highest = max((settings.rates[part.part] for part in parts), default=0.0)
    dead = [
        part
        for part in parts
        if _is_dead(part, settings.at_the_end(part.part, part.moved, last.step), highest / settings.rates[part.part])
    ]
    if not dead:
        return None
    alive = ", ".join(f"{_named(part)} by {part.moved:.1g}" for part in parts if part not in dead)
    keys = " and ".join(f"{_key(part)} ({settings.rates[part.part]:g})" for part in dead)
    return Verdict(
        name="vanished",
        reason="; ".join(_dead_words(part) for part in dead) + (f"; the LoRA moves {alive}" if alive else ""),
        advice=f"raise {keys} ten times and more, or set it to 0 to leave that part out",
    )


def _is_dead(part: PartMovement, moved: float, slower: float) -> bool:
    """`moved`: how far it moves in the end. `slower`: how many times lower than another part's its learning rate is."""
    if moved < VANISHED:
        return moved < DEAD or moved * slower < VANISHED
    # A text encoder's last layers get no gradient where it is read before them; half of a part that learns does.
    return 2 * part.dead > part.modules


def _dead_words(part: PartMovement) -> str:
    words = f"the LoRA moves {_named(part)} by {part.moved:.1g} of its weights' size"
    words += ", less than rounding to fp16 does" if part.moved < VANISHED else ""
    return words + (f", and does nothing in {part.dead} of its {part.modules} modules" if part.dead else "")


def _named(part: PartMovement) -> str:
    return {"unet": "the UNet", "te1": "the text encoder"}.get(part.part, "the second text encoder")


def _key(part: PartMovement) -> str:
    return {"unet": "unet_lr", "te1": "te_lr"}.get(part.part, "te2_lr")


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
        advice=_about_d(readings) or _about_the_rest(readings[-1].step, settings),
    )


def _about_the_rest(step: int, settings: RunSettings) -> str:
    left = len(settings.travel) - step
    return (
        f"{left} steps of the plan are left: let it go on" if left > 0 else "train longer, or at a higher learning rate"
    )


def _about_d(readings: Sequence[Reading]) -> str:
    """Advice where an optimizer that finds its own rate has found none; "" where it has, or is told its rate."""
    first, last = readings[0].d, readings[-1].d
    if first is None or last is None or last > first:
        return ""
    return (
        f"the optimizer's own rate d never grew from {first:g}: give it a higher first guess, "
        f"training.optimizer_args = {{ d0 = {10 * first:g} }}, or train longer"
    )


def _healthy(readings: Sequence[Reading]) -> str:
    first, last = readings[0], readings[-1]
    moved = _movement(last)
    words = f"loss at fixed noise {_figure(first.train_loss)} -> {_figure(last.train_loss)}"
    if last.held_out_loss is not None:
        words += f", held out {_figure(first.held_out_loss)} -> {_figure(last.held_out_loss)}"
    words += f", weights moved by {moved:.2g} of the base's" if moved is not None else ""
    if first.d is None or last.d is None:
        return words
    return words + f", d {first.d:.2g} -> {last.d:.2g}" + ("" if last.d > first.d else " (it never grew)")


def _movement(reading: Reading) -> float | None:
    sizes = [size for size in (reading.unet_movement, reading.te_movement) if size is not None]
    return max(sizes) if sizes and all(map(isfinite, sizes)) else None


def _movement_at_the_end(reading: Reading, settings: RunSettings) -> float | None:
    parts = (("unet", reading.unet_movement), ("te1", reading.te_movement))
    sizes = [settings.at_the_end(part, moved, reading.step) for part, moved in parts if moved is not None]
    return max(sizes) if _movement(reading) is not None else None


def _at(epoch: int) -> str:
    return f"after epoch {epoch}" if epoch else "before training"


def _figure(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"
