"""Runs a grid: renders what is missing, has it read by the models, and leaves a store that can be ranked.

A grid that is finished is recognised from the contents of its files alone, so nothing heavy is imported at the top.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

from eval.judging.judges import Judges, judged_by
from eval.request.cells import digest
from eval.request.plan import Plan, any_lost, make_plans
from eval.request.references import References, find_references
from eval.request.spec import GridSpec
from eval.store.store import Store, create_store
from eval.store.store_progress import answered, ask, noted_if_stopped
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
        plans = make_plans(spec)
    for note in plans[0].said:
        reporter.say(note)
    store = create_store(spec.store.path, spec.store.pictures, spec.store.rows)
    try:
        request = grid_digest(spec, plans, references)
        finished: dict[str, object] = {"request": request}
        rendered = 0
        if store.fact(FINISHED) != finished or _any_lost(plans, store.lost()):
            with noted_if_stopped(store):
                rendered = _make_missing(spec, plans, references, store, request, reporter, ray)
            store.set_fact(FINISHED, finished)
            answered(store)
        made = _count_made(plans, store)
        cells = sum(len(plan.cells) for plan in plans)
        return GridOutcome(store.folder, cells, rendered, made.total() - rendered, made[True])
    finally:
        store.close()


def _make_missing(
    spec: GridSpec,
    plans: Sequence[Plan],
    references: References,
    store: Store,
    request: str,
    reporter: Reporter,
    ray: str | None,
) -> int:
    """Make and judge what is missing, one way to draw after another; how many pictures were rendered."""
    there, asked = _count_made(plans, store).total(), sum(plan.picture_count for plan in plans)
    reporter.say(_in_words(plans, there))
    ask(store, asked, there)
    with reporter.waiting("starting torch and diffusers"):
        from eval.grid.early_checks import check_files, look_first
        from eval.grid.picture_maker import opened_maker
        from eval.judging.stored_grid import write_grid_record

    ways = list(zip(spec.settings, plans, strict=True))
    for one, plan in ways[1:]:
        check_files(one, plan)
    references = look_first(ways[0][0], plans[0], references, store, reporter)
    rendered, judges = 0, list[Judges]()
    for one, plan in ways:
        with opened_maker(one, plan, store, request, reporter, ray) as maker:
            rendered += maker.make(plan)
            judges.append(maker.reader.judges)
    write_grid_record(spec, plans, references, judges[-1], store)
    return rendered


def _any_lost(plans: Iterable[Plan], lost: set[str]) -> bool:
    return any(any_lost(plan, lost) for plan in plans)


def _in_words(plans: Sequence[Plan], there: int) -> str:
    sampling, count = plans[0].sampling, sum(plan.picture_count for plan in plans)
    steps = " or ".join(str(one) for one in dict.fromkeys(plan.sampling.steps for plan in plans))
    pictures = f"{sampling.width}x{sampling.height}, {steps} steps"
    ways = f" x {len(plans)} ways to draw" if len(plans) > 1 else ""
    return (
        f"plan: {how_many(len(plans[0].cells), 'cell')} x {len(plans[0].units)} prompts and seeds{ways}, and the base "
        f"model's own: {count} pictures ({pictures}), of which {there} are there"
    )


def _count_made(plans: Iterable[Plan], store: Store) -> Counter[bool]:
    """How many of the plans' pictures are there, by whether they failed."""
    counted: Counter[bool] = Counter()
    for pictures in chunks(chain.from_iterable(plans), 500):
        failures = store.failures(picture.id for picture in pictures)
        counted.update(failure is not None for failure in failures.values())
    return counted


def grid_digest(spec: GridSpec, plans: Sequence[Plan], references: References) -> str:
    """`request_digest` of all ways to draw; of one it is as it always was."""
    own = [request_digest(one, plan, references) for one, plan in zip(spec.settings, plans, strict=True)]
    return own[0] if len(own) == 1 else digest("ways to draw", own, [one.model.base for one in spec.settings])


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
