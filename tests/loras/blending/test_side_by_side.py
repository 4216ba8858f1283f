"""Pieces side by side: in order, each on one thread, the same bits however many there are, and errors come through."""

from __future__ import annotations

from pathlib import Path
from threading import current_thread
from time import sleep

import pytest
import torch

from base_models.threads import on_threads
from foundation.files import sha256_of
from foundation.progress import Silent
from loras.blend import BlendError
from loras.blending.blend_files import BlendRequest, write_blend
from loras.blending.rank_rule import RankRule
from loras.blending.side_by_side import side_by_side
from loras.blending.weighted_lora import WeightedLora
from loras.lora_file import LoraFile, LoraModule, write_lora

STEMS = [f"lora_unet_double_blocks_{block}_img_attn_proj" for block in range(6)]


def _parent(path: Path, seed: int, spoiled: str = "") -> WeightedLora:
    draw = torch.Generator().manual_seed(seed)
    modules: dict[str, LoraModule] = {}
    for at, name in enumerate(STEMS):
        down, up = torch.randn(4, 48 + at, generator=draw), torch.randn(64, 4, generator=draw)
        modules[name] = LoraModule(down[:, :40] if name == spoiled else down, up, 2.0)
    write_lora(LoraFile(modules, {}), path)
    return WeightedLora(path)


def test_answers_are_in_the_order_of_the_names_and_large_pieces_begin_first() -> None:
    begun: list[str] = []
    done: list[int] = []

    def work(name: str) -> tuple[str, int]:
        begun.append(name)
        return name, torch.get_num_threads()

    with on_threads(1):
        made = side_by_side(work, {"a": 1, "b": 30, "c": 20}, done.append)
    assert list(made.items()) == [("a", ("a", 1)), ("b", ("b", 1)), ("c", ("c", 1))]
    assert begun == ["b", "c", "a"]
    assert done == [1, 1, 1]


def test_pieces_are_on_threads_of_their_own_of_one_each_and_torch_has_its_own_back() -> None:
    with on_threads(3):
        made = side_by_side(
            lambda _: (current_thread().name, torch.get_num_threads()), {n: n for n in range(9)}, lambda _: None
        )
        assert torch.get_num_threads() == 3
    assert all(name.startswith("side-by-side") and count == 1 for name, count in made.values())


def test_what_was_not_begun_when_a_piece_fails_never_is() -> None:
    begun: list[int] = []
    done: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise BlendError("the third")
        return number

    with on_threads(1), pytest.raises(BlendError, match="the third"):
        side_by_side(work, {number: -number for number in range(200)}, done.append)
    assert begun == [0, 1, 2]
    assert len(done) <= 2


def test_what_ends_the_waiting_ends_the_work_too() -> None:
    """An interrupt comes to the thread that waits, not to a piece."""
    begun: list[int] = []

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with on_threads(1), pytest.raises(KeyboardInterrupt):
        side_by_side(lambda number: begun.append(number) or sleep(0.01), {n: n for n in range(200)}, interrupted)
    assert len(begun) < 200


@pytest.mark.parametrize("rank", [None, RankRule.parse("3")])
def test_a_blend_has_the_same_bytes_on_one_thread_and_on_several(rank: RankRule | None, tmp_path: Path) -> None:
    parts = (_parent(tmp_path / "a.safetensors", 1), _parent(tmp_path / "b.safetensors", 2))
    found: set[str] = set()
    for threads in (1, 4):
        request = BlendRequest(parts, tmp_path / str(threads) / "c.safetensors", rank)
        with on_threads(threads):
            written = write_blend(request, Silent())
        assert written.sha256 == sha256_of(request.output)
        found.add(written.sha256)
    assert len(found) == 1


def test_a_module_that_does_not_add_up_is_told_from_a_thread_too(tmp_path: Path) -> None:
    parts = (_parent(tmp_path / "a.safetensors", 1), _parent(tmp_path / "b.safetensors", 2, STEMS[3]))
    request = BlendRequest(parts, tmp_path / "c.safetensors")
    with on_threads(4), pytest.raises(BlendError, match=f"{STEMS[3]}.*in different files"):
        write_blend(request, Silent())
    assert not request.output.exists()
