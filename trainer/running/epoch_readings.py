"""What is measured at the end of an epoch: fixed losses and how far the weights moved."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import cast

from torch import nn

from trainer.guarding.fixed_loss import adapters_off, fixed_choice, fixed_loss
from trainer.learning.optimizers import found_rate
from trainer.learning.run_state import Reading, RunState
from trainer.running.session import Session


class Readings:
    """Chooses once what is measured on, so that every reading of a run answers the same question."""

    def __init__(self, session: Session) -> None:
        self._session = session
        trained, reg = len(session.dataset.train), len(session.dataset.reg)
        setup = session.updater.setup
        self._train = fixed_choice(range(trained), setup)
        self._held_out = fixed_choice(range(trained + reg, len(session.dataset.samples)), setup)

    def read(self, run_state: RunState, epoch: int) -> Reading:
        """The reading at `run_state`, whose epoch has just ended (0: before the first step)."""
        setup, movement = self._session.updater.setup, self._session.gauge.measure()
        without_te: float | None = None
        if movement.text_encoder is not None:
            with adapters_off(cast("Sequence[nn.Module]", setup.base.text_encoders)):
                without_te = fixed_loss(setup, self._held_out)
        return Reading(
            epoch=epoch,
            step=run_state.done,
            train_loss=fixed_loss(setup, self._train),
            mean_loss=fmean(run_state.epoch_losses) if run_state.epoch_losses else None,
            held_out_loss=fixed_loss(setup, self._held_out),
            held_out_without_te=without_te,
            unet_movement=movement.unet,
            te_movement=movement.text_encoder,
            parts=movement.parts,
            d=found_rate(self._session.updater.optimizer),
        )
