"""What `trainer init` found and wrote, in words."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from foundation.printing import how_many, this_python
from trainer.data.dataset import Sample
from trainer.planning.plan_in_words import duration_in_words
from trainer.starting.caption_words import CaptionWords, as_word, guessed_trigger
from trainer.starting.first_plan import FirstPlan
from trainer.starting.judge_choice import CLIP
from trainer.starting.start import Started
from trainer.starting.subject_facts import enlarged

LONG = 24 * 3600  # seconds from which on nobody waits
INDENT, SHOWN = 12, 4


def in_words(started: Started) -> str:
    """What was found, the plan, what is odd, the files, and what to run."""
    lines = ["Found", *_rows(_found(started)), "Plan", *_rows(_plan(started.plan))]
    lines += [f"note: {note}" for note in _notes(started)]
    lines += [f"written: {shown(path)}" for path in started.written]
    return "\n".join([*lines, "Next:", *(f"  {command}" for command in commands(started))])


def as_json(started: Started) -> dict[str, object]:
    """For programs."""
    settled = started.start.settled
    return {
        "family": settled.facts.base.family.name,
        "resolution": settled.resolution,
        "trigger": settled.words.trigger,
        "class": settled.words.class_word,
        "subject": settled.judges.subject,
        "faces": settled.judges.faces,
        "clip": settled.judges.clip,
        "device": settled.machine.device,
        "prompts": list(settled.prompts.all),
        "references": [str(path) for path in started.start.references.pictures],
        "moved": {str(path): str(place) for path, place in started.start.references.moves.items()},
        "plan": started.plan.as_json(),
        "notes": list(_notes(started)),
        "written": [str(path) for path in started.written],
        "commands": commands(started),
    }


def commands(started: Started) -> list[str]:
    """What to run next, as it works from where one stands: captions where there are none, then the three."""
    train, grid, _ = (shlex.quote(shown(path)) for path in started.written)
    store = shlex.quote(shown(started.start.settled.folder / "eval"))
    modules = [f"trainer run {train}", f"eval grid {grid}", f"eval rank {store}"]
    if _bare(started):
        modules = [_captioning(started), *modules]
    return [f"{this_python()} -m {module}" for module in modules]


def _bare(started: Started) -> int:
    """How many training pictures have no caption of their own."""
    facts = started.start.settled.facts
    return len(facts.dataset.train) - len(facts.captioned)


def _captioning(started: Started) -> str:
    """The command that describes pictures without a caption; the subject is named where folders do not tell it."""
    settled = started.start.settled
    words, clip = settled.words, settled.judges.clip
    said = ["trainer", "caption", shown(settled.train), "--model", "clip"]
    said += ["--clip", clip] if clip != CLIP else []
    if guessed_trigger([one.folder for one in settled.facts.dataset.train]) != (words.trigger, words.class_word):
        said += ["--trigger", words.trigger, "--class", words.class_word]
    return shlex.join(said)


def shown(path: Path) -> str:
    """A path as one would type it from where one stands."""
    whole, here = path.expanduser().absolute(), Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)


def _rows(rows: dict[str, str]) -> Iterator[str]:
    return (f"  {name:<{INDENT}}{said}" for name, said in rows.items())


def _found(started: Started) -> dict[str, str]:
    settled, references = started.start.settled, started.start.references
    facts, words, judges = settled.facts, settled.words, settled.judges
    low, high = min(facts.sizes), max(facts.sizes)
    sides = f"{low[0]}x{low[1]}" + (f" to {high[0]}x{high[1]}" if high != low else "")
    folders = Counter(one.folder for one in facts.dataset.train)
    rows = {
        "base": f"{os.path.basename(facts.base.name)}: {facts.base.family.name}, {facts.base.size} px",
        "pictures": f"{len(facts.dataset.train)} in {how_many(len(folders), 'folder')}, {sides}",
        "trigger": f"`{words.trigger}` {_trigger_said(facts.captioned, words)}; class `{words.class_word}`",
        "references": f"{len(references.pictures)}, "
        + (f"moved to {shown(references.folder)}" if references.moves else f"in {shown(references.folder)}"),
        "judge": f"faces by {judges.faces}" if judges.faces else f"whole pictures by {judges.clip}",
        "device": settled.machine.called,
    }
    if facts.dataset.reg:
        rows["reg"] = str(len(facts.dataset.reg))
    return rows


def _trigger_said(captioned: Sequence[Sample], words: CaptionWords) -> str:
    """Who says the trigger: captions, or the folders' names where no picture has one."""
    if not captioned:
        return "by the folder's name: no picture has a caption"
    having = sum(bool(as_word(words.trigger).search(one.caption)) for one in captioned)
    return f"in {having} of {how_many(len(captioned), 'caption')}"


def _plan(plan: FirstPlan) -> dict[str, str]:
    a_epoch = plan.steps / plan.epochs
    buckets = [f"{size[0]}x{size[1]} ({count})" for size, count in plan.buckets]
    more = f", {len(buckets) - SHOWN} more" if len(buckets) > SHOWN else ""
    train, grid = (duration_in_words(seconds) for seconds in (plan.train_seconds, plan.grid_seconds))
    size = f"{plan.picture_size[0]}x{plan.picture_size[1]}"
    rows = {
        "training": f"{how_many(plan.epochs, 'epoch')} of {a_epoch:g} steps, batches of {plan.batch}; a LoRA file each",
        "buckets": ", ".join(buckets[:SHOWN]) + more,
        "grid": f"{how_many(plan.cells, 'cell')}, {plan.pictures} pictures of {size}",
        "time": f"about {train} to train, {grid} to render, {_source(plan)}",
    }
    return rows if plan.cost is None else rows | {"cost": f"about {plan.cost:.2f} at {plan.price_per_hour:g} an hour"}


def _source(plan: FirstPlan) -> str:
    if plan.measured:
        return "the first by steps that `trainer plan` made here, the second by arithmetic (half or double)"
    return (
        "by arithmetic for an idle machine (half or double, and what starting takes); "
        "`trainer plan` makes a few steps and knows better"
    )


def _notes(started: Started) -> Iterator[str]:
    settled, plan = started.start.settled, started.plan
    yield from started.start.notes
    if settled.words.without:
        lacking = how_many(settled.words.without, "picture")
        yield f"{lacking} whose caption, or folder's name in its place, lacks the trigger: they teach it nothing"
    if bare := _bare(started):
        yield (
            f"{bare} of {how_many(len(settled.facts.dataset.train), 'training picture')} without a caption: whatever "
            "they show is learned as the subject; describe them first (`trainer caption`), and read what it wrote"
        )
    if not settled.facts.captioned:
        yield "without captions the prompts are ordinary ones: put into prompts.toml what you want to see"
    elif not settled.words.slots:
        yield "the captions say the same of all pictures, so the prompts are ordinary ones; see prompts.toml"
    if small := enlarged(settled.facts.sizes, settled.resolution):
        yield f"{how_many(small, 'picture')} smaller than {settled.resolution} px squared, to be enlarged"
    if not settled.has_captioned_references:
        yield (
            "references without captions: the run measures no loss on them, and holds pictures of Train out for it in "
            "their place (data.held_out_share); captions beside the references leave Train whole"
        )
    if not settled.machine.has_gpu and plan.train_seconds + plan.grid_seconds > LONG:
        yield (
            "there is no GPU here, and a CPU takes that long: run this where there is one, with device = "
            '"cuda" in both files, or render less (`eval search` takes a fraction of the pictures)'
        )
