"""Runs a grid: renders what is missing, has it read by the models, and leaves a store that can be ranked.

A grid that is finished is recognised from the contents of its files alone, so nothing heavy is imported at the top.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from eval.judging.judges import judged_by
from eval.request.cells import digest
from eval.request.plan import Plan, any_lost, make_plan
from eval.request.references import References, find_references
from eval.request.spec import GridSpec
from eval.store.store import Store, create_store
from foundation.chunks import chunks
from foundation.printing import how_many
from foundation.progress import Reporter

FINISHED = "finished"


@dataclass(frozen=True)
class GridOutcome:
    """What a run of a grid did: pictures rendered now, pictures that were there, pictures that show nothing."""

    store: Path
    cells: int
    rendered: int
    existing: int
    failed: int


def run_grid(spec: GridSpec, reporter: Reporter, ray: str | None = None) -> GridOutcome:
    """Render and score the whole grid; no picture whose file is there is made twice, but with a batch that lost one.

    Raises UserErrors before anything is rendered.
    `ray`: "auto" or a cluster's address, to render on Ray's workers.
    """
    with reporter.waiting("reading what the grid is made of"):
        references = find_references(spec.references)
        plan = make_plan(spec)
    for note in plan.said:
        reporter.say(note)
    store = create_store(spec.store.path, spec.store.pictures)
    try:
        request = request_digest(spec, plan, references)
        finished: dict[str, object] = {"request": request}
        rendered = 0
        if store.fact(FINISHED) != finished or any_lost(plan, store.lost()):
            rendered = _make_missing(spec, plan, references, store, request, reporter, ray)
            store.set_fact(FINISHED, finished)
        made = _count_made(plan, store)
        return GridOutcome(store.folder, len(plan.cells), rendered, made.total() - rendered, made[True])
    finally:
        store.close()


def _make_missing(
    spec: GridSpec, plan: Plan, references: References, store: Store, request: str, reporter: Reporter, ray: str | None
) -> int:
    """Make and judge what is missing; how many pictures were rendered."""
    reporter.say(_in_words(plan, _count_made(plan, store).total()))
    with reporter.waiting("starting torch and diffusers"):
        from eval.grid.early_checks import look_first
        from eval.grid.picture_maker import opened_maker
        from eval.judging.stored_grid import write_grid_record

    references = look_first(spec, plan, references, store, reporter)
    with opened_maker(spec, plan, store, request, reporter, ray) as maker:
        rendered = maker.make(plan)
    write_grid_record(spec, plan, references, maker.reader.judges, store)
    return rendered


def _in_words(plan: Plan, there: int) -> str:
    sampling, count = plan.sampling, plan.picture_count
    pictures = f"{sampling.width}x{sampling.height}, {sampling.steps} steps"
    return (
        f"plan: {how_many(len(plan.cells), 'cell')} x {len(plan.units)} prompts and seeds, and the base model's own: "
        f"{count} pictures ({pictures}), of which {there} are there"
    )


def _count_made(plan: Plan, store: Store) -> Counter[bool]:
    """How many of the plan's pictures are there, by whether they failed."""
    counted: Counter[bool] = Counter()
    for pictures in chunks(plan, 500):
        failures = store.failures(picture.id for picture in pictures)
        counted.update(failure is not None for failure in failures.values())
    return counted


def request_digest(spec: GridSpec, plan: Plan, references: References) -> str:
    """A hash over everything that a finished grid answers for."""
    rows = [(cell.id, [(use.checkpoint.name, str(use.checkpoint.path)) for use in cell.uses]) for cell in plan.cells]
    return digest(
        asdict(plan.sampling),
        rows,
        [asdict(unit) for unit in plan.units],
        [spec.prompts.trigger, spec.prompts.class_word],
        [list(references.held_out), list(references.training)],
        *judged_by(spec.score),
        # Left out where there is none, so that grids that were finished before are recognised.
        *([set_limits] if (set_limits := spec.limits.model_dump(exclude_none=True)) else []),
    )
