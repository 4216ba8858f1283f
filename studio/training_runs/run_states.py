"""Where a run stands: whether it is being trained now, and which row of a grid its score is of. No Streamlit here."""

from __future__ import annotations

from contextlib import suppress

from pydantic import ValidationError

from foundation.errors import UserError
from foundation.text_files import read_json
from foundation.typed.json_values import is_list, is_table
from foundation.wording.said import Said, in_series
from studio.languages.retelling import told
from studio.languages.translation import tr
from trainer.config.config import TrainConfig
from trainer.records.ledger import SCORES, LedgerEntry, compared
from trainer.records.run_lock import is_being_trained

NOTHING = "None"  # as a figure that is not there stands in a sentence of the ledger


def is_trained_now(entry: LedgerEntry) -> bool:
    """Whether a process trains the run at this moment. False where its record is of another version."""
    if entry.record.seconds is not None:
        return False
    with suppress(ValidationError, UserError):
        config = TrainConfig.model_validate(entry.record.config)
        # The folder may have been moved since.
        output = config.output.model_copy(update={"folder": entry.path.parent, "name": entry.record.name})
        return is_being_trained(config.model_copy(update={"output": output}))
    return False


def state_in_words(entry: LedgerEntry) -> str:
    """What a run's state is called."""
    return tr("is being trained now") if is_trained_now(entry) else tr(entry.status)


def scored_row(entry: LedgerEntry) -> str:
    """Which row of the grid's ranking the run's score is of: "mira-000003 at unet=1,te=1"; "" where there is none."""
    if entry.score is None:
        return ""
    facts: object = {}
    with suppress(UserError, OSError, ValueError):
        facts = read_json(entry.path.with_name(f"{entry.record.name}{SCORES}"))
    kept = facts if is_table(facts) else {}
    name = entry.score.file.removesuffix(".safetensors")
    said = tr("{file} at {weights}", file=name, weights=kept["weights"]) if kept.get("weights") else name
    said = f"{said} + {kept['also']}" if kept.get("also") else said
    broken = kept.get("broken")
    return tr("{row}, over a limit", row=said) if is_list(broken) and broken else said


def came_of(before: LedgerEntry, after: LedgerEntry) -> str:
    """What came of what `after` changed against `before`, in words: figures that both have, and nothing of one that is
    still to come."""
    _, effect = compared(before, after)
    known = [one for one in effect if not _lacks_a_figure(one)]
    if known:
        return told(in_series(known))
    return tr("nothing yet") if after.record.seconds is None else tr("nothing")


def _lacks_a_figure(said: str) -> bool:
    return isinstance(said, Said) and NOTHING in (said.values.get("was"), said.values.get("now"))
