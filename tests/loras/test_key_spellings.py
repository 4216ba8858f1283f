"""One LoRA in every spelling reads to the same modules, and what is written is what is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from base_models.architecture import public_architecture
from foundation.errors import LoraFileError
from foundation.safetensors_header import opened_safetensors, read_header
from loras import lora_file
from loras.lora_file import (
    LoraFile,
    LoraModule,
    open_lora,
    read_lora,
    write_diffusers,
    write_lora,
)


@dataclass(frozen=True)
class Place:
    """One module under its three names: kohya's, diffusers' and ComfyUI's."""

    kohya: str
    diffusers: str
    comfyui: str
    kernel: tuple[int, ...] = ()

    @property
    def is_attention(self) -> bool:
        return "attn" in self.diffusers

    @property
    def is_unet(self) -> bool:
        return self.diffusers.startswith("unet.")


INNER, INNER_KOHYA = "transformer_blocks.0", "transformer_blocks_0"
SD1 = [
    *(
        Place(
            f"lora_unet_down_blocks_0_attentions_1_{INNER_KOHYA}_{rest.replace('.', '_')}",
            f"unet.down_blocks.0.attentions.1.{INNER}.{rest}",
            f"diffusion_model.input_blocks.2.1.{INNER}.{rest}",
        )
        for rest in ("attn1.to_q", "attn1.to_out.0", "attn2.to_k", "attn2.to_v", "ff.net.0.proj")
    ),
    Place(
        "lora_unet_up_blocks_3_attentions_2_proj_in",
        "unet.up_blocks.3.attentions.2.proj_in",
        "diffusion_model.output_blocks.11.1.proj_in",
        (1, 1),
    ),
    Place("lora_unet_conv_out", "unet.conv_out", "diffusion_model.out.2", (3, 3)),
    Place(
        "lora_unet_mid_block_resnets_1_conv2",
        "unet.mid_block.resnets.1.conv2",
        "diffusion_model.middle_block.2.out_layers.3",
        (3, 3),
    ),
    *(
        Place(
            f"lora_te_text_model_encoder_layers_11_{rest.replace('.', '_')}",
            f"text_encoder.text_model.encoder.layers.11.{rest}",
            f"text_encoders.clip_l.transformer.text_model.encoder.layers.11.{rest}",
        )
        for rest in ("self_attn.q_proj", "self_attn.out_proj", "mlp.fc1")
    ),
]
SDXL = [
    *(
        Place(
            f"lora_unet_input_blocks_7_1_transformer_blocks_9_{rest.replace('.', '_')}",
            f"unet.down_blocks.2.attentions.0.transformer_blocks.9.{rest}",
            f"diffusion_model.input_blocks.7.1.transformer_blocks.9.{rest}",
        )
        for rest in ("attn1.to_q", "attn2.to_out.0", "ff.net.2")
    ),
    Place(
        "lora_unet_output_blocks_2_2_conv",
        "unet.up_blocks.0.upsamplers.0.conv",
        "diffusion_model.output_blocks.2.2.conv",
        (3, 3),
    ),
    Place(
        "lora_unet_label_emb_0_0",
        "unet.add_embedding.linear_1",
        "diffusion_model.label_emb.0.0",
    ),
    *(
        Place(
            f"lora_te{number}_text_model_encoder_layers_3_self_attn_v_proj",
            f"text_encoder{part}.text_model.encoder.layers.3.self_attn.v_proj",
            f"text_encoders.clip_{letter}.transformer.text_model.encoder.layers.3.self_attn.v_proj",
        )
        for number, part, letter in ((1, "", "l"), (2, "_2", "g"))
    ),
]
MODELS = {"sd1": SD1, "sdxl": SDXL}


def random_lora(places: list[Place], seed: int = 0) -> dict[Place, LoraModule]:
    """Random factors of differing ranks over `places`, alphas that are not the rank."""
    draw = torch.Generator().manual_seed(seed)
    made = {}
    for number, place in enumerate(places):
        rank = 2 + number % 3
        up = torch.randn(6, rank, *[1] * len(place.kernel), generator=draw)
        made[place] = LoraModule(torch.randn(rank, 5, *place.kernel, generator=draw), up, rank * 0.5 + number)
    return made


Tensors = dict[str, Tensor]
Speller = Callable[[dict[Place, LoraModule]], Tensors]


def spelt(lora: dict[Place, LoraModule], name: Callable[[Place], str], down: str, up: str, alpha: str) -> Tensors:
    """The tensors under `name` and these endings, without alphas where `alpha` is empty."""
    tensors: Tensors = {}
    for place, module in lora.items():
        tensors[f"{name(place)}{down}"] = module.down
        tensors[f"{name(place)}{up}"] = module.up
        if alpha:
            tensors[f"{name(place)}{alpha}"] = torch.tensor(module.alpha)
    return tensors


def kohya(lora: dict[Place, LoraModule]) -> Tensors:
    return spelt(lora, lambda place: place.kohya, ".lora_down.weight", ".lora_up.weight", ".alpha")


def kohya_without_alpha(lora: dict[Place, LoraModule]) -> Tensors:
    return spelt(lora, lambda place: place.kohya, ".lora_down.weight", ".lora_up.weight", "")


def _underscored(place: Place) -> str:
    part, _, path = place.diffusers.partition(".")
    prefix = {"unet": "lora_unet", "text_encoder": "lora_te1", "text_encoder_2": "lora_te2"}[part]
    return f"{prefix}_{path.replace('.', '_')}"


def kohya_as_diffusers_converts(lora: dict[Place, LoraModule]) -> Tensors:
    """diffusers' own conversion to kohya: its block names for every model, and `lora_te1` for SD1's encoder too."""
    return spelt(lora, _underscored, ".lora_down.weight", ".lora_up.weight", ".alpha")


def diffusers_lora_down(lora: dict[Place, LoraModule]) -> Tensors:
    """`unet.<path>.lora.down.weight`, `text_encoder.<path>.lora_linear_layer.down.weight`, no alphas."""
    return {
        f"{place.diffusers}.{'lora' if place.is_unet else 'lora_linear_layer'}.{side}.weight": tensor
        for place, module in lora.items()
        for side, tensor in (("down", module.down), ("up", module.up))
    }


def attention_processors(lora: dict[Place, LoraModule]) -> Tensors:
    """The oldest form: `attn1.processor.to_q_lora.down.weight`, `self_attn.to_q_lora.down.weight`; attention only."""
    tensors: Tensors = {}
    for place, module in lora.items():
        stem = place.diffusers.removesuffix(".0")
        above, _, last = stem.rpartition(".")
        between = ".processor." if place.is_unet else "."
        old = {"q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "out_proj": "to_out"}.get(last, last)
        tensors[f"{above}{between}{old}_lora.down.weight"] = module.down
        tensors[f"{above}{between}{old}_lora.up.weight"] = module.up
    return tensors


def bare(speller: Speller) -> Speller:
    """The spelling of a file that holds the UNet alone, without `unet.`."""
    return lambda lora: {key.removeprefix("unet."): tensor for key, tensor in speller(lora).items()}


def peft(lora: dict[Place, LoraModule]) -> Tensors:
    return spelt(lora, lambda place: place.diffusers, ".lora_A.weight", ".lora_B.weight", "")


def peft_base_model(lora: dict[Place, LoraModule]) -> Tensors:
    return {f"base_model.model.{key.partition('.')[2]}": tensor for key, tensor in peft(lora).items()}


def comfyui(lora: dict[Place, LoraModule]) -> Tensors:
    return spelt(lora, lambda place: place.comfyui, ".lora_down.weight", ".lora_up.weight", "")


def comfyui_lora_a(lora: dict[Place, LoraModule]) -> Tensors:
    return spelt(lora, lambda place: place.comfyui, ".lora_A.weight", ".lora_B.weight", "")


def every(place: Place) -> bool:
    return True


def attention(place: Place) -> bool:
    return place.is_attention


def unet_attention(place: Place) -> bool:
    return place.is_attention and place.is_unet


def unet(place: Place) -> bool:
    return place.is_unet


# (spelling, whether it says alphas, which modules it has words for)
SPELLERS: list[tuple[Speller, bool, Callable[[Place], bool]]] = [
    (kohya, True, every),
    (kohya_without_alpha, False, every),
    (kohya_as_diffusers_converts, True, every),
    (diffusers_lora_down, False, every),
    (attention_processors, False, attention),
    (bare(attention_processors), False, unet_attention),
    (bare(diffusers_lora_down), False, unet),
    (peft, False, every),
    (bare(peft), False, unet),
    (peft_base_model, False, unet),
    (comfyui, False, every),
    (comfyui_lora_a, False, every),
]


def assert_reads_as(path: Path, lora: dict[Place, LoraModule], says_alphas: bool) -> None:
    modules = read_lora(path).modules
    assert set(modules) == {place.kohya for place in lora}
    for place, module in lora.items():
        read = modules[place.kohya]
        assert isinstance(read, LoraModule)
        assert torch.equal(read.down, module.down)
        assert torch.equal(read.up, module.up)
        assert read.alpha == (module.alpha if says_alphas else module.rank)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("number", range(len(SPELLERS)))
def test_every_spelling_reads_the_same(model: str, number: int, tmp_path: Path) -> None:
    speller, says_alphas, has_words = SPELLERS[number]
    lora = random_lora([place for place in MODELS[model] if has_words(place)])
    path = tmp_path / "a.safetensors"
    save_file(speller(lora), path)
    assert_reads_as(path, lora, says_alphas)


def configurations(lora: dict[Place, LoraModule], prefixed: bool) -> dict[str, object]:
    """PEFT's configuration of each part, its alphas by the end of the path."""
    flat: dict[str, object] = {}
    for place, module in lora.items():
        part, _, path = place.diffusers.partition(".")
        start = f"{part}." if prefixed else ""
        flat.setdefault(f"{start}lora_alpha", 77)
        flat.setdefault(f"{start}alpha_pattern", {})
        pattern = flat[f"{start}alpha_pattern"]
        assert isinstance(pattern, dict)
        pattern[path.removeprefix("text_model.")] = module.alpha
    return flat


@pytest.mark.parametrize("model", MODELS)
def test_alphas_of_diffusers_metadata(model: str, tmp_path: Path) -> None:
    lora = random_lora(MODELS[model])
    path = tmp_path / "a.safetensors"
    save_file(peft(lora), path, {"lora_adapter_metadata": json.dumps(configurations(lora, True))})
    assert_reads_as(path, lora, says_alphas=True)


def test_alphas_of_a_single_models_metadata(tmp_path: Path) -> None:
    """A UNet's own `save_lora_adapter` has no prefixes, in keys or configuration."""
    lora = random_lora([place for place in SD1 if place.is_unet])
    path = tmp_path / "a.safetensors"
    save_file(bare(peft)(lora), path, {"lora_adapter_metadata": json.dumps(configurations(lora, False))})
    assert_reads_as(path, lora, says_alphas=True)


def test_alphas_of_an_adapters_folder(tmp_path: Path) -> None:
    lora = random_lora([place for place in SD1 if place.is_unet])
    save_file(peft_base_model(lora), tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps(configurations(lora, False)))
    assert_reads_as(tmp_path / "adapter_model.safetensors", lora, says_alphas=True)


def test_another_peft_method_is_refused(tmp_path: Path) -> None:
    lora = random_lora([place for place in SD1 if place.is_unet])
    save_file(peft_base_model(lora), tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LOHA", "alpha": 8}))
    with pytest.raises(LoraFileError, match="type LOHA"):
        read_lora(tmp_path / "adapter_model.safetensors")


def test_sd2s_text_encoder_of_comfyui(tmp_path: Path) -> None:
    stem = "text_encoders.clip_h.transformer.text_model.encoder.layers.22.mlp.fc1"
    path = tmp_path / "a.safetensors"
    save_file({f"{stem}.lora_down.weight": torch.ones(2, 3), f"{stem}.lora_up.weight": torch.ones(4, 2)}, path)
    assert list(read_lora(path).modules) == ["lora_te_text_model_encoder_layers_22_mlp_fc1"]


@pytest.mark.parametrize(
    ("width", "name"),
    [
        (768, "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"),
        (1024, "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"),
        (2048, "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"),
    ],
)
def test_the_width_of_the_text_tells_sdxl(width: int, name: str, tmp_path: Path) -> None:
    stem = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    path = tmp_path / "a.safetensors"
    save_file({f"{stem}.lora_A.weight": torch.ones(2, width), f"{stem}.lora_B.weight": torch.ones(4, 2)}, path)
    assert list(read_lora(path).modules) == [name]


def test_a_file_of_sdxls_first_text_encoder_alone_stays_one(tmp_path: Path) -> None:
    name = "lora_te1_text_model_encoder_layers_0_mlp_fc1"
    path = tmp_path / "a.safetensors"
    save_file({f"{name}.lora_down.weight": torch.ones(2, 3), f"{name}.lora_up.weight": torch.ones(4, 2)}, path)
    assert list(read_lora(path).modules) == [name]


# ---- what is written is read ----


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), model=st.sampled_from(sorted(MODELS)))
def test_kohya_to_diffusers_and_back(tmp_path_factory: pytest.TempPathFactory, seed: int, model: str) -> None:
    lora = random_lora(MODELS[model], seed)
    folder = tmp_path_factory.mktemp("there and back")
    names = public_architecture(model)
    plain = LoraFile({place.kohya: module for place, module in lora.items()}, {"ss_epoch": "3"})
    write_diffusers(plain, folder / "there.safetensors", names, torch.float32)
    assert_reads_as(folder / "there.safetensors", lora, says_alphas=True)
    stems = {key.rpartition(".lora_")[0] for key in read_header(folder / "there.safetensors").shapes}
    assert stems == {place.diffusers for place in lora}
    there = read_lora(folder / "there.safetensors")
    write_lora(LoraFile({n: m for n, m in there.modules.items() if isinstance(m, LoraModule)}, {}), folder / "back.st")
    assert set(read_lora(folder / "back.st").modules) == set(plain.modules)


def test_a_module_that_the_model_lacks_is_not_written_for_diffusers(tmp_path: Path) -> None:
    lora = LoraFile({"lora_unet_x": LoraModule(torch.ones(1, 2), torch.ones(3, 1), 1.0)}, {})
    with pytest.raises(LoraFileError, match="`lora_unet_x`: no such module"):
        write_diffusers(lora, tmp_path / "a.safetensors", public_architecture("sd1"))
    assert not list(tmp_path.iterdir())


def test_one_module_is_read_without_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, asked = tmp_path / "a.safetensors", list[str]()
    save_file(kohya(random_lora(SD1)), path)

    @dataclass(frozen=True)
    class Counting:
        inner: object

        def get_tensor(self, key: str) -> Tensor:
            asked.append(key)
            return self.inner.get_tensor(key)

    @contextmanager
    def counted(path: Path) -> Generator[Counting]:
        with opened_safetensors(path) as opened:
            yield Counting(opened)

    monkeypatch.setattr(lora_file, "opened_safetensors", counted)
    with open_lora(path) as opened:
        assert opened.names == sorted(place.kohya for place in SD1)
        assert asked == []
        opened.module(SD1[0].kohya)
    assert {key.partition(".")[0] for key in asked} == {SD1[0].kohya}
    assert len(asked) == 3
