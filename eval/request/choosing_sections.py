"""How a grid's cells are chosen among: the tables [search], [limits] and [budget] of its specification."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from foundation.key_reference.units import FORWARDS, MINUTES, MONEY, PICTURES, SHARE, STEPS
from foundation.toml_config import Section


class SearchSection(Section):
    """How `eval search` chooses. `surface` reads neighbouring epochs and weights, `halving` only each cell by itself.

    `refine_trials`: so many cells of weights between and beside the grid's are tried around the best finalist, each on
    `refine_units` pictures; the best two join the finalists before these are confirmed.

    A budget is in UNet forwards, in finished pictures, in minutes of rendering, or in money at the price of `[budget]`.
    """

    method: Literal["surface", "halving"] = "surface"
    """"surface" reads neighbouring epochs and weights, "halving" each cell by itself."""
    looks: Literal["few-steps", "finished"] = "finished"
    """Cells are chosen by pictures of "few-steps", or by "finished" ones; what confirms is always finished."""
    look_steps: Annotated[int, STEPS] = Field(default=6, ge=1)
    """Steps of such a picture; doubled while too few of the base model's own show a face."""
    first_units: Annotated[int, PICTURES] = Field(default=4, ge=1)
    """Pictures of each cell in the first full round."""
    keep: int = Field(default=3, ge=2)
    """One cell in so many stays after a round."""
    finalists: int = Field(default=4, ge=2)
    """Cells that are drawn again on fresh seeds."""
    confirm_units: Annotated[int, PICTURES] = Field(default=64, ge=2)
    """Fresh pictures of each finalist, rounded up to whole seeds."""
    certify_units: Annotated[int, PICTURES] = Field(default=48, ge=4)
    """The most pictures of a cell that --certify uses."""
    refine_trials: int = Field(default=0, ge=0)
    """Cells of weights between and beside the grid's that are tried; 0: none."""
    refine_units: Annotated[int, PICTURES] = Field(default=8, ge=1)
    """Pictures of each of them."""
    budget_forwards: Annotated[int | None, FORWARDS] = Field(default=None, ge=1)
    """The most UNet forwards: evaluations of the UNet of one picture at one step, each with its guidance pair."""
    budget_pictures: Annotated[int | None, PICTURES] = Field(default=None, ge=1)
    """The most that a search renders, as so many finished pictures."""
    budget_minutes: Annotated[float | None, MINUTES] = Field(default=None, gt=0)
    """The longest that a search renders."""
    budget_cost: Annotated[float | None, MONEY] = Field(default=None, gt=0)
    """The most that a search costs, at the price of `budget.price_per_hour`."""

    @model_validator(mode="after")
    def _one_budget(self) -> SearchSection:
        budgets = (self.budget_forwards, self.budget_pictures, self.budget_minutes, self.budget_cost)
        if sum(one is not None for one in budgets) > 1:
            raise ValueError(
                "give one of budget_forwards, budget_pictures, budget_minutes and budget_cost, not several"
            )
        return self


class LimitsSection(Section):
    """What a cell may cost before likeness counts, each as a share of something measured in the same grid, or "off".

    What is not named has the default of `eval.ranking.limits.Limits`, which says what each is a share of.
    `difference`: the least difference of likeness that matters, a cosine; rows closer than that are as good.
    """

    face_rate: Annotated[Annotated[float, Field(ge=0, le=1)] | Literal["off"] | None, SHARE] = None
    """Below this share of the base model's face rate a row breaks a limit; without it 0.9."""
    prompt: Annotated[Annotated[float, Field(ge=0)] | Literal["off"] | None, SHARE] = None
    """Prompts may be followed worse by this share of the contrast between prompts; without it 0.5."""
    bleed: Annotated[Annotated[float, Field(ge=0)] | Literal["off"] | None, SHARE] = None
    """Strangers may go this share of the way to the subject; without it 0.25."""
    copy_share: Annotated[Annotated[float, Field(ge=0)] | Literal["off"] | None, SHARE] = Field(
        default=None, alias="copy"
    )
    """Pictures may go this share of the way to a training picture; without it 0.15."""
    difference: Annotated[float, Field(gt=0, le=1)] | None = None
    """The least difference of likeness that matters, a cosine: rows closer than that are as good; without it 0.02."""


class BudgetSection(Section):
    """What a dry run reckons with: the price of an hour of one device, in the user's currency."""

    price_per_hour: Annotated[float | None, MONEY] = Field(default=None, ge=0)
    """What an hour of one device costs, in any currency."""
