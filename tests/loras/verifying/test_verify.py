"""Which keys a tool would load: each rule on a planted file, and diffusers' held against diffusers itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner, Result

from eval.__main__ import app
from loras.verifying.facts import NotVerifiedError, stem_of
from loras.verifying.read_facts import facts_of
from loras.verifying.tools import TOOLS, tool_called
from loras.verifying.verify_lora import Verification, verify
from miniature.paths import SUBJECT
from narrow_models import kohya_file, narrow_model, random_lora

Tensors = dict[str, Tensor]
SD1 = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
SDXL = "lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k"
WIDTHS = {"sd1": (SD1, 768), "sd2": (SD1, 1024), "sdxl": (SDXL, 2048)}
PATH = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
TEXT = "text_model_encoder_layers_3_mlp_fc1"


def halves(stem: str, width: int = 16, down: str = "lora_down.weight", up: str = "lora_up.weight") -> Tensors:
    return {f"{stem}.{down}": torch.ones(2, width), f"{stem}.{up}": torch.ones(16, 2)}


def plain(stem: str, width: int = 16, alpha: float = 2.0) -> Tensors:
    return halves(stem, width) | {f"{stem}.alpha": torch.tensor(alpha)}


def reading(family: str) -> Tensors:
    """The module that tells a family by the width of the text it reads."""
    return plain(*WIDTHS[family])


def saved(tensors: Tensors, folder: Path, metadata: dict[str, str] | None = None) -> Path:
    path = folder / "kat.safetensors"
    save_file(tensors, path, metadata or {})
    return path


def verified(tensors: Tensors, tool: str, folder: Path, metadata: dict[str, str] | None = None) -> Verification:
    return verify(facts_of(saved(tensors, folder, metadata)), TOOLS[tool])


@pytest.mark.parametrize("tool", ["a1111", "comfyui", "diffusers", "sd-scripts", "ai-toolkit"])
@pytest.mark.parametrize(("family", "text"), [("sd1", "lora_te_"), ("sd2", "lora_te_"), ("sdxl", "lora_te2_")])
def test_kohyas_own_file_loads_everywhere(tool: str, family: str, text: str, tmp_path: Path) -> None:
    found = verified(reading(family) | plain(f"{text}{TEXT}"), tool, tmp_path)
    assert found.verdict == "loads"
    assert (found.loaded, found.findings) == (2, ())


# A file, the tool, its verdict, how many of the modules load, and what is said.
CASES = {
    "SDXL's text encoder without its number": (
        reading("sdxl") | plain(f"lora_te_{TEXT}"),
        {"a1111": ("in part", 1, "`lora_te1_` and `lora_te2_`"), "sd-scripts": ("in part", 1, "`lora_te1_`"),
         "comfyui": ("loads", 2, ""), "diffusers": ("loads", 2, "")},
    ),
    "SD2's with a number": (
        reading("sd2") | plain(f"lora_te1_{TEXT}"),
        {"a1111": ("in part", 1, "`lora_te_` there"), "comfyui": ("loads", 2, "")},
    ),
    "SD1's with a number": (
        reading("sd1") | plain(f"lora_te1_{TEXT}"),
        {"a1111": ("loads", 2, ""), "sd-scripts": ("in part", 1, "`lora_te_` there")},
    ),
    "diffusers' new names": (
        halves(f"unet.{PATH}", 768, "lora_A.weight", "lora_B.weight")
        | halves("unet.down_blocks.1.attentions.0.transformer_blocks.0.ff.net.2", 16, "lora_A.weight", "lora_B.weight"),
        {"a1111": ("nothing", 0, "only kohya's names"), "comfyui": ("in part", 1, "`.processor.to_q`"),
         "diffusers": ("loads", 2, ""), "sd-scripts": ("nothing", 0, "only kohya's names")},
    ),
    "LyCORIS' prefix": (
        plain(f"lycoris_{PATH.replace('.', '_')}", 768),
        {"a1111": ("nothing", 0, "only kohya"), "comfyui": ("loads", 1, ""), "diffusers": ("refused", 0, "`lora`")},
    ),
    "LyCORIS' prefix without alphas": (
        halves(f"lycoris_{PATH.replace('.', '_')}", 768),
        {"diffusers": ("nothing", 0, "`unet.`")},
    ),
    "PEFT's prefix": (
        halves(f"base_model.model.{PATH}", 768, "lora_A.weight", "lora_B.weight"),
        {"comfyui": ("nothing", 0, "not looked for in a Stable"), "diffusers": ("nothing", 0, "the model's part")},
    ),
    "OneTrainer's names": (
        halves(f"lora_unet.{PATH}", 768),
        {"diffusers": ("refused", 0, "OneTrainer's"), "comfyui": ("nothing", 0, "OneTrainer's")},
    ),
    "PEFT's factors on kohya's names": (
        halves(SD1, 768, "lora_A.weight", "lora_B.weight"),
        {"a1111": ("refused", 0, "gives the file up"), "comfyui": ("loads", 1, ""),
         "diffusers": ("refused", 0, "left over"), "sd-scripts": ("nothing", 0, "`lora_down.weight`")},
    ),
    "LoHa": (
        reading("sd1") | {f"lora_te_{TEXT}.hada_w{n}_{side}": torch.ones(*shape) for n in (1, 2)
                          for side, shape in (("a", (16, 2)), ("b", (2, 16)))},
        {"a1111": ("loads", 2, ""), "comfyui": ("loads", 2, ""), "diffusers": ("refused", 0, "plain factors alone"),
         "sd-scripts": ("in part", 1, "plain factors alone")},
    ),
    "DoRA by outputs": (
        reading("sd1") | plain(f"lora_te_{TEXT}") | {f"lora_te_{TEXT}.dora_scale": torch.ones(16, 1)},
        {"a1111": ("changed", 2, "for each input"), "comfyui": ("loads", 2, ""),
         "diffusers": ("changed", 2, "filtered out"), "sd-scripts": ("changed", 2, "plain LoRA")},
    ),
    "DoRA by inputs": (
        reading("sd1") | plain(f"lora_te_{TEXT}") | {f"lora_te_{TEXT}.dora_scale": torch.ones(1, 16)},
        {"a1111": ("loads", 2, "")},
    ),
    "an alpha of 0": (
        reading("sd1") | plain(f"lora_te_{TEXT}", alpha=0.0),
        {"a1111": ("in part", 1, "strength 0"), "comfyui": ("in part", 1, "strength 0"),
         "sd-scripts": ("changed", 2, "full strength")},
    ),
    "q, k and v without out": (
        reading("sd2") | plain("lora_te_text_model_encoder_layers_3_self_attn_q_proj"),
        {"a1111": ("in part", 1, "all there"), "comfyui": ("loads", 2, "")},
    ),
    "SD2's flat projections": (
        reading("sd2") | plain("lora_unet_down_blocks_1_attentions_0_proj_in"),
        {"sd-scripts": ("refused", 0, "size mismatch"), "a1111": ("loads", 2, "")},
    ),
    "a first layer": (
        reading("sd1") | {"lora_unet_conv_in.lora_down.weight": torch.ones(2, 4, 3, 3),
                          "lora_unet_conv_in.lora_up.weight": torch.ones(16, 2, 1, 1)},
        {"sd-scripts": ("in part", 1, "first and last layers"), "a1111": ("loads", 2, "")},
    ),
    "SD1 in LDM's names": (
        reading("sd1") | plain("lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"),
        {"diffusers": ("in part", 1, "for SDXL alone"), "sd-scripts": ("in part", 1, "LDM's"),
         "a1111": ("loads", 2, "")},
    ),
    "embeddings": (
        reading("sd1") | {"bundle_emb.katface.clip_l": torch.ones(2, 768)},
        {"diffusers": ("refused", 0, "katface"), "comfyui": ("in part", 1, "katface"), "a1111": ("loads", 1, "")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_tool_by_its_rules(case: str, tmp_path: Path) -> None:
    tensors, tools = CASES[case]
    for tool, (verdict, loaded, said) in tools.items():
        found = verified(tensors, tool, tmp_path)
        assert (tool, found.verdict, found.loaded) == (tool, verdict, loaded)
        assert said in " ".join(finding.why for finding in found.findings), tool


def test_a_strength_in_the_configuration_alone_is_lost_and_by_how_much_is_said(tmp_path: Path) -> None:
    tensors = halves(
        "unet.down_blocks.1.attentions.0.transformer_blocks.0.ff.net.2", 16, "lora_A.weight", "lora_B.weight"
    )
    tensors |= halves(f"unet.{PATH}", 768, "lora_A.weight", "lora_B.weight")
    config = {"lora_adapter_metadata": json.dumps({"unet.r": 2, "unet.lora_alpha": 0.5})}
    assert verified(tensors, "diffusers", tmp_path, config).verdict == "loads"
    found = verified(tensors, "comfyui", tmp_path, config)
    changed = next(finding for finding in found.findings if finding.effect == "changed")
    assert (changed.modules, changed.times) == (1, (4.0, 4.0))


def test_differing_alphas_are_read_as_diffusers_itself_reads_them(tmp_path: Path) -> None:
    """Beside a narrow model's own deltas: the modules that are off, and by how much, are those that are said."""
    model = narrow_model("sd1")
    lora = random_lora(model, one_alpha=False)
    tensors_path = kohya_file(lora, tmp_path / "kat.safetensors")
    facts = facts_of(tensors_path)
    found = verify(facts, TOOLS["diffusers"])
    said = {key.partition(".")[0] for finding in found.findings for key in finding.keys}
    model.pipeline.load_lora_weights(tmp_path, weight_name="kat.safetensors", adapter_name="lora")
    off: dict[str, float] = {}
    for name, module in lora.items():
        layer = model.module(model.names.by_kohya[name].diffusers)
        assert isinstance(layer, LoraLayer)
        times = float(layer.get_delta_weight("lora").detach().square().sum() / module.delta().square().sum()) ** 0.5
        if abs(times - 1) > 1e-3:
            off[name] = times
    assert said == set(off)
    assert found.verdict == "changed"
    assert found.findings[0].times == pytest.approx((min(off.values()), max(off.values())), rel=1e-3)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["verify", *words], catch_exceptions=False)


def test_the_command_says_what_to_do_next(tmp_path: Path) -> None:
    path = saved(reading("sdxl") | plain(f"lora_te_{TEXT}"), tmp_path)
    done = run(str(path), "--for", "forge")
    assert done.exit_code == 1
    assert "1 of 2 modules would load" in done.stdout
    assert "`lora_te_text_model" in done.stdout
    assert f"python -m eval convert {path} -o {path.with_name('kat_kohya.safetensors')} --for kohya" in done.stdout
    told = json.loads(run(str(path), "--json").stdout)
    assert {one["tool"]: one["verdict"] for one in told} == {
        "a1111": "in part", "comfyui": "loads", "diffusers": "loads", "sd-scripts": "in part", "ai-toolkit": "in part",
    }  # fmt: skip
    assert run(str(path), "--for", "comfyui").exit_code == 0


def test_modules_that_no_public_model_has_are_counted_and_said() -> None:
    """The miniature's UNet has its attention where SD1 has none: in A1111 with SD1.5 these keys would find nothing."""
    asked = CliRunner().invoke(app, ["verify", str(SUBJECT / "first.safetensors"), "--for", "a1111"])
    assert "24 of them no public model of SD1 has" in " ".join(asked.output.split())
    told = CliRunner().invoke(app, ["verify", str(SUBJECT / "first.safetensors"), "--for", "a1111", "--json"])
    assert json.loads(told.stdout)[0]["of_another_build"] == 24


def test_an_unknown_tool_names_the_nearest() -> None:
    with pytest.raises(NotVerifiedError, match=r"--for comfy: unknown tool \(did you mean `comfyui`\?\)"):
        tool_called("comfy")


@pytest.mark.parametrize(
    ("key", "stem"),
    [
        ("lora_unet_a_b.lora_up.weight", "lora_unet_a_b"),
        ("lora_unet.a.b.lora_up.weight", "lora_unet.a.b"),
        ("unet.a.processor.to_q_lora.down.weight", "unet.a.processor.to_q"),
        ("text_encoder.a.q_proj.lora_linear_layer.up.weight", "text_encoder.a.q_proj"),
        ("transformer.a.to_q.lora_A.default.weight", "transformer.a.to_q"),
        ("diffusion_model.a.lokr_w2_a", "diffusion_model.a"),
        ("transformer.a.lora_magnitude_vector", "transformer.a"),
    ],
)
def test_what_a_key_says_of_its_module(key: str, stem: str) -> None:
    assert stem_of(key) == stem
