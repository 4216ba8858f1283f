"""A grid that a user's own ComfyUI draws: plan, ids and ranking are ours, whatever goes wrong over there."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from comfy_stand_in import ComfyStandIn, Loras
from eval.executors import server_pool
from eval.executors.backlog import WorkersLostError
from eval.executors.executor import FinishedBatch, Job
from eval.executors.server_pool import ServerPool
from eval.exporting.export import ExportError, choose_cell, export_cell
from eval.exporting.server_check import check_drawn_alike, drawn_again
from eval.grid.picture_maker import amount_of
from eval.grid.run_grid import GridOutcome, run_grid
from eval.importing.comfy.comfyui import told_by_comfyui
from eval.importing.containers.picture_texts import read_texts
from eval.ranking.columns import row_as_json
from eval.reporting.ranked_grid import open_ranked
from eval.request.plan import Batch, batches_of, make_plan
from eval.request.spec import GridSpec
from eval.servers.faults import ServerRefusedError
from eval.servers.server import check_servers
from foundation.progress import Silent
from grid_folders import STEPS, GridFolder
from served_grids import ServedGrid, key_of, served_grid

FAULTS = ("500", "slow", "dies", "wrong", "memory", "forgets")


@contextmanager
def serving(*servers: ComfyStandIn) -> Generator[None]:
    try:
        yield
    finally:
        for one in servers:
            one.close()


@pytest.fixture(scope="module")
def served(rendered_grid: GridFolder) -> ServedGrid:
    return served_grid(rendered_grid, "served")


@pytest.fixture(autouse=True)
def _short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_pool, "FIRST_REST", 0.05)


def stand_in(served: ServedGrid, **faults_at: int) -> ComfyStandIn:
    faults = {number: fault.removeprefix("http_") for fault, number in faults_at.items()}
    return ComfyStandIn(served.drawing, served.loras, faults)


def facts_of(store: Path) -> list[dict[str, object]]:
    """Rows to the digit; their ids are of what draws them."""
    return [{key: value for key, value in row_as_json(row).items() if key != "id"} for row in open_ranked(store).rows]


@dataclass(frozen=True)
class Drawn:
    """What became of a grid on two servers with six faults, and of the same grid asked for once more."""

    spec: GridSpec
    first: GridOutcome
    again: GridOutcome
    left: dict[int, str]
    freed: int
    drawn_again: int


@pytest.fixture(scope="module")
def drawn(served: ServedGrid) -> Drawn:
    troubled = stand_in(served, http_500=1, wrong=3, memory=5)
    dying = stand_in(served, dies=1, forgets=2, slow=3)
    troubled.pace = 0.2  # so that enough is left for the other, which is away again and again
    with serving(troubled, dying), pytest.MonkeyPatch.context() as patched:
        patched.setattr(server_pool, "FIRST_REST", 0.05)
        asked = served.asked(troubled, dying)
        first = run_grid(asked, Silent())
        before = troubled.drawn + dying.drawn
        again = run_grid(served.asked(troubled), Silent())
        left = {**troubled.faults, **dying.faults}
        return Drawn(asked, first, again, left, troubled.freed, troubled.drawn + dying.drawn - before)


def test_the_ranking_is_that_of_our_own_pictures_whatever_fails(
    rendered_grid: GridFolder, served: ServedGrid, drawn: Drawn
) -> None:
    assert not drawn.left
    assert drawn.freed == 1
    assert drawn.first.rendered == make_plan(drawn.spec).picture_count == drawn.again.existing
    assert (drawn.again.rendered, drawn.drawn_again) == (0, 0)
    assert len(list(served.store.rglob("pictures/**/[!.]*.png"))) == drawn.first.rendered
    assert facts_of(served.store) == facts_of(rendered_grid.store)


@pytest.mark.parametrize("is_right", [True, False], ids=["as it was written", "another file there"])
def test_an_export_is_drawn_at_weight_1_and_the_difference_is_said(
    served: ServedGrid, drawn: Drawn, tmp_path: Path, is_right: bool
) -> None:
    ranked = open_ranked(served.store)
    row = choose_cell(ranked.grid, ranked.rows, "best")
    cell = ranked.grid.cell(row.cell, row.checkpoint)
    parents = tuple((use.checkpoint.path.name, use.weights.unet, use.weights.te1) for use in cell.acting)

    def drawing(prompt: str, seed: int, loras: Loras) -> bytes:
        assert loras == (("people/best.safetensors", 1.0, 1.0),)
        plain = prompt.replace("ohwx person", "person")
        return served.drawing(prompt, seed, parents) if is_right else served.drawing(plain, seed, ())

    server = ComfyStandIn(drawing, ["people/best.safetensors", *served.loras])
    with serving(server):
        servers = check_drawn_alike(served.asked(server), ranked.grid, cell)
        written = export_cell(ranked.grid, row, tmp_path / "best.safetensors")
        found = drawn_again(servers, ranked.grid, cell, written)
    assert found.is_as_scored is is_right
    assert (found.pictures, found.lora > 0, found.sheet.is_file()) == (2, True, True)
    assert (found.mean, found.largest) == (0, 0) if is_right else found.mean > 0


def test_an_export_is_not_drawn_by_another_workflow(served: ServedGrid, drawn: Drawn) -> None:
    ranked = open_ranked(served.store)
    cell = ranked.grid.cell(ranked.rows[0].cell, ranked.rows[0].checkpoint)
    other = stand_in(served)
    told = served.spec.read_text(encoding="utf-8").replace(f"steps = {STEPS}", f"steps = {STEPS - 1}")
    spec = served.spec.with_name("other.toml")
    spec.write_text(told, encoding="utf-8")
    with serving(other), pytest.raises(ExportError, match="not drawn as --spec says"):
        check_drawn_alike(replace(served, spec=spec).asked(other), ranked.grid, cell)


def drawn_by(
    spec: GridSpec, folder: Path, servers: int = 8, all_gone: float = 5.0
) -> tuple[list[FinishedBatch], list[Batch]]:
    """Some pictures of a grid, through a pool, without a store."""
    plan = make_plan(spec)
    batches = list(batches_of(list(plan)[:servers], 1))
    assert spec.elsewhere is not None
    pool = ServerPool(
        Job(spec.model, plan.sampling, spec.score, str(folder), elsewhere=spec.elsewhere), spec.elsewhere, all_gone
    )
    try:
        pool.check({use.checkpoint.sha256: use.checkpoint for cell in plan.cells for use in cell.acting}.values())
        return list(pool.run(batches, amount_of(batches))), batches
    finally:
        pool.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_one_server_alone_gets_over_each_fault(served: ServedGrid, tmp_path: Path, fault: str) -> None:
    server = ComfyStandIn(served.drawing, served.loras, {2: fault})
    with serving(server):
        finished, batches = drawn_by(served.asked(server), tmp_path)
    assert not server.faults
    ids = [picture.id for one in finished for picture in one.batch.pictures]
    assert sorted(ids) == sorted(batch.pictures[0].id for batch in batches)
    for one in finished:
        assert one.failures == (None,)
        picture = one.batch.pictures[0]
        (path,) = tmp_path.rglob(f"{picture.id}.png")
        with path.open("rb") as stream:
            told = told_by_comfyui(read_texts(stream))
        assert told is not None
        loras = tuple((f"{Path(lora.name).name}.safetensors", lora.unet, lora.te) for lora in told.loras)
        assert (told.prompt, told.seed, loras) == key_of(picture)
        assert told.settings["steps"] == str(STEPS)


def test_a_picture_that_no_server_can_draw_ends_the_grid_and_says_why(served: ServedGrid, tmp_path: Path) -> None:
    server = ComfyStandIn(served.drawing, served.loras, dict.fromkeys(range(1, 9), "memory"))
    with serving(server), pytest.raises(WorkersLostError, match="Allocation on device"):
        drawn_by(served.asked(server), tmp_path)


def test_servers_that_stay_away_end_the_grid(served: ServedGrid, tmp_path: Path) -> None:
    server = stand_in(served)
    asked = served.asked(server)
    server.close()
    with pytest.raises(WorkersLostError, match="no server has answered"):
        drawn_by(asked, tmp_path, all_gone=0.3)


def looked_at(spec: GridSpec) -> None:
    plan = make_plan(spec)
    assert spec.elsewhere is not None
    check_servers(spec.elsewhere, plan.sampling, plan.cells)


def test_a_server_that_comes_late_joins_in(served: ServedGrid, tmp_path: Path) -> None:
    server = stand_in(served)
    asked = served.asked(server)
    server.close()
    threading.Timer(0.5, server.reopen).start()
    try:
        finished, batches = drawn_by(asked, tmp_path)
    finally:
        server.close()
    assert len(finished) == len(batches)


def test_what_a_server_lacks_is_said_before_anything_is_drawn(served: ServedGrid) -> None:
    lacking = ComfyStandIn(served.drawing, served.loras[1:])
    other = stand_in(served)
    other.metadata = {served.loras[1]: {"ss_epoch": "9"}}
    whole = stand_in(served)
    with serving(lacking, other, whole):
        with pytest.raises(ServerRefusedError, match=r"has no .*safetensors.*models/loras"):
            looked_at(served.asked(whole, lacking))
        with pytest.raises(ServerRefusedError, match="is another file"):
            looked_at(served.asked(other))
        looked_at(served.asked(whole))
        gone = served.asked(whole)
    with pytest.raises(ServerRefusedError, match="no ComfyUI at"):
        looked_at(gone)
    assert [one.drawn for one in (lacking, other, whole)] == [0, 0, 0]


def test_a_token_goes_with_every_request(served: ServedGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = served.spec.read_text(encoding="utf-8")
    spec = served.spec.with_name("secret.toml")
    spec.write_text(told + 'headers = { Authorization = "Bearer $COMFY_TOKEN" }\n', encoding="utf-8")
    guarded = ServedGrid(spec, served.store, served.drawing, served.loras)
    server = stand_in(served)
    server.token = "Bearer abc"
    with serving(server):
        with pytest.raises(ServerRefusedError, match="who asks"):
            looked_at(served.asked(server))
        monkeypatch.setenv("COMFY_TOKEN", "abc")
        assert len(drawn_by(guarded.asked(server), tmp_path, 2)[0]) == 2
