"""What a store keeps of its last grid besides pictures and readings, as it is written; and cells to and from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from eval.ranking.missing_pictures import GONE, NOT_IMPORTED
from eval.request.cells import Called, Cell, Checkpoint, Sampling, Use
from eval.request.spec import LimitsSection
from eval.store.search_record import SearchRecord
from foundation.toml_config import Section
from foundation.wording.said import say
from loras.weights import Weights, recipe_weights

Count = Annotated[int, Field(ge=-(2**53), le=2**53)]  # what any arithmetic can hold


class UnitRecord(Section):
    """A unit, with what the control cell is shown in its place."""

    prompt: str
    class_prompt: str
    seed: int
    role: str


class UseRecord(Section):
    """A LoRA file at its weights, as it was when the grid was made. `same_as` is a hash."""

    path: str
    name: str
    sha256: str
    epoch: Count | None
    unet: float
    te1: float
    te2: float
    same_as: str = ""
    step: Count | None = None
    te3: float | None = None
    adapter: float | None = None


class CalledRecord(Section):
    """What a guest is called by; "" stands for the grid's own words."""

    trigger: str
    class_word: str


class CellRecord(Section):
    """The files of a cell, the one that is judged first; `dtype` is the type that their sum is rendered in.

    `same_as`: as in `Cell`. `setting`: which of the grid's ways to draw it has, by number; None where there is one.
    `called`: of a guest, None of one's own.
    """

    uses: list[UseRecord]
    dtype: str
    same_as: str = ""
    setting: int | None = None
    called: CalledRecord | None = None


class SettingRecord(Section):
    """A way to draw: the base model's name, and the whole sampling."""

    base_name: str
    sampling: dict[str, str | int | float]


class GridRecord(Section):
    """Everything of a grid but pictures and readings. `licences`: what each scoring model may be used for.

    `subject`: "face", or "image" where likeness is CLIP's or DINOv2's; then `face_model` is that one's name. `places`:
    where each reference and training picture lay when it was read; `remarks`: what was odd about them. `second_model`
    is "" where none was asked. `gone`: pictures whose files were gone or damaged before these models had read them, or
    that were not among those that were `imported`: from where, where the grid's pictures were not rendered here.
    `notes`: what is to be said of such a grid. `settings`: the ways to draw, where there are several; `base_name` and
    `sampling` are then the first's.
    """

    base_name: str
    sampling: dict[str, str | int | float]
    trigger: str
    class_word: str
    units: Annotated[list[UnitRecord], Field(min_length=1)]
    cells: list[CellRecord]
    references: list[str]
    training: list[str]
    face_model: str
    face_sha256: str
    clip_model: str
    clip_sha256: str
    licences: dict[str, str]
    subject: Literal["face", "image"] = "face"
    second_model: str = ""
    second_sha256: str = ""
    places: dict[str, str] = Field(default_factory=dict)
    limits: LimitsSection = LimitsSection()
    search: SearchRecord | None = None
    gone: list[str] = Field(default_factory=list)
    remarks: list[str] = Field(default_factory=list)
    imported: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    settings: list[SettingRecord] = Field(default_factory=list)

    @model_validator(mode="after")
    def _every_cell_can_be_drawn(self) -> Self:
        """A fact that was edited can name a way to draw that there is not, or lack what a way is made of."""
        ways = range(len(self.settings))
        try:
            _ = self.drawn
        except TypeError as error:
            raise ValueError(f"no sampling ({error})") from error
        if any(not cell.uses or not (cell.setting is None or cell.setting in ways) for cell in self.cells):
            raise ValueError("a cell without files, or of no way to draw")
        return self

    @property
    def why_gone(self) -> str:
        """What became of pictures that are gone."""
        return NOT_IMPORTED if self.imported else GONE

    @property
    def drawn(self) -> list[tuple[str, Sampling]]:
        """Every way to draw: the base model's name, and the sampling."""
        listed = self.settings or [SettingRecord(base_name=self.base_name, sampling=self.sampling)]
        return [(one.base_name, sampling_of(one.sampling)) for one in listed]

    @property
    def again(self) -> str:
        """What makes pictures again that are gone."""
        if self.imported:
            return say("draw them, and run `python -m eval import` with all of them")
        if self.search:
            return say("run `python -m eval search SPEC`, which makes them again")
        return say("run `python -m eval grid SPEC`, which makes them again")


def sampling_of(kept: Mapping[str, Any]) -> Sampling:
    """A sampling as it is kept."""
    return Sampling(**kept)


def cell_record(cell: Cell, setting: int | None = None) -> CellRecord:
    """A cell as it is kept, of that way to draw by number, where there are several."""
    uses = [_use_record(use) for use in cell.uses]
    called = None if cell.called is None else CalledRecord.model_validate(asdict(cell.called))
    return CellRecord(uses=uses, dtype=cell.dtype, same_as=cell.same_as, setting=setting, called=called)


def _use_record(use: Use) -> UseRecord:
    one, weights = use.checkpoint, use.weights
    file = asdict(one) | {"path": str(one.path)}
    return UseRecord.model_validate(file | recipe_weights(weights))


def cell_of(record: CellRecord, drawn: Sequence[tuple[str, Sampling]]) -> Cell:
    """A kept cell. `drawn`: the grid's ways to draw."""
    uses = [
        Use(
            Checkpoint(Path(use.path), use.name, use.sha256, use.epoch, use.same_as, use.step),
            Weights(use.unet, use.te1, use.te2, use.te3, use.adapter),
        )
        for use in record.uses
    ]
    on = None if record.setting is None else drawn[record.setting][1]
    called = None if record.called is None else Called(record.called.trigger, record.called.class_word)
    return Cell(uses[0], tuple(uses[1:]), record.dtype, record.same_as, on, called)
