"""Guests of a grid: other people's LoRA files, each called by its own trigger in the same prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from base_models.prompts.prompt_syntax import cautions_of_prompt, fault_of_prompt
from eval.request.cells import Called, Cell, Checkpoint, Use
from eval.request.checkpoints import read_checkpoint
from eval.request.lora_section import GuestEntry, every_weight
from eval.request.prompts import Prompt, prompt_of
from eval.request.spec import GridSpec, PromptsSection
from foundation.errors import ConfigurationError, LoraFileError
from loras.inspecting.unreadable_file import reason_unreadable


@dataclass(frozen=True)
class Guest:
    """A guest's file, and what prompts call it by."""

    checkpoint: Checkpoint
    called: Called


@dataclass(frozen=True)
class FoundGuests:
    """The guests of a grid, as they are named; `damaged` files with the reason why each is of no use."""

    guests: list[Guest]
    damaged: dict[Path, str]


def find_guests(spec: GridSpec) -> FoundGuests:
    """Read what `[[lora.guest]]` names. Raises MissingFileError for a file that is not there.

    When a guest was saved says nothing of one's own run, so its epoch and step are left out.
    """
    found = FoundGuests([], {})
    for entry in spec.lora.guest:
        try:
            one = replace(read_checkpoint(entry.file), epoch=None, step=None)
        except LoraFileError as error:
            found.damaged[entry.file] = reason_unreadable(entry.file, error)
        else:
            found.guests.append(Guest(one, _called(entry, spec.prompts)))
    return found


def _called(entry: GuestEntry, own: PromptsSection) -> Called:
    """What differs from the grid's own words."""
    return Called(
        "" if entry.trigger == own.trigger else entry.trigger,
        "" if entry.class_word in (None, own.class_word) else entry.class_word or "",
    )


def told_apart(guests: Sequence[Guest], names: Mapping[Path, str], own: Sequence[Checkpoint]) -> list[Guest]:
    """With names of which no two are alike; one file with two triggers is told apart by these.

    A file that is one of the grid's own, too, is that one, and draws the same pictures.
    """
    known = {one.sha256: one.same_as for one in own}
    taken = {one.name for one in own}
    found: list[Guest] = []
    for guest in guests:
        one = guest.checkpoint
        name = names[one.path]
        if name in taken:
            name = f"{name} as {guest.called.trigger or 'a guest'}"
        taken.add(name)
        found.append(replace(guest, checkpoint=replace(one, name=name, same_as=known.get(one.sha256, ""))))
    return found


def cells_of_guests(spec: GridSpec, guests: Sequence[Guest]) -> list[Cell]:
    """A guest at each of the grid's weights, by itself: nothing is blended in."""
    weights = every_weight(spec.lora.said_weights)
    dtype = spec.lora.export_dtype
    return [Cell(Use(one.checkpoint, own), (), dtype, called=one.called) for one in guests for own in weights]


def prompts_of_guests(
    guests: Sequence[Guest], prompts: Sequence[Prompt], own: PromptsSection
) -> dict[Called, dict[str, Prompt]]:
    """What each guest is asked in the place of each prompt, by what it is called and the prompt's own text.

    Raises ConfigurationError where its words would be read as more than words.
    """
    found = {guest.called: {one.text: called_so(one, own, guest.called) for one in prompts} for guest in guests}
    for guest in guests:
        for asked in found[guest.called].values():
            if fault := fault_of_prompt(asked.text) or fault_of_prompt(asked.class_text):
                raise ConfigurationError(f"[[lora.guest]] {guest.checkpoint.path.name}: {fault}")
    return found


def called_so(prompt: Prompt, own: PromptsSection, called: Called) -> Prompt:
    """A prompt with a guest's words in the place of the grid's trigger."""
    trigger, class_word = called.trigger or own.trigger, called.class_word or own.class_word
    return Prompt(*(prompt_of(prompt.text, own.trigger, word).class_text for word in (trigger, class_word)))


def notes_on(guests: Sequence[Guest], prompts: Sequence[Prompt], own: PromptsSection) -> Iterator[str]:
    """What to tell the user of guests: what their prompts say, and where that makes a figure doubtful."""
    for guest in guests:
        called, name = guest.called, guest.checkpoint.name
        trigger, class_word = called.trigger or own.trigger, called.class_word or own.class_word
        yield f"guest {name}: prompts say `{trigger}`, and its control is shown `{class_word}`"
        hit = [one.text for one in prompts if one.role == "bleed" and prompt_of(one.text, trigger, "").role != "bleed"]
        if hit:
            yield f"guest {name}: `{hit[0]}` tests for bleed and has its trigger; take the words out of it"
        yield from (f"guest {name}: {doubt}" for doubt in cautions_of_prompt(trigger))
