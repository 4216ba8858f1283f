"""How many steps may be asked for. Loads nothing, so that a wrong number is told at once."""

from __future__ import annotations

from foundation.errors import ConfigurationError

MOST_STEPS = 100_000


class ImpossibleStepsError(ConfigurationError):
    """A number of steps that no plan over this data comes near."""


def check_wanted(steps: int) -> None:
    """Raise ImpossibleStepsError for a number that no run has."""
    if not 1 <= steps <= MOST_STEPS:
        raise ImpossibleStepsError(f"--suggest {steps}: give a number of steps from 1 to {MOST_STEPS}")
