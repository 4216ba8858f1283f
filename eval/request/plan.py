"""The plan of a grid: checkpoints x also x weights, the units each renders, and the batches that share weights.

A plan is a value: it can be counted, printed and tested without loading a model. Its pictures are made as they are
asked for, so a plan of a million takes the memory of its cells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby, pairwise, product
from operator import attrgetter
from pathlib import Path

from base_models.base_source import find_base
from base_models.kohya_names import part_of
from eval.request.cells import CONTROL, Called, Cell, Checkpoint, Sampling, Use
from eval.request.checkpoints import BlendedLoras, DamagedLorasError, find_blended, find_checkpoints
from eval.request.elsewhere.elsewhere import Elsewhere
from eval.request.epochs.checkpoint_names import names_apart
from eval.request.epochs.training_order import order_in_words
from eval.request.guests import (
    FoundGuests,
    Guest,
    cells_of_guests,
    find_guests,
    notes_on,
    prompts_of_guests,
    told_apart,
)
from eval.request.lora_section import every_weight
from eval.request.prompts import Prompt, read_prompts, units_of
from eval.request.spec import GridSpec
from eval.request.units import Unit
from foundation.errors import ConfigurationError
from foundation.safetensors_header import read_header
from loras.key_spellings import spelling_of
from loras.weights import PARTS, TEXT_PARTS, parts_set_by


@dataclass(frozen=True, slots=True)
class PlannedPicture:
    """A picture to render. `cell` None is the base model; `prompt` the text itself (the control's has the class word).

    `checkpoint` and `unet_key` say what has to be loaded and what the UNet carries; both are "" for the base model.
    `steps`: of the sampler; 0: as many as the renderer was made for.
    """

    id: str
    cell: Cell | None
    prompt: str
    seed: int
    checkpoint: str = ""
    unet_key: str = ""
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures rendered together: they share what the UNet carries, while their texts may differ."""

    pictures: tuple[PlannedPicture, ...]

    @property
    def checkpoint(self) -> str:
        return self.pictures[0].checkpoint

    @property
    def unet_key(self) -> str:
        return self.pictures[0].unet_key


@dataclass(frozen=True)
class Plan:
    """`cells` are the rows of the ranking (tensors under two names or two headers: two rows, one id); `notes`: what to
    tell the user before anything is rendered. `guest_prompts`: what guests are asked in the place of each prompt."""

    sampling: Sampling
    prompts: dict[str, Prompt]
    units: list[Unit]
    cells: list[Cell]
    notes: tuple[str, ...] = ()
    guest_prompts: dict[Called, dict[str, Prompt]] = field(default_factory=dict[Called, dict[str, Prompt]])

    def __iter__(self) -> Iterator[PlannedPicture]:
        """Every picture once, dearest change first: the checkpoint, then the UNet's weight, then the text's.

        The text encoders are cheap to change within a checkpoint, for each prompt is encoded once at each of their
        weights and kept; the UNet's weights change as seldom as can be.
        """
        yield from self._base_pictures()
        # One file by several triggers has some pictures in common: those of prompts without any.
        shared, seen = {cell.lora_id for cell in self._distinct if cell.called}, set[str]()
        for cell in self._distinct:
            for picture in (self.picture(cell, unit) for unit in self.units):
                if cell.lora_id not in shared:
                    yield picture
                elif picture.id not in seen:
                    seen.add(picture.id)
                    yield picture

    def picture(self, cell: Cell | None, unit: Unit) -> PlannedPicture:
        """The picture of a row (None: the control, which sees the class word) and a unit."""
        if cell is None:
            return self._of_base(self.prompts[unit.prompt].class_text, unit)
        text = (self.guest_prompts[cell.called] if cell.called else self.prompts)[unit.prompt].text
        if cell.lora_id == CONTROL:
            return self._of_base(text, unit)
        identity, steps = self.sampling.picture_id(cell.lora_id, text, unit.seed), self.sampling.steps
        return PlannedPicture(identity, cell, text, unit.seed, cell.use.checkpoint.content, cell.unet_key, steps)

    @property
    def every_prompt(self) -> list[Prompt]:
        """All that is asked, of guests too."""
        return [*self.prompts.values(), *(one for asked in self.guest_prompts.values() for one in asked.values())]

    @property
    def said(self) -> tuple[str, ...]:
        """`notes`, and before them the order in which several checkpoints were trained, as it was read."""
        order = order_in_words([cell.use.checkpoint.trained for cell in self.cells if cell.called is None])
        return (order, *self.notes) if order else self.notes

    @property
    def picture_count(self) -> int:
        if self.guest_prompts:
            return sum(1 for _ in self)
        return sum(1 for _ in self._base_pictures()) + len(self._distinct) * len(self.units)

    @cached_property
    def _distinct(self) -> list[Cell]:
        """The cells in which something acts, each once, in the order of the work."""
        acting = [cell for cell in self.cells if cell.lora_id != CONTROL]
        unique = {cell.id: cell for cell in sorted(acting, key=lambda cell: not cell.same_as)}
        return sorted(unique.values(), key=_cost_order)

    def _base_pictures(self) -> Iterable[PlannedPicture]:
        """The controls, one's own and those of guests' class words, and cells at weight 0: shown the trigger."""
        idle = {cell.called: cell for cell in reversed(self.cells) if cell.lora_id == CONTROL}
        listed = [self.picture(row, unit) for row in (None, *idle.values()) for unit in self.units]
        guests = [(asked[unit.prompt], unit) for asked in self.guest_prompts.values() for unit in self.units]
        listed += [self._of_base(prompt.class_text, unit) for prompt, unit in guests]
        return {picture.id: picture for picture in listed}.values()

    def _of_base(self, text: str, unit: Unit) -> PlannedPicture:
        identity = self.sampling.picture_id(CONTROL, text, unit.seed)
        return PlannedPicture(identity, None, text, unit.seed, steps=self.sampling.steps)


def batches_of(pictures: Iterable[PlannedPicture], size: int) -> Iterator[Batch]:
    """Cut what shares the UNet's weights into as few batches of at most `size` as can be, of sizes as equal as can be.

    The boundaries follow from the plan alone, so pictures come out to the same bits whoever renders them.
    """
    for _, shared in groupby(pictures, key=attrgetter("checkpoint", "unet_key", "steps")):
        listed = tuple(shared)
        count = -(-len(listed) // size)
        ends = [len(listed) * number // count for number in range(count + 1)]
        yield from (Batch(listed[start:end]) for start, end in pairwise(ends))


def any_lost(pictures: Iterable[PlannedPicture], lost: Collection[str]) -> bool:
    """Whether the file of one of them is gone."""
    return bool(lost) and any(picture.id in lost for picture in pictures)


def make_plan(spec: GridSpec) -> Plan:
    """Work out the grid as it is drawn in the first way that the specification lists. Raises as `make_plans`."""
    return make_plans(spec)[0]


def make_plans(spec: GridSpec) -> list[Plan]:
    """Work out the whole grid: a plan for each of `spec.settings`. Hashes files, loads no model.

    Raises MissingFileError, DamagedLorasError, LoraFileError, BaseModelError or ConfigurationError.
    """
    # First what is blended in: a file that is not there is known at once, and of checkpoints all are hashed.
    blended, guests = find_blended(spec.lora.blended), find_guests(spec)
    found = find_checkpoints(spec.lora.checkpoints)
    if found.damaged or blended.damaged or guests.damaged:
        raise DamagedLorasError(found.damaged, blended.damaged, guests.damaged)
    ways = spec.settings
    plans = [_plan_of(one, found.checkpoints, blended, guests) for one in ways]
    if len(ways) == 1:
        return plans
    # Rows of several ways to draw stand in one ranking, so each says which is its own; pictures are as without it.
    return [replace(plan, cells=[replace(cell, on=plan.sampling) for cell in plan.cells]) for plan in plans]


def plan_of(spec: GridSpec, checkpoints: list[Checkpoint]) -> Plan:
    """The plan of a specification over these of its checkpoints, without guests. Raises as `make_plan`.

    A damaged file that is blended in is never left out: who names it asks about its cells, and about nothing else.
    """
    blended = find_blended(spec.lora.blended)
    if blended.damaged:
        raise DamagedLorasError({}, blended.damaged)
    return _plan_of(spec, checkpoints, blended, FoundGuests([], {}))


def _plan_of(spec: GridSpec, checkpoints: list[Checkpoint], blended: BlendedLoras, guests: FoundGuests) -> Plan:
    checkpoints, blended, others = _told_apart(checkpoints, blended, guests.guests)
    asked = read_prompts(spec.prompts)
    units = units_of(asked.prompts, spec.prompts.seed_list)
    by_text = {prompt.text: prompt for prompt in asked.prompts}
    cells = _cells_of(spec, checkpoints, blended, others)
    notes = (*asked.notes, *notes_on(others, asked.prompts, spec.prompts))
    of_guests = prompts_of_guests(others, asked.prompts, spec.prompts)
    return Plan(sampling_of(spec, asked.negative), by_text, units, cells, notes, of_guests)


def _told_apart(
    checkpoints: list[Checkpoint], blended: BlendedLoras, guests: list[Guest]
) -> tuple[list[Checkpoint], BlendedLoras, list[Guest]]:
    """With names of which no two are alike, though files of several folders be: a row is known by its name."""
    paths = [*(one.path for one in checkpoints), *blended.checkpoints, *(one.checkpoint.path for one in guests)]
    names = names_apart(paths)
    others = {path: replace(one, name=names[path]) for path, one in blended.checkpoints.items()}
    own = [replace(one, name=names[one.path]) for one in checkpoints]
    return own, replace(blended, checkpoints=others), told_apart(guests, names, own)


def _cells_of(spec: GridSpec, checkpoints: list[Checkpoint], blended: BlendedLoras, guests: list[Guest]) -> list[Cell]:
    cells: list[Cell] = []
    for others in spec.lora.also_lists:
        also = tuple(Use(blended.checkpoints[other.file], other.on_parts) for other in others if other.file is not None)
        asked = {other.checkpoints for other in others}
        beside = checkpoints[:1] if "first" in asked else checkpoints[-1:] if "last" in asked else checkpoints
        for checkpoint, own in product(beside, every_weight(spec.lora.said_weights)):
            cells.append(Cell(Use(checkpoint, own), also, spec.lora.export_dtype))
    return _same_cells_known([*cells, *cells_of_guests(spec, guests)])


def sampling_of(spec: GridSpec, negative: str) -> Sampling:
    """How the grid's pictures are drawn. Raises ConfigurationError, and BaseModelError for a base that is not there."""
    if spec.elsewhere is not None:
        return sampling_elsewhere(spec, spec.elsewhere, negative)
    if not spec.model.base:
        raise ConfigurationError(
            "[model] base: name the base model; or let a server draw, by --comfy URL or --a1111 URL"
        )
    base = find_base(spec.model.base, spec.model.overrides)
    _check_base_parts(spec, len(base.family.text), base.family.key.upper())
    return Sampling(
        base=base.sha256,
        dtype=spec.model.dtype,
        sampler=spec.sampler.name,
        steps=spec.sampler.steps,
        cfg=spec.sampler.cfg,
        width=spec.sampler.width or base.size,
        height=spec.sampler.height or base.size,
        clip_skip=spec.sampler.clip_skip if base.family.clip_skip_acts else 1,
        negative=negative,
    )


def sampling_elsewhere(spec: GridSpec, elsewhere: Elsewhere, negative: str) -> Sampling:
    """What the specification says is set there; else what the servers draw with by themselves, as far as they tell."""
    own, said, sampler = elsewhere.own, elsewhere.said, spec.sampler
    return Sampling(
        base=own.base,
        dtype="",
        sampler=sampler.name if "name" in said else own.sampler,
        steps=sampler.steps if "steps" in said else own.steps,
        cfg=sampler.cfg if "cfg" in said else own.cfg,
        width=(sampler.width if "width" in said else None) or own.width,
        height=(sampler.height if "height" in said else None) or own.height,
        clip_skip=sampler.clip_skip if "clip_skip" in said else 1,
        negative=negative if "negative" in said else own.negative,
    )


def _cost_order(cell: Cell) -> tuple[str, str, float, str, str]:
    """The file; what else is put on; the UNet's weight and key, so that equal keys stand together; the text's key."""
    others = " ".join(use.checkpoint.content for use in cell.also)
    return (cell.use.checkpoint.content, others, cell.use.weights.unet, cell.unet_key, cell.text_key)


def _check_base_parts(spec: GridSpec, encoders: int, family: str) -> None:
    """Raise ConfigurationError for a weight that is said for a part which the base model lacks.

    `encoders`: how many text encoders it has; `family`: what it is called.
    """
    there = {"unet", *TEXT_PARTS[:encoders]}
    also = {word for entries in spec.lora.also_lists for entry in entries for word in entry.weights.said}
    for key, words in (("lora.weights", [*spec.lora.weights.said]), ("lora.also weights", sorted(also))):
        if lacking := [word for word in words if not there & set(parts_set_by(word))]:
            each = ", ".join(TEXT_PARTS[:encoders])
            holds = "unet and te" if encoders == 1 else f"unet, {each} and te for all of them"
            raise ConfigurationError(
                f"[{key}] {lacking[0]}: the base model is {family}, which has {holds}; leave it out"
            )


def _same_cells_known(cells: Sequence[Cell]) -> list[Cell]:
    """The cells, those that differ in parts alone which their files lack under one id: that of the first of them.

    Such rows are one cell, rendered once, and each is said to be the same as the others. Alone, a cell keeps the id of
    its own weights, so stores answer as before.
    """
    paths = {use.checkpoint.path for cell in cells for use in cell.uses}
    if len({cell.use.weights for cell in cells}) < 2:
        return list(cells)
    parts = {path: _parts_of_file(path) for path in paths}
    first: dict[object, Cell] = {}
    return [_known(cell, first.setdefault(_what_acts(cell, parts), cell)) for cell in cells]


def _parts_of_file(path: Path) -> frozenset[str]:
    """The parts of a model that a LoRA file has modules of, off its header. Raises LoraFileError."""
    header = read_header(path)
    return frozenset(map(part_of, spelling_of(header.shapes, path, header.metadata).modules))


def _what_acts(cell: Cell, parts: dict[Path, frozenset[str]]) -> object:
    def acting(use: Use) -> Iterable[tuple[str, float]]:
        there = parts[use.checkpoint.path]
        return ((part, weight) for part in PARTS if part in there and (weight := use.weights.on(part)))

    return (cell.dtype, *((use.checkpoint.content, moved) for use in cell.uses if (moved := tuple(acting(use)))))


def _known(cell: Cell, first: Cell) -> Cell:
    """The cell under the first one's id."""
    if cell is first or cell.lora_id == first.lora_id:
        return cell
    return replace(cell, same_as=first.lora_id)
