"""A grid that a user's A1111 or Forge draws: LoRAs by their tags, and nothing taken that was not asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from a1111_stand_in import A1111StandIn
from eval.executors import server_pool
from eval.executors.executor import Job
from eval.executors.server_pool import ServerPool
from eval.grid.picture_maker import amount_of
from eval.request.plan import batches_of, make_plan
from eval.request.spec import GridSpec, read_spec
from eval.servers.drawn_elsewhere import drawn_elsewhere
from eval.servers.faults import ServerRefusedError
from eval.servers.server import check_servers
from foundation.errors import ConfigurationError
from grid_folders import STEPS, GridFolder
from served_grids import ServedGrid, served_grid

SIZE = "[sampler]\nwidth = 64\nheight = 64"


@pytest.fixture(scope="module")
def served(rendered_grid: GridFolder) -> ServedGrid:
    made = served_grid(rendered_grid, "forge")
    made.spec.write_text(made.spec.read_text(encoding="utf-8").replace("[sampler]", SIZE), encoding="utf-8")
    return made


def stand_in(served: ServedGrid, faults: dict[int, str] | None = None) -> A1111StandIn:
    return A1111StandIn(served.drawing, [Path(one).name for one in served.loras], faults)


def asked_of(served: ServedGrid, *servers: A1111StandIn) -> GridSpec:
    return drawn_elsewhere(read_spec(served.spec), None, ",".join(one.url for one in servers), remote=False)


def looked_at(spec: GridSpec) -> None:
    plan = make_plan(spec)
    assert spec.elsewhere is not None
    check_servers(spec.elsewhere, plan.sampling, plan.cells)


def test_two_servers_draw_every_picture_once_whatever_fails(
    served: ServedGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_pool, "FIRST_REST", 0.05)
    servers = stand_in(served, {1: "500", 2: "wrong"}), stand_in(served, {1: "memory", 2: "dies"})
    spec = asked_of(served, *servers)
    plan = make_plan(spec)
    assert spec.elsewhere is not None
    batches = list(batches_of(plan, 1))
    pool = ServerPool(Job(spec.model, plan.sampling, spec.score, str(tmp_path)), spec.elsewhere)
    try:
        pool.check({use.checkpoint.sha256: use.checkpoint for cell in plan.cells for use in cell.acting}.values())
        finished = list(pool.run(batches, amount_of(batches)))
    finally:
        pool.close()
        for one in servers:
            one.close()
    assert sorted(one.batch.pictures[0].id for one in finished) == sorted(picture.id for picture in plan)
    assert not [*servers[0].faults, *servers[1].faults]
    assert sum(one.drawn for one in servers) == len(batches) + 4
    first = servers[0].requests[0]
    assert (first["steps"], first["sampler_name"], first["cfg_scale"], first["width"]) == (STEPS, "Euler a", 9.0, 64)


def test_what_it_lacks_and_another_model_are_said(served: ServedGrid) -> None:
    lacking, other, whole = stand_in(served), stand_in(served), stand_in(served)
    lacking.loras.pop()
    other.model = "another.safetensors [ff]"
    with pytest.raises(ServerRefusedError, match="press Refresh"):
        looked_at(asked_of(served, lacking))
    with pytest.raises(ServerRefusedError, match="another model loaded"):
        looked_at(asked_of(served, whole, other))
    looked_at(asked_of(served, whole))
    for one in (lacking, other, whole):
        one.close()
    with pytest.raises(ServerRefusedError, match="start it, with --api"):
        asked_of(served, whole)


def test_a_size_is_to_be_said(rendered_grid: GridFolder) -> None:
    with pytest.raises(ConfigurationError, match="width and height"):
        drawn_elsewhere(read_spec(rendered_grid.spec), None, "http://127.0.0.1:9", remote=False)
