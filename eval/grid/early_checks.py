"""What would fail after hours is looked at first: files that fit, a device that is there, faces, models that load."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from base_models.base_source import find_base
from eval.judging.readings import Reader
from eval.request.plan import Plan
from eval.request.references import References
from eval.request.spec import GridSpec
from eval.store.store import Store, create_store
from foundation.progress import Reporter, Silent
from loras.checkpoints.fit import check_fit


def look_first(spec: GridSpec, plan: Plan, references: References, store: Store, reporter: Reporter) -> References:
    """The references, with what is odd about them, once nothing is left that could fail for the request's sake.

    No base model is loaded yet, and the scoring models are let go again. Raises LoraFileError for a file that does not
    fit the base, what `eval.judging.readings` raises for the references, and what loading a scoring model raises.
    """
    check_files(spec, plan)
    reader = Reader(spec.score, store, reporter)
    drawn_side = min(plan.sampling.width, plan.sampling.height)
    looked_at = reader.with_remarks(references, drawn_side, allow_others=spec.references.allow_others)
    # It reads texts, so a CLIP that cannot be loaded is known of before it is shown the first picture.
    reader.read_prompts(plan.prompts.values())
    return looked_at


def look_without_store(spec: GridSpec, plan: Plan, references: References) -> None:
    """The same for a dry run, which keeps nothing; of the pictures only the held-out ones are looked at."""
    check_files(spec, plan)
    with TemporaryDirectory() as folder:
        store = create_store(Path(folder))
        try:
            reader = Reader(spec.score, store, Silent())
            reader.read_references(References(references.held_out, {}))
            reader.read_prompts(plan.prompts.values())
        finally:
            store.close()


def check_files(spec: GridSpec, plan: Plan) -> None:
    """Raise LoraFileError for the first file of a cell that does not fit the base model."""
    acting = {use.checkpoint.sha256: use.checkpoint.path for cell in plan.cells for use in cell.acting}
    check_fit(list(acting.values()), find_base(spec.model.base, spec.model.overrides))
