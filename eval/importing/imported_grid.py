"""Pictures that tell of themselves as a grid: cells x units, the base model's as the control, what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from base_models.drawing.samplers import sampler_name
from eval.importing.collected import ReadPicture
from eval.importing.imported_cells import Key, KnownLoras, cells_of
from eval.importing.metadata.told import CFG, CLIP_SKIP, MODEL, SAMPLER, STEPS, plain_words
from eval.request.cells import CONTROL, Cell, Sampling
from eval.request.prompts import Prompt, prompt_of
from eval.request.units import Unit
from foundation.errors import UserError

SUBJECT = "subject"
HALF = 0.5
MOST_NAMED = 3
BASE = Key()


class NothingToCompareError(UserError):
    """Pictures of which no two rows share anything. The text says what to do."""


@dataclass(frozen=True)
class ImportedGrid:
    """`places`: the picture of each id of the store, the control's too; `missing`: ids of which there is none.

    `lacking`: the same by row; `left_out`: pictures by their place that no row compares, and why; `control`: how
    many units the base model's pictures show (0 where too few), of which `stand_ins` were shown the trigger.
    """

    sampling: Sampling
    base_name: str
    cells: list[Cell]
    prompts: Mapping[str, Prompt]
    units: list[Unit]
    places: Mapping[str, ReadPicture]
    missing: list[str]
    lacking: Mapping[str, list[Unit]]
    left_out: Mapping[str, str]
    control: int
    stand_ins: int
    duplicates: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def has_control(self) -> bool:
        """Whether the base model's pictures are enough to compare with."""
        return self.control > 0


@dataclass(frozen=True)
class Subject:
    """What calls the subject in prompts, what the base model is shown instead; `order`: prompts as they are shown."""

    trigger: str
    class_word: str
    order: Sequence[str] = ()


Table = dict[tuple[Key, str, int], ReadPicture]


def grid_of(pictures: Sequence[ReadPicture], loras: KnownLoras, subject: Subject, dtype: str) -> ImportedGrid:
    """The grid of pictures of one kind of settings. Raises NothingToCompareError."""
    table, duplicates = _tabled(pictures, loras)
    rows: dict[Key, ReadPicture] = {}
    for (key, _, _), picture in table.items():
        if key or _is_idle(picture):
            rows.setdefault(key, picture)
    if not rows:
        raise NothingToCompareError(_NO_LORA)
    cells = cells_of({key: picture.told for key, picture in rows.items()}, loras, dtype)
    units = _units(table, list(cells), subject)
    kept_rows, kept_units = _shared(table, list(cells), units)
    return _Assembly(table, {key: cells[key] for key in kept_rows}, kept_units, subject, duplicates).grid()


_NO_LORA = (
    "no picture tells of a LoRA at a weight, so there is no row to compare; name other sources, or give a manifest "
    "(--manifest) or a pattern of names (--pattern)"
)


def _is_idle(picture: ReadPicture) -> bool:
    """The base model, by a picture that names a LoRA at weight 0."""
    return bool(picture.told.loras)


def _tabled(pictures: Sequence[ReadPicture], loras: KnownLoras) -> tuple[Table, dict[str, str]]:
    """Each place once; of two pictures of one place the first is taken, and the other named."""
    table: Table = {}
    doubled: dict[str, str] = {}
    for picture in pictures:
        place = (loras.cell_key(picture.told), picture.told.prompt, picture.told.seed)
        first = table.setdefault(place, picture)
        if first is not picture:
            doubled[str(picture.source)] = f"is of the same LoRAs, weights, prompt and seed as {first.source}"
            if place[0] == BASE and _is_idle(picture) and not _is_idle(first):
                table[place] = picture
    return table, doubled


def _units(table: Table, rows: Sequence[Key], subject: Subject) -> list[Unit]:
    """What any row shows, subject prompts first; prompts as they are listed or came, seeds as they count."""
    listed = [plain_words(prompt) for prompt in subject.order]
    came = list(
        dict.fromkeys(prompt for key, prompt, _ in table if key in rows and (key or _of_trigger(prompt, subject)))
    )
    prompts = [*(one for one in listed if one in came), *(one for one in came if one not in listed)]
    seeds: dict[str, set[int]] = {}
    for key, prompt, seed in table:
        if key in rows:
            seeds.setdefault(prompt, set()).add(seed)
    roles = {prompt: prompt_of(prompt, subject.trigger, subject.class_word).role for prompt in prompts}
    ordered = sorted(prompts, key=lambda prompt: roles[prompt] != SUBJECT)
    return [Unit(prompt, seed, roles[prompt]) for prompt in ordered for seed in sorted(seeds[prompt])]


def _of_trigger(prompt: str, subject: Subject) -> bool:
    return prompt_of(prompt, subject.trigger, subject.class_word).role == SUBJECT


def _shared(table: Table, rows: list[Key], units: list[Unit]) -> tuple[list[Key], list[Unit]]:
    """The rows and units that can be compared: who lacks half of the others goes, the one that lacks most first.

    Of a row and a unit that lack as much it is the unit. What is missing of the rest is left out unit by unit when the
    store is ranked, and said there.
    """
    there = np.array([[(key, unit.prompt, unit.seed) in table for unit in units] for key in rows])
    kept_rows, kept_units = np.ones(len(rows), bool), np.ones(len(units), bool)
    while kept_rows.any() and kept_units.any():
        of_rows = _missing(there[:, kept_units], 1) * kept_rows
        of_units = _missing(there[kept_rows], 0) * kept_units
        if max(of_rows.max(), of_units.max()) < HALF:
            break
        if of_units.max() >= of_rows.max():
            kept_units &= of_units < of_units.max()
        else:
            kept_rows &= of_rows < of_rows.max()
    shown = [unit for unit, stays in zip(units, kept_units, strict=True) if stays]
    if not kept_rows.any() or not shown:
        raise NothingToCompareError(
            f"the {len(rows)} rows share no prompt and seed that half of them have, so nothing can be compared in "
            "pairs; draw all rows with the same prompts and fixed seeds"
        )
    return [key for key, stays in zip(rows, kept_rows, strict=True) if stays], shown


def _missing(there: np.ndarray, axis: int) -> np.ndarray:
    """The share of pictures that are not there, along an axis."""
    return 1 - there.mean(axis)


@dataclass(frozen=True)
class _Assembly:
    """A table, its rows and its units, put together as a grid."""

    table: Table
    cells: Mapping[Key, Cell]
    units: list[Unit]
    subject: Subject
    duplicates: Mapping[str, str]

    def grid(self) -> ImportedGrid:
        if not any(unit.role == SUBJECT for unit in self.units):
            raise NothingToCompareError(
                f"no prompt that the rows share has the trigger `{self.subject.trigger}`, so nobody's likeness can be "
                "measured; give --trigger as the prompts have it"
            )
        sampling, name = sampling_of(next(iter(self._of_rows())))
        prompts = {one: prompt_of(one, self.subject.trigger, self.subject.class_word) for one in self._prompts}
        places: dict[str, ReadPicture] = {}
        missing: list[str] = []
        lacking: dict[str, list[Unit]] = {}
        for key, cell in self.cells.items():
            for unit in self.units:
                if picture := self.table.get((key, unit.prompt, unit.seed)):
                    places[sampling.picture_id(cell.id, unit.prompt, unit.seed)] = picture
                else:
                    missing.append(sampling.picture_id(cell.id, unit.prompt, unit.seed))
                    lacking.setdefault(_called(cell), []).append(unit)
        control, stand_ins = self._control(prompts)
        ids = {sampling.picture_id(CONTROL, prompts[unit.prompt].class_text, unit.seed): unit for unit in self.units}
        if control:
            places |= {one: control[unit] for one, unit in ids.items() if unit in control}
            missing += [one for one, unit in ids.items() if unit not in control]
            if absent := [unit for unit in self.units if unit not in control]:
                lacking["the base model"] = absent
        cells = list(self.cells.values())
        left_out = self._left_out(places)
        count = len(control)
        return ImportedGrid(
            sampling,
            name,
            cells,
            prompts,
            self.units,
            places,
            missing,
            lacking,
            left_out,
            count,
            stand_ins,
            self.duplicates,
        )

    @property
    def _prompts(self) -> list[str]:
        return list(dict.fromkeys(unit.prompt for unit in self.units))

    def _of_rows(self) -> list[ReadPicture]:
        return [picture for (key, _, _), picture in self.table.items() if key in self.cells]

    def _control(self, prompts: Mapping[str, Prompt]) -> tuple[dict[Unit, ReadPicture], int]:
        """The base model's pictures by unit, shown the class word, or else the trigger; none where half are missing."""
        found: dict[Unit, ReadPicture] = {}
        stand_ins = 0
        for unit in self.units:
            own = self.table.get((BASE, prompts[unit.prompt].class_text, unit.seed))
            triggered = self.table.get((BASE, unit.prompt, unit.seed))
            if picture := own or triggered:
                found[unit] = picture
                stand_ins += own is None
        return (found, stand_ins) if len(found) > HALF * len(self.units) else ({}, 0)

    def _left_out(self, places: Mapping[str, ReadPicture]) -> dict[str, str]:
        used = {id(picture) for picture in places.values()}
        return {
            str(picture.source): "shows a row, or a prompt and seed, that the others do not share"
            for picture in self.table.values()
            if id(picture) not in used
        }


def _called(cell: Cell) -> str:
    return " + ".join(str(use) for use in cell.uses)


def sampling_of(picture: ReadPicture) -> tuple[Sampling, str]:
    """How pictures were drawn, as far as they tell (0 and "" where they do not), and the base model's name."""
    told = picture.told.settings
    base = told.get(MODEL, "")
    width, height = picture.size
    return Sampling(
        base=base,
        dtype="",
        sampler=_sampler(told.get(SAMPLER, "")),
        steps=int(_number(told.get(STEPS, ""))),
        cfg=_number(told.get(CFG, "")),
        width=width,
        height=height,
        clip_skip=int(_number(told.get(CLIP_SKIP, "")) or 1),
        negative=picture.told.negative,
    ), picture.told.base or base


def _sampler(told: str) -> str:
    try:
        return sampler_name(told)
    except ValueError:
        return told


def _number(told: str) -> float:
    try:
        value = float(told)
    except ValueError:
        return 0.0
    return value if 0 < value < 1e6 else 0.0
