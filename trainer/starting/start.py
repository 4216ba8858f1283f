"""`trainer init`: three files for a subject, over paths that were looked at, and what they will take."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import ConfigurationError
from foundation.files import write_text
from foundation.key_reference.key_facts import keys_of
from foundation.progress import Reporter
from foundation.toml_config import parse_toml
from trainer.config.config import TrainConfig, parse_config
from trainer.data.held_out import with_held_out
from trainer.starting.files import grid_tables, prompt_tables, train_tables
from trainer.starting.first_plan import FirstPlan, plan_of
from trainer.starting.hold_out import move
from trainer.starting.request import GRID, TRAIN, StartRequest
from trainer.starting.settling import Start, settle
from trainer.starting.toml_text import as_text, changed

FILES = {TRAIN.partition(".")[0]: train_tables, GRID.partition(".")[0]: grid_tables}


@dataclass(frozen=True)
class Started:
    """What was found, the plan of it, and the files that were written."""

    start: Start
    plan: FirstPlan
    written: tuple[Path, ...]


def begin(request: StartRequest, reporter: Reporter) -> Started:
    """Look at everything, then move what is to be moved and write the files.

    Raises FileThereError where a file would be overwritten, MissingAnswersError for what was not said, and a UserError
    for what cannot be used; then nothing was moved or written.
    """
    request.check_nothing_is_lost()
    changes = [_change(one) for one in request.changes]  # before pictures are looked at, which takes a while
    start = settle(request, reporter)
    tables = {name: make(start.settled) for name, make in FILES.items()}
    for name, key, value in changes:
        tables[name] = changed(tables[name], key, value)
    train, grid, prompts = request.files
    texts = {train: as_text(tables["train"]), grid: as_text(tables["grid"])}
    texts[prompts] = as_text(prompt_tables(start.settled))
    config = _configuration(texts[train], train)
    data, seed = start.dataset, config.training.seed
    dataset = data if config.data.held_out is not None else with_held_out(data, config.data, seed)
    plan = plan_of(start.settled, dataset, config, tables["grid"])
    move(start.references.moves)
    for path, text in texts.items():
        write_text(path, text)
    return Started(start, plan, tuple(texts))


def _change(asked: str) -> tuple[str, str, str]:
    """A file's name, a key and its value. Raises ConfigurationError for another form, and for no key of a run.

    A grid's keys are the other package's: `eval grid` names what it does not know.
    """
    name, _, rest = asked.partition(".")
    key, equals, value = (part.strip() for part in rest.partition("="))
    if name not in FILES or not equals:
        raise ConfigurationError(f"--set {asked}: write train.TABLE.KEY=VALUE or grid.TABLE.KEY=VALUE")
    if name == "train" and key not in (known := {one.key for one in keys_of(TrainConfig)}):
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        meant = f"did you mean train.{near[0]}? " if near else ""
        raise ConfigurationError(f"--set {asked}: no such key; {meant}`trainer run --explain KEY` lists them")
    return name, key, value


def _configuration(text: str, path: Path) -> TrainConfig:
    """What is going to stand there, as a run will read it. Raises ConfigurationError."""
    return parse_config(parse_toml(text, path), path)
