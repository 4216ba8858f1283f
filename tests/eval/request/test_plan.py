"""The plan: every picture once, dearest change first, cut into batches by a rule that depends on the plan alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby, product
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from eval.grid.picture_maker import amount_of, missing_batches
from eval.request.cells import CONTROL, Cell, Checkpoint, Sampling, Use, digest
from eval.request.plan import Plan, PlannedPicture, batches_of
from eval.request.prompts import Prompt
from eval.request.units import Unit
from eval.store.store import create_store
from eval.store.tables import PictureRow
from kept_rows import KeptRows
from loras.weights import Weights

SAMPLING = Sampling("base", "float32", "euler_a", 30, 9.0, 64, 64, 1, "")
SUBJECT, BLEED = Prompt("a ohwx person", "a person"), Prompt("a cat", "a cat")
LORAS = [Checkpoint(Path(f"{name}.safetensors"), name, f"sha-{name}", None) for name in "abc"]


def plan_of(cells: list[Cell], seeds: int = 2) -> Plan:
    units = [Unit(prompt.text, seed, prompt.role) for prompt in (SUBJECT, BLEED) for seed in range(seeds)]
    return Plan(SAMPLING, {prompt.text: prompt for prompt in (SUBJECT, BLEED)}, units, cells)


def grid(loras: list[Checkpoint], unet: list[float], te: list[float]) -> list[Cell]:
    return [Cell(Use(lora, Weights.of(u, t)), (), "float16") for lora, u, t in product(loras, unet, te)]


weights = st.lists(st.sampled_from([0.0, 0.3, 0.7, 1.0]), min_size=1, max_size=4, unique=True)
grids = st.builds(grid, st.just(LORAS), weights, weights)


def changes(keys: list[str]) -> int:
    return len(list(groupby(keys)))


@given(cells=grids)
def test_every_picture_of_every_row_is_planned_once(cells: list[Cell]) -> None:
    plan = plan_of(cells)
    ids = [picture.id for picture in plan]
    wanted = {plan.picture(row, unit).id for row in (None, *cells) for unit in plan.units}
    assert len(ids) == len(set(ids)) == plan.picture_count
    assert set(ids) == wanted


@given(cells=grids)
def test_nothing_is_changed_twice(cells: list[Cell]) -> None:
    pictures = list(plan_of(cells))
    assert changes([one.checkpoint for one in pictures]) == len({one.checkpoint for one in pictures})
    assert changes([one.unet_key for one in pictures]) == len({(one.checkpoint, one.unet_key) for one in pictures})


def test_weight_0_of_any_checkpoint_is_the_base_model_rendered_once() -> None:
    plan = plan_of(grid(LORAS, [0.0], [0.0]))
    texts = [(one.cell, one.prompt) for one in plan]
    # The control sees the class word, the cells at weight 0 the trigger; a prompt without it is the same picture.
    assert sorted(texts, key=str) == sorted([(None, "a person"), (None, "a ohwx person"), (None, "a cat")] * 2, key=str)
    assert {cell.id for cell in plan.cells} == {CONTROL}


def test_two_copies_of_a_file_are_rendered_once() -> None:
    copy = replace(LORAS[0], path=Path("copy.safetensors"), name="copy")
    assert (
        plan_of(grid([LORAS[0], copy], [1.0], [0.5])).picture_count
        == plan_of(grid(LORAS[:1], [1.0], [0.5])).picture_count
    )


def test_a_row_that_is_the_same_as_another_is_drawn_as_that_one() -> None:
    first, later = grid(LORAS[:1], [1.0], [0.5, 0.7])
    twin = replace(later, same_as=first.id)
    for order in ([first, twin], [twin, first]):
        drawn = {picture.cell.text_key for picture in plan_of(order) if picture.cell}
        assert drawn == {first.text_key}


@given(cells=grids, size=st.integers(1, 40))
def test_batches_share_the_unet_and_are_as_few_and_as_equal_as_can_be(cells: list[Cell], size: int) -> None:
    pictures = list(plan_of(cells, seeds=3))
    batches = list(batches_of(pictures, size))
    assert [picture for batch in batches for picture in batch.pictures] == pictures
    for _, shared in groupby(batches, key=lambda batch: (batch.checkpoint, batch.unet_key)):
        sizes = [len(batch.pictures) for batch in shared]
        assert len(sizes) == -(-sum(sizes) // size)
        assert max(sizes) - min(sizes) <= 1
        assert max(sizes) <= size
    assert all({one.unet_key for one in batch.pictures} == {batch.unet_key} for batch in batches)


def test_cells_that_differ_in_the_text_encoders_alone_share_a_batch() -> None:
    batches = list(batches_of(plan_of(grid(LORAS[:1], [0.7], [0.3, 1.0])), 100))
    assert [len(batch.pictures) for batch in batches] == [4, 8]


def test_a_blend_shares_a_batch_only_where_the_same_encoders_move() -> None:
    """What acts decides how a blend's factors are scaled, and so how they round."""

    def blended(te: float) -> Cell:
        return Cell(Use(LORAS[0], Weights.of(1, te)), (Use(LORAS[1], Weights.of(0.5, 0.5)),), "float16")

    assert blended(0.3).unet_key == blended(0.6).unet_key != blended(0).unet_key


@given(cell_id=st.text(max_size=8), prompt=st.text(max_size=20), seed=st.integers(-(2**40), 2**40))
def test_ids_are_those_of_the_plain_hash(cell_id: str, prompt: str, seed: int) -> None:
    """Stores answer by these ids for years, so the fast way must give the same ones."""
    from dataclasses import asdict

    from eval.request.cells import RENDERER_VERSION

    assert SAMPLING.picture_id(cell_id, prompt, seed) == digest(
        "picture", RENDERER_VERSION, asdict(SAMPLING), cell_id, prompt, seed
    )


@settings(max_examples=20)
@given(cells=grids, size=st.integers(1, 9), done=st.integers(0, 5))
def test_what_is_left_after_a_kill_has_the_boundaries_of_the_plan(
    tmp_path_factory: object, cells: list[Cell], size: int, done: int
) -> None:
    store = create_store(tmp_path_factory.mktemp("store"))  # type: ignore[attr-defined]
    whole = list(missing_batches(plan_of(cells), size, store))
    for batch in whole[:done]:
        store.add_pictures(row_of(picture) for picture in batch.pictures)
    assert list(missing_batches(plan_of(cells), size, store)) == whole[done:]
    store.close()


def test_a_grown_grid_makes_only_what_is_new(tmp_path: Path, kept_rows: KeptRows) -> None:
    store = create_store(kept_rows.prepare(tmp_path))
    before = plan_of(grid(LORAS, [1.0], [0.5]))
    store.add_pictures(row_of(picture) for picture in before)
    after = plan_of(grid(LORAS, [1.0], [0.5, 1.0]))
    left = [picture.id for batch in missing_batches(after, 5, store) for picture in batch.pictures]
    assert set(left) == {picture.id for picture in after} - {picture.id for picture in before}
    store.close()


def test_a_batch_that_lost_a_file_is_whole_again(tmp_path: Path, kept_rows: KeptRows) -> None:
    store = create_store(kept_rows.prepare(tmp_path))
    plan = plan_of(grid(LORAS, [1.0], [0.5]))
    whole = list(missing_batches(plan, 3, store))
    store.add_pictures(row_of(picture) for picture in plan)
    lost = {whole[0].pictures[-1].id, whole[-1].pictures[0].id}
    assert list(missing_batches(plan, 3, store, lost)) == [whole[0], whole[-1]]
    assert list(missing_batches(plan, 3, store)) == []
    store.close()


@given(cells=grids)
def test_the_amount_counts_what_the_work_changes(cells: list[Cell]) -> None:
    amount = amount_of(batches_of(plan_of(cells), 4))
    acting = [cell for cell in cells if cell.acting]
    assert amount.pictures == plan_of(cells).picture_count
    assert amount.checkpoints == len({cell.use.checkpoint.sha256 for cell in acting})
    assert amount.unet_changes == len({(cell.use.checkpoint.sha256, cell.unet_key) for cell in acting})


def row_of(picture: PlannedPicture) -> PictureRow:
    cell = picture.cell.id if picture.cell else CONTROL
    return PictureRow(id=picture.id, cell=cell, prompt=picture.prompt, seed=picture.seed, failure=None)
