"""One row of the ranking: a cell with all that was measured of it and is said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property

from eval.ranking.second_face_model import SecondModelFigures
from eval.request.cells import Called
from eval.request.epochs.training_order import Trained
from eval.request.settings import UNVARIED, Setting
from eval.statistics.standing import Standing
from eval.wording.figure_texts import cell_name, rounded, settings_text
from eval.wording.subject_words import of_whole_pictures
from loras.weights import Weights


@dataclass(frozen=True)
class Elsewhere:
    """The same LoRAs at the same weights drawn another way: how much more alike (less: below 0), with the interval."""

    on: Setting
    difference: float
    low: float | None
    high: float | None

    def as_json(self) -> dict[str, object]:
        """What `elsewhere` holds in a row of `rank --json`."""
        drawn: dict[str, object] = {key: value for key, value in asdict(self.on).items() if value is not None}
        figures = {"difference": self.difference, "difference_low": self.low, "difference_high": self.high}
        return drawn | {key: rounded(value) for key, value in figures.items()}


@dataclass(frozen=True)
class RankedCell:
    """A figure that was not measured is None, and `flags` says why. How each is shown: `eval/ranking/columns.py`.

    `identity`: as it is in these pictures; `expected`: what pictures of other seeds would show, with the first row's
    luck taken off, and `identity_low`, `identity_high` its 95 % interval. `place`: 1 is the first. `standing`: how it
    stands beside the first, and `difference_low`, `difference_high` how far its true likeness is from that row's, of
    which `difference_that_matters` is the least to heed. `gain`: likeness gained on the base model; `worth_taking`:
    surely by more than `gain_that_matters`; all of these None where the base model shows nothing to gain on.
    `expected_normalised`: `expected` on the way from the base model to the real pictures. `first_again`: in what share
    of other draws of seeds it would be first. `pareto_front`: no other row beats it in everything. `measured`: the
    figures that a column measures itself, by its key. `trends`: what the grid shows over epochs and weights that
    concerns this row. `doubtful`: limits that it is past, though no further than chance takes it. `second`: what a
    second face model says. `scored_by`: names and hashes of the models, `licences` theirs by name. `beyond`: weights of
    parts that few families have (`Weights.beyond`). `on`: what it is drawn with, as far as that varies in the grid,
    and `elsewhere` the same drawn otherwise. `guest`: what it is called by, where it is not one's own.
    """

    place: int
    cell: str
    checkpoint: str
    epoch: int | None
    step: int | None
    unet: float
    te1: float
    te2: float
    also: str
    identity: float
    expected: float
    identity_low: float | None
    identity_high: float | None
    identity_normalised: float | None
    expected_normalised: float | None
    prompt: float | None
    prompt_low: float | None
    prompt_high: float | None
    face_rate: float | None
    face_rate_low: float | None
    face_rate_high: float | None
    bleed: float | None
    bleed_low: float | None
    bleed_high: float | None
    copy: float | None
    copy_low: float | None
    copy_high: float | None
    spread: float | None
    pictures: int
    failed: int
    broken: tuple[str, ...]
    tied_with_best: bool
    standing: Standing
    difference_low: float | None
    difference_high: float | None
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    gain_that_matters: float | None
    worth_taking: bool | None
    difference_that_matters: float
    first_again: float | None
    pareto_front: bool
    measured: Mapping[str, float | None]
    flags: tuple[str, ...]
    trends: tuple[str, ...]
    second: SecondModelFigures | None
    scored_by: Mapping[str, str]
    licences: Mapping[str, str]
    beyond: Mapping[str, float] = field(default_factory=dict[str, float])
    on: Setting = UNVARIED
    elsewhere: tuple[Elsewhere, ...] = ()
    guest: Called | None = None
    doubtful: tuple[str, ...] = ()

    @cached_property
    def name(self) -> str:
        """What the row is called."""
        return cell_name(self.checkpoint, self._weights, self.also, str(self.on))

    @property
    def trained(self) -> Trained:
        """What its checkpoint's place in the order of training follows from."""
        return Trained(self.epoch, self.step, self.checkpoint)

    @cached_property
    def settings(self) -> str:
        """All of the cell but its checkpoint."""
        return settings_text(self._weights, self.also, str(self.on))

    @property
    def weights(self) -> str:
        """How strongly the LoRA acts, as `unet=0.8,te=0.6`."""
        return str(self._weights)

    @property
    def te(self) -> float | None:
        """The weight on the text encoder, or None where two have different ones."""
        return self.te1 if self.te1 == self.te2 else None

    @property
    def image_likeness(self) -> str:
        """The model of whole pictures by which likeness was measured, "" where it was a face model."""
        return of_whole_pictures(self.scored_by["likeness"]) if self.face_rate is None else ""

    @cached_property
    def _weights(self) -> Weights:
        return Weights(self.unet, self.te1, self.te2, **self.beyond)

    @property
    def by_part(self) -> dict[str, float]:
        """How strongly the LoRA acts, by part: `te` where all text encoders have the same."""
        return self._weights.by_part


def recommended(ranked: Sequence[RankedCell]) -> RankedCell | None:
    """The first row within the limits that is shown to gain enough on the base model; None: there is none to take.

    It need not be the first of the order, whose pictures may scatter too far to show that it gains anything.
    """
    return next((row for row in ranked if row.worth_taking and not row.broken), None)
