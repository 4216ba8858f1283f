"""Guests that a ComfyUI draws: each by its own file and trigger, ranked beside one's own, exported and drawn again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from comfy_stand_in import ComfyStandIn, Loras
from eval.exporting.export import export_cell
from eval.exporting.server_check import check_drawn_alike, drawn_again
from eval.grid.run_grid import run_grid
from eval.judging import readings
from eval.reporting.ranked_grid import open_ranked
from eval.request.spec import read_spec
from eval.servers.drawn_elsewhere import drawn_elsewhere
from foundation.progress import Silent
from grid_folders import GridFolder
from served_grids import served_grid

GUEST = '[[lora.guest]]\nfile = "others/theirs.safetensors"\ntrigger = "sks woman"\nclass = "woman"\n[sampler]'


def test_a_guest_is_drawn_by_its_own_words(
    rendered_grid: GridFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "same_pictures", lambda first, second: [])
    served = served_grid(rendered_grid, "served guests")
    theirs = rendered_grid.folder / "others" / "theirs.safetensors"
    theirs.parent.mkdir(exist_ok=True)
    save_file(load_file(rendered_grid.folder / "runs of hina ö" / "hina.safetensors"), theirs, {"ss_epoch": "9"})
    served.spec.write_text(served.spec.read_text(encoding="utf-8").replace("[sampler]", GUEST), encoding="utf-8")
    asked: list[tuple[str, Loras]] = []

    def drawing(prompt: str, seed: int, loras: Loras) -> bytes:
        """The guest looks as `hina` does, whatever it is called; and so does its exported file at weight 1."""
        asked.append((prompt, loras))
        own = prompt.replace("sks woman", "ohwx person").replace("of a woman", "of a person")
        as_scored = tuple(("hina.safetensors", 1.0, 0.7) if "best" in name else (name, *at) for name, *at in loras)
        return served.drawing(own, seed, tuple((n.replace("theirs", "hina"), u, t) for n, u, t in as_scored))

    server = ComfyStandIn(drawing, [*served.loras, "others/theirs.safetensors", "best.safetensors"])
    try:
        spec = drawn_elsewhere(read_spec(served.spec), server.url, None, remote=False)
        run_grid(spec, Silent())
        ranked = open_ranked(served.store)
        rows = {(row.checkpoint, row.unet): row for row in ranked.rows if not row.also}
        for weight in (0.5, 1.0):
            own, guest = rows["hina", weight], rows["theirs", weight]
            assert own.identity == guest.identity
            assert own.prompt != guest.prompt  # the same pictures, of other words
        of_guest = {prompt for prompt, loras in asked if loras and "theirs" in loras[0][0]}
        assert {"sks woman" in prompt for prompt in of_guest if "red hoodie" in prompt} == {True}
        assert all("ohwx" not in prompt for prompt in of_guest)
        base = {prompt for prompt, loras in asked if not loras}
        assert {prompt.split(",")[0] for prompt in base} == {"photo of a person", "photo of a woman"}

        written = export_cell(ranked.grid, rows["theirs", 1.0], tmp_path / "best.safetensors")
        cell = ranked.grid.cell(rows["theirs", 1.0].cell, "theirs")
        asked.clear()
        difference = drawn_again(check_drawn_alike(spec, ranked.grid, cell), ranked.grid, cell, written)
        assert difference.mean == 0
        assert all("sks woman" in prompt for prompt, _ in asked)
    finally:
        server.close()
    assert json.dumps(ranked.as_json())
