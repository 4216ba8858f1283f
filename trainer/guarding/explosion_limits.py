"""How large a step's loss and gradient may be before it explodes, from what the run's own steps were like.

A limit is far outside of what is usual, in logarithms, where losses and norms spread evenly about their median: a batch
of one picture at a late timestep easily has ten times the loss of another. The median and the median absolute deviation
are used because they do not follow the outliers that they are to find (Leys et al. 2013, "Detecting outliers").
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, log
from statistics import median

from trainer.guarding.update import Limits
from trainer.learning.run_state import MIN_HISTORY, RunState

# A normal distribution's standard deviation is this many median absolute deviations.
DEVIATIONS = 1.4826
# Ten standard deviations of the logarithm, and never less than these factors over the median.
SPREAD, LOSS_FACTOR, GRADIENT_FACTOR = 10.0, 20.0, 100.0
# Noise has a variance of 1, so who answers with nothing at all loses 1. Where there is hardly any noise even a good
# model loses nearly that, and a first batch of one picture may be such a one.
NO_ANSWER = 2.0


def limits_for(run_state: RunState) -> Limits:
    """The limits for the next steps. Before there is a history, only the loss has one: by what the base model loses."""
    before = [loss for reading in run_state.readings[:1] if (loss := reading.train_loss) is not None]
    first = max(LOSS_FACTOR * before[0], NO_ANSWER) if before else inf
    return Limits(
        _limit(run_state.losses, LOSS_FACTOR, fallback=first),
        _limit(run_state.gradients, GRADIENT_FACTOR, fallback=inf),
    )


def _limit(values: Sequence[float], factor: float, fallback: float) -> float:
    # A loss of exactly 0 is possible where nothing weighs anything; it says nothing of what is usual.
    logarithms = [log(value) for value in values if value > 0]
    if len(logarithms) < MIN_HISTORY:
        return fallback
    middle = median(logarithms)
    spread = DEVIATIONS * median(abs(value - middle) for value in logarithms)
    return exp(min(700.0, middle + max(log(factor), SPREAD * spread)))
