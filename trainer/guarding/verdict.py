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

from foundation.wording.said import in_series, listed, listed_with_and, say
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
        reason=say(
            "at step {step} {what}, for every picture that was tried, so no picture is to blame",
            step=event.step,
            what=event.what,
        ),
        advice=say(
            'the base\'s numbers do not fit {dtype}: set model.dtype = "bfloat16" or "float32"', dtype=settings.dtype
        )
        if settings.dtype != "float32"
        else say("the base model itself answers with numbers that are not finite: use another copy of it"),
    )


def _exploding(readings: Sequence[Reading], events: Sequence[Event], settings: RunSettings) -> Verdict | None:
    found = [event for event in events if event.kind == "exploding"]
    if not found:
        return None
    rate = max(settings.rates.values())
    return Verdict(
        name="exploding",
        reason=_last_of(found),
        advice=say(
            "lower the learning rates, the larger of which is {rate}, ten times; no single picture is to blame",
            rate=f"{rate:g}",
        ),
    )


def _te_exploding(readings: Sequence[Reading], events: Sequence[Event], settings: RunSettings) -> Verdict | None:
    found = [event for event in events if event.kind == "text encoder exploding"]
    if not found:
        return None
    advice = say("lower te_lr ({rate}) ten times and more; the UNet's part is sound", rate=f"{settings.te_lr:g}")
    return Verdict(name="text encoder overfitting", reason=_last_of(found), advice=advice)


def _last_of(found: Sequence[Event]) -> str:
    last, times = found[-1], len(found)
    told = {"step": last.step, "what": last.what, "done": last.done}
    if times > 1:
        return say("at step {step} {what}; {done} (time {times})", **told, times=times)
    return say("at step {step} {what}; {done}", **told)


def _pictures(readings: Sequence[Reading], events: Sequence[Event], settings: RunSettings) -> Verdict | None:
    pictures = [picture for event in events for picture in event.pictures]
    if not pictures:
        return None
    return Verdict(
        name="diverged on these pictures",
        reason=in_series(list(dict.fromkeys(pictures))),
        advice=say("look at these pictures and their captions, then replace or remove them"),
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
        reason=say(
            "the LoRA moves the base's weights by {moved} of their size, less than rounding to fp16 does",
            moved=f"{moved:.1g}",
        ),
        advice=_about_d(readings) or _about_the_plan(expected, settings),
    )


def _about_the_plan(moved: float, settings: RunSettings) -> str:
    """Which of steps, alpha and rates to change where a whole plan moves the weights by `moved`."""
    steps = len(settings.travel)
    needed = steps * FINISHED / moved if moved else inf
    if 0 < needed <= LONG_RUN:
        return say(
            "{steps} steps are few at a learning rate of {rate} and alpha / rank of {scale}: plan some {needed} "
            "(training.epochs, or repeats)",
            steps=steps,
            rate=f"{max(settings.rates.values()):g}",
            scale=f"{settings.scale:.2g}",
            needed=int(float(f"{needed:.1e}")),
        )
    if settings.scale <= LOW_SCALE:
        return say(
            "alpha / rank is {scale} and scales all of it: set lora.alpha near lora.rank", scale=f"{settings.scale:.2g}"
        )
    return say("raise unet_lr and te_lr ten times and more")


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
    alive = listed(
        [say("{part} by {moved}", part=_named(part), moved=f"{part.moved:.1g}") for part in parts if part not in dead]
    )
    keys = listed_with_and(
        [say("{key} ({rate})", key=_key(part), rate=f"{settings.rates[part.part]:g}") for part in dead]
    )
    reasons = [_dead_words(part) for part in dead] + ([say("the LoRA moves {parts}", parts=alive)] if alive else [])
    return Verdict(
        name="vanished",
        reason=in_series(reasons),
        advice=say("raise {keys} ten times and more, or set it to 0 to leave that part out", keys=keys),
    )


def _is_dead(part: PartMovement, moved: float, slower: float) -> bool:
    """`moved`: how far it moves in the end. `slower`: how many times lower than another part's its learning rate is."""
    if moved < VANISHED:
        return moved < DEAD or moved * slower < VANISHED
    # A text encoder's last layers get no gradient where it is read before them; half of a part that learns does.
    return 2 * part.dead > part.modules


def _dead_words(part: PartMovement) -> str:
    told = {"part": _named(part), "moved": f"{part.moved:.1g}"}
    words = (
        say("the LoRA moves {part} by {moved} of its weights' size, less than rounding to fp16 does", **told)
        if part.moved < VANISHED
        else say("the LoRA moves {part} by {moved} of its weights' size", **told)
    )
    if not part.dead:
        return words
    modules = {"count": part.dead, "total": part.modules}
    return say("{reason}, and does nothing in {count} of its {total} modules", reason=words, **modules)


def _named(part: PartMovement) -> str:
    return {"unet": say("the UNet"), "te1": say("the text encoder")}.get(part.part, say("the second text encoder"))


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
        reason=say(
            "held-out loss is {loss}, and {without} with the text encoder's part switched off, so that part makes it "
            "{share} worse (it moved by {moved})",
            loss=f"{last.held_out_loss:.4f}",
            without=f"{last.held_out_without_te:.4f}",
            share=f"{worse:.0%}",
            moved=f"{last.te_movement:.2g}",
        ),
        advice=say("lower te_lr ({rate}), or use this file at a lower TEnc weight", rate=f"{settings.te_lr:g}"),
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
        reason=say(
            "held-out loss was {least} {when} and is {last} now, while the loss on train pictures went from {first} to "
            "{now}",
            least=f"{least:.4f}",
            when=_at(best),
            last=f"{last:.4f}",
            first=_figure(readings[0].train_loss),
            now=_figure(readings[-1].train_loss),
        ),
        advice=say("use the file of epoch {number}, or train for fewer steps", number=best)
        if best
        else say("train for fewer steps"),
    )


def _under_trained(readings: Sequence[Reading], events: Sequence[Event], settings: RunSettings) -> Verdict | None:
    before, after = readings[0].train_loss, readings[-1].train_loss
    if len(readings) < 2 or before is None or after is None or after < before * (1 - UNDER_TRAINED):
        return None
    return Verdict(
        name="under-trained",
        reason=say(
            "the loss on pictures trained on, at fixed noise, was {before} before and is {after} now",
            before=f"{before:.4f}",
            after=f"{after:.4f}",
        ),
        advice=_about_d(readings) or _about_the_rest(readings[-1].step, settings),
    )


def _about_the_rest(step: int, settings: RunSettings) -> str:
    left = len(settings.travel) - step
    return (
        say("{count} steps of the plan are left: let it go on", count=left)
        if left > 0
        else say("train longer, or at a higher learning rate")
    )


def _about_d(readings: Sequence[Reading]) -> str:
    """Advice where an optimizer that finds its own rate has found none; "" where it has, or is told its rate."""
    first, last = readings[0].d, readings[-1].d
    if first is None or last is None or last > first:
        return ""
    return say(
        "the optimizer's own rate d never grew from {rate}: give it a higher first guess, "
        "training.optimizer_args = {setting}, or train longer",
        rate=f"{first:g}",
        setting=f"{{ d0 = {10 * first:g} }}",
    )


def _healthy(readings: Sequence[Reading]) -> str:
    first, last = readings[0], readings[-1]
    moved = _movement(last)
    words = [say("loss at fixed noise {old} -> {new}", old=_figure(first.train_loss), new=_figure(last.train_loss))]
    if last.held_out_loss is not None:
        held_out = {"old": _figure(first.held_out_loss), "new": _figure(last.held_out_loss)}
        words.append(say("held out {old} -> {new}", **held_out))
    if moved is not None:
        words.append(say("weights moved by {share} of the base's", share=f"{moved:.2g}"))
    if first.d is not None and last.d is not None:
        own = {"old": f"{first.d:.2g}", "new": f"{last.d:.2g}"}
        grew = say("d {old} -> {new}", **own) if last.d > first.d else say("d {old} -> {new} (it never grew)", **own)
        words.append(grew)
    return listed(words)


def _movement(reading: Reading) -> float | None:
    sizes = [size for size in (reading.unet_movement, reading.te_movement) if size is not None]
    return max(sizes) if sizes and all(map(isfinite, sizes)) else None


def _movement_at_the_end(reading: Reading, settings: RunSettings) -> float | None:
    parts = (("unet", reading.unet_movement), ("te1", reading.te_movement))
    sizes = [settings.at_the_end(part, moved, reading.step) for part, moved in parts if moved is not None]
    return max(sizes) if _movement(reading) is not None else None


def _at(epoch: int) -> str:
    return say("after epoch {number}", number=epoch) if epoch else say("before training")


def _figure(value: float | None) -> str:
    return say("not measured") if value is None else f"{value:.4f}"
