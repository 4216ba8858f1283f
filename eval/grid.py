"""Runs a grid: renders what is missing, has it read by the models, and leaves a store that can be ranked.

A grid that is finished is recognised from the contents of its files alone, so nothing heavy is imported at the top.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from eval.cells import digest
from eval.plan import Plan, make_plan
from eval.references import References, find_references
from eval.spec import GridSpec
from eval.store import Store, create_store
from miniature.paths import folder_of
from trainer.files import sha256_of
from trainer.progress import Reporter

FINISHED = "finished"


@dataclass(frozen=True)
class GridOutcome:
    """What a run of a grid did: pictures rendered now, pictures that were there, pictures that show nothing."""

    store: Path
    cells: int
    rendered: int
    existing: int
    failed: int


def run_grid(spec: GridSpec, reporter: Reporter) -> GridOutcome:
    """Render and score the whole grid, never making a picture twice. Raises UserErrors before anything is rendered."""
    references = find_references(spec.references)
    plan = make_plan(spec)
    store = create_store(Path(spec.store.path))
    try:
        known = set(store.known_pictures())
        request: dict[str, object] = {"request": _request_digest(spec, plan, references)}
        if store.fact(FINISHED) != request:
            _finish(spec, plan, references, store, reporter)
            store.set_fact(FINISHED, request)
        return _outcome(plan, store, known)
    finally:
        store.close()


def _finish(spec: GridSpec, plan: Plan, references: References, store: Store, reporter: Reporter) -> None:
    from eval.readings import read_everything
    from eval.renderer import Renderer
    from eval.snapshot import write_snapshot

    known = store.known_pictures()
    # A batch is made whole or not at all: its boundaries, and so its pictures' bits, belong to the plan.
    missing = [batch for batch in plan.batches if any(one.id not in known for one in batch.pictures)]
    if missing:
        Renderer(spec, plan, store).run(missing, reporter)
    models = read_everything(spec, plan, references, store, reporter)
    write_snapshot(spec, plan, references, models, store)


def _request_digest(spec: GridSpec, plan: Plan, references: References) -> str:
    """A hash over everything that a finished grid answers for."""
    rows = [(cell.id, [(use.checkpoint.name, str(use.checkpoint.path)) for use in cell.uses]) for cell in plan.cells]
    return digest(
        asdict(plan.sampling),
        rows,
        [asdict(unit) for unit in plan.units],
        [spec.prompts.trigger, spec.prompts.class_word],
        [list(references.held_out), list(references.training)],
        [_contents("faces", spec.score.faces), _contents("clip", spec.score.clip)],
    )


def _contents(part: str, name: str) -> list[str]:
    """A scoring model's name and, where it is a folder, the hashes of its files."""
    folder = folder_of(part, name) or Path(name)
    files = sorted(path for path in folder.glob("*") if path.is_file()) if folder.is_dir() else []
    return [name, *(f"{path.name}={sha256_of(path)}" for path in files)]


def _outcome(plan: Plan, store: Store, known: set[str]) -> GridOutcome:
    ids = {one.id for batch in plan.batches for one in batch.pictures}
    failures = [identity for identity, failure in store.known_pictures().items() if failure and identity in ids]
    return GridOutcome(store.folder, len(plan.cells), len(ids - known), len(ids & known), len(failures))
