"""What trainers load where they go on from a LoRA file or merge one: sd-scripts, musubi-tuner, ai-toolkit."""

from __future__ import annotations

from loras.verifying.facts import FileFacts, ModuleFacts
from loras.verifying.rules import (
    CONFIGURATION,
    LYCORIS,
    Refusal,
    Rule,
    Tool,
    all_of,
    alpha_is_0,
    has,
    not_spelled,
    scaled_by_configuration,
    spelled,
    with_prefix,
    without_configuration,
)
from loras.verifying.transformers import (
    AI_TOOLKIT_READS,
    MUSUBI_READS,
    SD_SCRIPTS_READS,
    SD_SCRIPTS_TEXT,
    not_read,
    text_not_read,
)

SD = ("sd1", "sd2", "sdxl")
ENDS = (
    "conv_in",
    "conv_out",
    "time_embedding_",
    "add_embedding_",
    "time_embed_",
    "label_emb_",
    "input_blocks_0_0",
    "out_",
)


def _an_end(module: ModuleFacts, file: FileFacts) -> bool:
    """Whether it is a UNet's first or last layer or reads time or sizes: sd-scripts walks blocks alone."""
    return module.part == "unet" and file.family in SD and module.path.startswith(ENDS)


def _text_projection(module: ModuleFacts, file: FileFacts) -> bool:
    return module.path.endswith("text_projection")


def _in_another_naming(module: ModuleFacts, file: FileFacts) -> bool:
    """Whether a UNet's names are those of the other naming than sd-scripts' own; SDXL's are renamed there."""
    return module.part == "unet" and file.family in ("sd1", "sd2") and module.original


def _wrong_dimensions(module: ModuleFacts, file: FileFacts) -> bool:
    """Whether a projection's factors are flat where its UNets have a 1x1 convolution, or the other way round."""
    if file.family not in SD or not module.name.endswith(("_proj_in", "_proj_out")) or not module.down:
        return False
    return len(module.down) != (2 if file.family == "sdxl" else 4)


KOHYA_ONLY = "only kohya's names (`lora_unet_..`) are looked for, up to the first dot"
SD_SCRIPTS = Tool(
    "sd-scripts",
    "sd-scripts",
    "0.9.x, commit 48d368fa of 2026-02-16",
    "networks/lora.py: create_network_from_weights, LoRANetwork; library/original_unet.py, sdxl_original_unet.py",
    frozenset([*SD, *SD_SCRIPTS_READS]),
    (
        Rule(not_spelled("kohya"), "ignored", KOHYA_ONLY),
        Rule(not_read(SD_SCRIPTS_READS), "ignored", "its own modules have the original names, and whole projections"),
        Rule(
            text_not_read(SD_SCRIPTS_READS, SD_SCRIPTS_TEXT),
            "ignored",
            "this text encoder has another prefix there, or is not trained",
        ),
        Rule(
            with_prefix(("sdxl",), "lora_te_"), "ignored", "SDXL's text encoders are `lora_te1_` and `lora_te2_` there"
        ),
        Rule(
            with_prefix(("sd1", "sd2"), "lora_te1_", "lora_te2_"),
            "ignored",
            "SD1's and SD2's text encoder is `lora_te_` there",
        ),
        Rule(_in_another_naming, "ignored", "SD1's and SD2's UNets have diffusers' names there, these are LDM's"),
        Rule(
            _an_end,
            "ignored",
            "networks.lora trains blocks alone: no first and last layers, no time or size embeddings",
        ),
        Rule(_text_projection, "ignored", "a text encoder's projection is not trained there"),
        Rule(
            has(*LYCORIS),
            "ignored",
            "networks.lora knows plain factors alone (LyCORIS' own module, `lycoris.kohya`, reads these)",
        ),
        Rule(
            lambda module, file: "lora_down.weight" not in module.endings,
            "ignored",
            "factors are looked for as `lora_down.weight` and `lora_up.weight`",
        ),
        Rule(has("dora_scale"), "changed", "DoRA's magnitudes are left out, and the factors act as a plain LoRA"),
        Rule(
            alpha_is_0,
            "changed",
            "an alpha of 0 is read as the rank: it acts at full strength, and in A1111 and ComfyUI not at all",
        ),
        Rule(scaled_by_configuration, "changed", CONFIGURATION, without_configuration),
    ),
    (
        Refusal(
            all_of(spelled("kohya"), _wrong_dimensions),
            "its outer projections (proj_in, proj_out) are 1x1 convolutions in SD1 and SD2 and linear layers in SDXL; "
            "factors of the other kind do not fit, and loading ends with a size mismatch",
        ),
        Refusal(
            all_of(spelled("kohya"), has("lora_mid.weight")),
            "a convolution's factors around a core (`lora_mid`) do not fit, and loading ends with a size mismatch",
        ),
    ),
)


def _is_stable_diffusion(module: ModuleFacts, file: FileFacts) -> bool:
    return file.family in SD


def _drops_its_alpha(module: ModuleFacts, file: FileFacts) -> bool:
    if file.family not in AI_TOOLKIT_READS or "lora_down.weight" not in module.suffixes:
        return False
    return module.meant_alpha != module.rank


AI_TOOLKIT = Tool(
    "ai-toolkit",
    "ai-toolkit",
    "commit 27a03a91 of 2026-08-21",
    "toolkit/network_mixins.py: load_weights, get_state_dict; toolkit/lora_special.py",
    frozenset([*SD, *AI_TOOLKIT_READS]),
    (
        Rule(
            not_read(AI_TOOLKIT_READS),
            "ignored",
            "its own modules have other names than these, and keys that name none are listed as extra",
        ),
        Rule(
            lambda module, file: file.family in AI_TOOLKIT_READS and module.part.startswith("te"),
            "ignored",
            "it trains no text encoder of this family",
        ),
        Rule(
            _drops_its_alpha,
            "changed",
            "alphas are dropped for this family: the scale is taken for 1",
            lambda module, file: (module.rank or 1) / (module.meant_alpha or 1),
        ),
        Rule(
            all_of(_is_stable_diffusion, not_spelled("kohya")),
            "ignored",
            "for Stable Diffusion only kohya's names are kept; other keys are listed as extra",
        ),
        Rule(
            with_prefix(("sdxl",), "lora_te_"), "ignored", "SDXL's text encoders are `lora_te1_` and `lora_te2_` there"
        ),
        Rule(
            has(*LYCORIS),
            "ignored",
            "the network that a configuration asks for decides; a plain LoRA has no such tensors",
        ),
        Rule(has("dora_scale"), "changed", "DoRA's magnitudes are left out, and the factors act as a plain LoRA"),
        Rule(alpha_is_0, "changed", "an alpha of 0 is read as the rank"),
    ),
    converted="ai-toolkit",
    converted_for=dict.fromkeys(SD, "kohya"),
)
MUSUBI = Tool(
    "musubi",
    "musubi-tuner",
    "commit 30c658c of 2026-06-24",
    "networks/lora.py, lora_zimage.py, lora_flux_2.py, lora_krea2.py, lora_qwen_image.py; convert_lora.py",
    frozenset(MUSUBI_READS),
    (
        Rule(
            not_read(MUSUBI_READS),
            "ignored",
            "its own modules have other names: `lora_unet_` and the path (Z-Image: q, k and v apart)",
        ),
        Rule(
            lambda module, file: module.part.startswith("te"),
            "ignored",
            "it trains no text encoder",
        ),
        Rule(has("dora_scale"), "changed", "DoRA's magnitudes are left out, and the factors act as a plain LoRA"),
        Rule(scaled_by_configuration, "changed", CONFIGURATION, without_configuration),
    ),
    converted="musubi",
)
