"""Files as other tools save them: read to the same modules, or refused for what they are, and never called broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from foundation.errors import LoraFileError, UserError
from foundation.progress import Silent
from loras.blending.blend_files import BlendRequest, write_blend
from loras.blending.weighted_lora import WeightedLora
from loras.inspecting.inspect_lora import inspect_lora
from loras.lora_file import LoraModule, open_lora, read_lora

Tensors = dict[str, Tensor]

PATH = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
LDM = "input_blocks.4.1.transformer_blocks.0.attn1.to_q"
TEXT = "text_model.encoder.layers.3.mlp.fc1"
UNET_NAME = f"lora_unet_{PATH}".replace(".", "_")
TEXT_NAME = f"lora_te_{TEXT}".replace(".", "_")
SDXL_READS = "input_blocks.4.1.transformer_blocks.1.attn2.to_k"


def halves(stem: str, down: str = "lora_down.weight", up: str = "lora_up.weight", width: int = 16) -> Tensors:
    """A module of rank 2, whose numbers hang on its shape alone."""
    draw = torch.Generator().manual_seed(0)
    return {f"{stem}.{down}": torch.randn(2, width, generator=draw), f"{stem}.{up}": torch.randn(16, 2, generator=draw)}


def saved(tensors: Tensors, path: Path) -> Path:
    save_file(tensors, path, {})
    return path


def _flat(path: str) -> str:
    return path.replace(".", "_")


@pytest.mark.parametrize(
    "tensors",
    [
        halves(f"lycoris_{_flat(PATH)}") | halves(f"lycoris_{_flat(TEXT)}"),
        halves(UNET_NAME, "lora_A.weight", "lora_B.weight") | halves(TEXT_NAME, "lora_A.weight", "lora_B.weight"),
        halves(f"unet.{PATH}", "lora_A.mine.weight", "lora_B.mine.weight")
        | halves(f"text_encoder.{TEXT}", "lora_A.mine.weight", "lora_B.mine.weight"),
        halves(f"base_model.model.{PATH}", "lora_A.kat_v2.weight", "lora_B.kat_v2.weight")
        | halves(f"text_encoder.{TEXT}"),
        halves(f"lora_unet.{PATH}") | halves(f"lora_te.{TEXT}"),
        halves(f"model.diffusion_model.{LDM}", "lora_A.weight", "lora_B.weight") | halves(TEXT_NAME),
    ],
    ids=["lycoris", "PEFT on kohya's names", "an adapter's name", "PEFT's own", "OneTrainer", "a checkpoint's"],
)
def test_it_is_read_as_kohyas_spelling_is(tensors: Tensors, tmp_path: Path) -> None:
    read = read_lora(saved(tensors, tmp_path / "a.safetensors")).modules
    meant = read_lora(saved(halves(UNET_NAME) | halves(TEXT_NAME), tmp_path / "kohya.safetensors")).modules
    assert set(read) == {UNET_NAME, TEXT_NAME}
    for name, module in meant.items():
        assert isinstance(module, LoraModule)
        found = read[name]
        assert isinstance(found, LoraModule)
        assert torch.equal(found.delta(), module.delta())
    assert inspect_lora(tmp_path / "a.safetensors").verdict.name != "broken"


def test_two_adapters_of_one_module_are_not_mixed(tmp_path: Path) -> None:
    tensors = halves(f"unet.{PATH}", "lora_A.a.weight", "lora_B.a.weight")
    tensors |= halves(f"unet.{PATH}", "lora_A.b.weight", "lora_B.b.weight")
    with pytest.raises(LoraFileError, match="are the same tensor; which is meant"):
        read_lora(saved(tensors, tmp_path / "a.safetensors"))


def test_a_convolutions_flat_second_factor_is_dyloras(tmp_path: Path) -> None:
    name = "lora_unet_down_blocks_0_resnets_0_conv1"
    draw = torch.Generator().manual_seed(0)
    down, up = torch.randn(2, 4, 3, 3, generator=draw), torch.randn(5, 2, generator=draw)
    path = saved({f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}, tmp_path / "a.safetensors")
    module = read_lora(path).modules[name]
    assert isinstance(module, LoraModule)
    torch.testing.assert_close(module.delta(), torch.einsum("or,rikl->oikl", up, down))


def test_sdxls_first_text_encoder_without_its_number_gets_it(tmp_path: Path) -> None:
    """sd-scripts and A1111 drop `lora_te_` from a file for SDXL, so what is written must not have it."""
    tensors = halves(f"lora_unet_{_flat(SDXL_READS)}", width=2048) | halves(TEXT_NAME, width=768)
    path = saved(tensors, tmp_path / "a.safetensors")
    with open_lora(path) as opened:
        assert opened.family.name == "SDXL"
        assert opened.names == [TEXT_NAME.replace("lora_te_", "lora_te1_"), f"lora_unet_{_flat(SDXL_READS)}"]
    out = tmp_path / "out.safetensors"
    write_blend(BlendRequest((WeightedLora.parse(f"{path}:unet=0.5,te=0.25"),), out), Silent())
    assert set(read_lora(out).modules) == set(opened.names)


def _blended(path: Path) -> None:
    write_blend(BlendRequest((WeightedLora(path),), path.with_name("out.safetensors")), Silent())


@pytest.mark.parametrize("use", [read_lora, _blended])
def test_bundled_embeddings_are_refused_by_name_and_not_called_broken(
    use: Callable[[Path], object], tmp_path: Path
) -> None:
    bundled = {"bundle_emb.katface.clip_l": torch.ones(2, 768), "bundle_emb.hat.emb_params": torch.ones(1, 768)}
    path = saved(halves(UNET_NAME) | bundled, tmp_path / "a.safetensors")
    with pytest.raises(LoraFileError, match=r"embeddings bundled with it \(`hat`, `katface`\)"):
        use(path)
    assert not path.with_name("out.safetensors").exists()
    report = inspect_lora(path)
    assert report.verdict.name != "broken"
    assert [note for note in report.notes if "`hat`, `katface`" in note]
    assert report.as_json()["embeddings"] == ["hat", "katface"]


def test_ia3_is_read_and_no_blend_takes_it(tmp_path: Path) -> None:
    tensors = {f"{UNET_NAME}.weight": torch.full((16,), 0.1), f"{UNET_NAME}.on_input": torch.tensor(0)}
    path = saved(tensors, tmp_path / "a.safetensors")
    assert read_lora(path).modules[UNET_NAME].kind == "ia3"
    assert inspect_lora(path).verdict.name == "healthy"
    with pytest.raises(UserError, match="ia3"):
        _blended(path)


def test_alphas_that_differ_are_said_with_what_mends_them(tmp_path: Path) -> None:
    names = [UNET_NAME, UNET_NAME.replace("to_q", "to_k"), UNET_NAME.replace("to_q", "to_v"), TEXT_NAME]
    tensors: Tensors = {}
    for name, alpha in zip(names, (2.0, 2.0, 1.0, 4.0), strict=True):
        tensors |= halves(name) | {f"{name}.alpha": torch.tensor(alpha)}
    path = saved(tensors, tmp_path / "a.safetensors")
    report = inspect_lora(path)
    assert report.as_json()["other_alphas"] == {"unet": 1}
    assert [note for note in report.notes if note.startswith("alphas differ (1 of 3 in unet")]
    mended = tmp_path / "mended.safetensors"
    write_blend(BlendRequest((WeightedLora(path),), mended, dtype=torch.float32), Silent())
    assert inspect_lora(mended).as_json()["other_alphas"] == {}
    for name, module in read_lora(path).modules.items():
        assert isinstance(module, LoraModule)
        after = read_lora(mended).modules[name]
        assert isinstance(after, LoraModule)
        torch.testing.assert_close(after.delta(), module.delta())
