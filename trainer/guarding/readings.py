"""What is measured at the end of an epoch: fixed losses and how far the weights moved."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import cast

from torch import nn

from trainer.course import Course, Reading
from trainer.guarding.fixed_loss import adapters_off, fixed_choice, fixed_loss
from trainer.optimizers import found_rate
from trainer.session import Session


class Readings:
    """Chooses once what is measured on, so that every reading of a run answers the same question."""

    def __init__(self, session: Session) -> None:
        self._session = session
        trained, reg = len(session.dataset.train), len(session.dataset.reg)
        learner = session.updater.learner
        self._train = fixed_choice(range(trained), learner)
        self._held_out = fixed_choice(range(trained + reg, len(session.dataset.samples)), learner)

    def read(self, course: Course, epoch: int) -> Reading:
        """The reading at `course`, whose epoch has just ended (0: before the first step)."""
        learner, movement = self._session.updater.learner, self._session.gauge.measure()
        without_te: float | None = None
        if movement.text_encoder is not None:
            with adapters_off(cast("Sequence[nn.Module]", learner.base.text_encoders)):
                without_te = fixed_loss(learner, self._held_out)
        return Reading(
            epoch=epoch,
            step=course.done,
            train_loss=fixed_loss(learner, self._train),
            mean_loss=fmean(course.epoch_losses) if course.epoch_losses else None,
            held_out_loss=fixed_loss(learner, self._held_out),
            held_out_without_te=without_te,
            unet_movement=movement.unet,
            te_movement=movement.text_encoder,
            parts=movement.parts,
            d=found_rate(self._session.updater.optimizer),
        )
