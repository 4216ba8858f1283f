"""TensorBoard's event files of a run, under the tags that sd-scripts writes, as its users' dashboards expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Protocol

from foundation.typed.untyped import untyped
from trainer.learning.run_state import Reading
from trainer.records.run_log import LoggedStep
from trainer.samples.curve import EpochSamples

# sd-scripts' names of our learning rates.
PART_TAGS = {"unet_lr": "unet", "te_lr": "textencoder", "te1_lr": "textencoder 1", "te2_lr": "textencoder 2"}
# Optimizers that find a rate of their own multiply it by theirs.
RATE_TAGS = {name: f"lr/{part}" for name, part in PART_TAGS.items()} | {
    f"d*{name}": f"lr/d*lr/{part}" for name, part in PART_TAGS.items()
}


class EventLog(Protocol):
    """Where a run's figures go as they come."""

    def go_on_from(self, step: int | None, logged: Sequence[LoggedStep]) -> None:
        """What comes next follows `step` (None: before anything was measured); `logged` are the steps that stand."""
        ...

    def steps(self, steps: Sequence[LoggedStep]) -> None: ...

    def epoch(self, reading: Reading) -> None: ...

    def samples(self, drawn: Sequence[EpochSamples], step: int) -> None: ...


class NoEvents:
    """Where none are wanted."""

    def go_on_from(self, step: int | None, logged: Sequence[LoggedStep]) -> None:
        return None

    def steps(self, steps: Sequence[LoggedStep]) -> None:
        return None

    def epoch(self, reading: Reading) -> None:
        return None

    def samples(self, drawn: Sequence[EpochSamples], step: int) -> None:
        return None


class TensorBoard:
    """Event files in `folder`, flushed after each call.

    A step has `loss/current`, `loss/average` (over the last `steps_an_epoch`, as sd-scripts means it), `norm/gradient`
    and the learning rates; an epoch, at its last step, `loss/epoch_average`, the losses at fixed noise, how far the
    weights moved, and its sample pictures' identity.
    """

    def __init__(self, folder: Path, steps_an_epoch: int) -> None:
        self._folder, self._kept = folder, steps_an_epoch
        self._recent: list[float] = []

    def go_on_from(self, step: int | None, logged: Sequence[LoggedStep]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._recent = [one.loss for one in logged][-self._kept :]
        # Of earlier files, TensorBoard drops every step from this one on: it is about to be made again.
        self._writer = SummaryWriter(str(self._folder), purge_step=0 if step is None else step + 1)

    def steps(self, steps: Sequence[LoggedStep]) -> None:
        for one in steps:
            self._recent = [*self._recent, one.loss][-self._kept :]
            figures = {"loss/current": one.loss, "loss/average": fmean(self._recent), "norm/gradient": one.gradient}
            self._add(one.step, {**figures, **{RATE_TAGS[name]: rate for name, rate in one.rates.items()}})
        self._writer.flush()

    def epoch(self, reading: Reading) -> None:
        figures = {
            "loss/epoch_average": reading.mean_loss,
            "loss/fixed_train": reading.train_loss,
            "loss/held_out": reading.held_out_loss,
            "loss/held_out_without_textencoder": reading.held_out_without_te,
            "delta/unet": reading.unet_movement,
            "delta/textencoder": reading.te_movement,
        }
        self._add(reading.step, figures)
        self._writer.flush()

    def samples(self, drawn: Sequence[EpochSamples], step: int) -> None:
        """The identity of each of `drawn`, all of whom show the weights after `step`."""
        for one in drawn:
            if one.identity:
                self._add(step, {"identity/mean": one.identity.mean})
                self._add(step, {"identity/low": one.identity.low, "identity/high": one.identity.high})
        self._writer.flush()

    def _add(self, step: int, figures: Mapping[str, float | None]) -> None:
        for tag, value in figures.items():
            if value is not None:
                untyped(self._writer).add_scalar(tag, value, step)
