"""Painters: the same pictures on one device and on several, each asked for once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from base_models import devices
from base_models.base_source import find_base
from base_models.drawing.painter import Painter, Painters, PaintJob, SharedPainters, Wanted
from base_models.drawing.settings import DrawingSettings
from tiny import tiny_base
from typed_commands import forked

BATCHES = [(Wanted("a", 1), Wanted("b", 2)), (Wanted("a", 3),), (Wanted("c", 4), Wanted("a", 5))]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> PaintJob:
    source = find_base(str(tiny_base(tmp_path_factory.mktemp("base"))))
    return PaintJob(source, "float32", "cpu", DrawingSettings("euler_a", 2, 5.0, 32, 32))


def by_wanted(painters: Painters) -> dict[Wanted, np.ndarray]:
    return {one: picture for batch, drawn in painters.draw(BATCHES) for one, picture in zip(batch, drawn, strict=True)}


def test_two_devices_draw_what_one_draws(job: PaintJob, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = by_wanted(Painter(job))
    with forked(monkeypatch):
        painters = SharedPainters(job, ["cpu", "cpu"])
        try:
            shared = by_wanted(painters)
        finally:
            painters.close()
    assert shared.keys() == alone.keys() == {one for batch in BATCHES for one in batch}
    assert all(np.abs(shared[one] - alone[one]).max() < 1 / 255 for one in alone)
    assert np.abs(alone[Wanted("a", 1)] - alone[Wanted("a", 3)]).max() > 0.01


def test_the_next_batch_is_asked_for_when_the_last_is_drawn(job: PaintJob) -> None:
    asked: list[int] = []

    def batches() -> Iterator[tuple[Wanted, ...]]:
        for number in range(3):
            asked.append(number)
            yield (Wanted("a", number),)

    seen = [list(asked) for _ in Painter(job).draw(batches())]
    assert seen == [[0], [0, 1], [0, 1, 2]]


@pytest.mark.parametrize(
    ("here", "name", "shared"),
    [
        (["cpu"], "auto", ["cpu"]),
        (["cpu", "cuda:0"], "auto", ["cuda"]),
        (["cpu", "cuda:0", "cuda:1"], "auto", ["cuda:0", "cuda:1"]),
        (["cpu", "cuda:0", "cuda:1"], "cuda:1", ["cuda:1"]),
    ],
)
def test_auto_shares_among_all_gpus(
    here: list[str], name: str, shared: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "devices_here", lambda: here)
    assert devices.devices_to_share(name) == shared
