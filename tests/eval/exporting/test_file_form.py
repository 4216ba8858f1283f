"""The form of an exported file: rank, type, spelling and words; and how far that is from what was scored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.exporting.export import export_cell
from eval.exporting.file_form import LONGEST_WORDS, FileForm, shaped, write_shaped
from eval.reporting.ranked_grid import RankedGrid, open_ranked
from foundation.errors import ConfigurationError
from foundation.safetensors_header import read_header
from grid_folders import GridFolder
from loras.blending.rank_rule import RankError
from loras.converting.targets import ConvertError
from loras.lora_file import LoraModule, read_lora


def asked(rank: str = "", dtype: str = "", tool: str = "", author: str = "", description: str = "") -> FileForm:
    return FileForm.asked(rank, dtype, tool, author, description)


def factors(seed: int, rank: int = 6) -> dict[str, LoraModule]:
    made = torch.Generator().manual_seed(seed)
    return {
        f"lora_unet_{at}": LoraModule(torch.randn(rank, 9, generator=made), torch.randn(7, rank, generator=made), 3.0)
        for at in range(2)
    }


def deltas(modules: dict[str, LoraModule]) -> torch.Tensor:
    return torch.cat([module.delta().float().flatten() for module in modules.values()])


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), rank=st.integers(1, 6), dtype=st.sampled_from(["float16", "bfloat16", "float32"]))
def test_the_error_that_is_told_is_that_of_the_deltas_as_the_file_holds_them(seed: int, rank: int, dtype: str) -> None:
    scored = factors(seed)
    made = shaped(scored, "float32", asked(rank=str(rank), dtype=dtype))
    lost = (deltas(scored) - deltas(made.modules)).norm() / deltas(scored).norm()
    assert made.error == pytest.approx(float(lost), rel=2e-2, abs=2e-5)
    assert made.rank == rank
    assert {module.down.dtype for module in made.modules.values()} == {getattr(torch, dtype)}


def test_no_rank_of_that_size_is_nearer_than_the_one_that_is_kept() -> None:
    scored = factors(1)
    made = shaped(scored, "float32", asked(rank="2"))
    for name, module in scored.items():
        values = torch.linalg.svdvals(module.delta())
        best = values[2:].norm()
        assert (module.delta() - made.modules[name].delta()).norm() == pytest.approx(float(best), rel=1e-4)


def test_without_a_form_the_very_tensors_stay() -> None:
    scored = factors(2)
    made = shaped(scored, "float32", FileForm())
    assert made.error == 0
    assert all(torch.equal(module.down, made.modules[name].down) for name, module in scored.items())


@pytest.fixture(scope="module")
def ranked(rendered_grid: GridFolder) -> RankedGrid:
    return open_ranked(rendered_grid.store)


@pytest.mark.parametrize(("tool", "begins"), [("comfyui", "diffusion_model."), ("diffusers", "unet.")])
def test_other_tools_spellings_move_every_module_as_before(tool: str, begins: str, tmp_path: Path) -> None:
    names = [
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
        "lora_unet_mid_block_resnets_0_conv1",
    ]
    scored = shaped(dict(zip(names, factors(3).values(), strict=True)), "float16", FileForm())
    path = tmp_path / "made" / "best.safetensors"
    path.parent.mkdir()
    write_shaped(scored, {"ss_base_model_version": "sd_v1", "lora_studio.recipe": "{}"}, path, asked(tool=tool))
    header, now = read_header(path), read_lora(path).modules
    assert all(key.startswith(begins) for key in header.shapes)
    assert header.metadata["lora_studio.recipe"] == "{}"
    assert header.metadata["ss_output_name"] == "best"
    for name, module in now.items():
        assert torch.allclose(module.delta().float(), scored.modules[name].delta().float(), atol=1e-3)
    assert [one.name for one in path.parent.iterdir()] == ["best.safetensors"]


def test_what_a_spelling_cannot_hold_is_refused_by_the_files_own_name(ranked: RankedGrid, tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    with pytest.raises(ConvertError, match=f"^{re.escape(str(path))}: `lora_unet_.*no module of SD1's public models"):
        export_cell(ranked.grid, ranked.rows[0], path, asked(tool="comfyui"))
    assert not [*tmp_path.iterdir()]


def test_what_a_header_is_to_say_is_there_and_the_trigger_too(ranked: RankedGrid, tmp_path: Path) -> None:
    said = "<script>alert(1)</script> “für Nahaufnahmen”\nzweite Zeile"
    form = asked(author="mira’s mother", description=said, rank="2", dtype="bfloat16")
    written = export_cell(ranked.grid, ranked.rows[0], tmp_path / "best.safetensors", form)
    metadata = read_header(written.path).metadata
    assert metadata["modelspec.author"] == "mira’s mother"
    assert metadata["modelspec.description"] == said
    assert metadata["modelspec.trigger_phrase"] == ranked.grid.snapshot.trigger
    assert metadata["ss_network_dim"] == "2"
    assert 0 < written.error < 1
    (line,) = [one for one in written.in_lines(ranked.rows[0]) if "rank 2" in one]
    assert "bfloat16" in line
    assert "away from those that were scored" in line


def test_what_cannot_be_asked_is_named() -> None:
    with pytest.raises(RankError, match="--rank 0"):
        asked(rank="0")
    with pytest.raises(ConvertError, match="did you mean `comfyui`"):
        asked(tool="comfyuii")
    with pytest.raises(ConfigurationError, match="--author: 4001 characters"):
        asked(author="x" * (LONGEST_WORDS + 1))


def test_kohyas_spelling_is_what_is_written_anyway() -> None:
    assert asked(tool="a1111").target is None
