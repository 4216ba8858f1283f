"""What ComfyUI loads: it looks for names that its own model's weights have, in the ways that it lists by family."""

from __future__ import annotations

import re

from loras.verifying.facts import FileFacts, ModuleFacts
from loras.verifying.rules import (
    CONFIGURATION,
    Rule,
    Tool,
    alpha_is_0,
    scaled_by_configuration,
    spelled,
    with_prefix,
    without_configuration,
)
from loras.verifying.transformers import COMFYUI_READS, COMFYUI_TEXT, not_read, text_not_read

SD = ("sd1", "sd2", "sdxl")
ENDINGS = re.compile(
    r"(?:lora_(?:up|down|mid)\.weight|lora_[AB](?:\.default)?\.weight|lora_[AB]|_?lora\.(?:up|down)\.weight"
    r"|lora_linear_layer\.(?:up|down)\.weight|alpha|dora_scale|hada_\w+|lokr_\w+|oft_blocks|rescale|diff|diff_b"
    r"|w_norm|b_norm|reshape_weight)$"
)
_TO = re.compile(r"(?<!\.processor)\.to_(?:q|k|v|out)")


def _new_attention_of_unets(module: ModuleFacts, file: FileFacts) -> bool:
    """diffusers' names of a UNet's attention without `.processor`, which its list has."""
    bare = module.form in ("diffusers", "bare") and module.part == "unet" and file.family in SD
    return bare and bool(_TO.search(module.path))


def _old_text_attention(module: ModuleFacts, file: FileFacts) -> bool:
    return module.form == "diffusers" and module.part != "unet" and ".self_attn.to_" in module.path


def _unknown_ending(module: ModuleFacts, file: FileFacts) -> bool:
    return any(not ENDINGS.match(ending) for ending in module.endings)


def _lycoris_text(module: ModuleFacts, file: FileFacts) -> bool:
    return module.form == "lycoris" and module.part != "unet"


COMFYUI = Tool(
    "comfyui",
    "ComfyUI",
    "0.3 of 2026",
    "comfy/lora.py: model_lora_keys_unet, model_lora_keys_clip, load_lora; comfy/weight_adapter",
    frozenset([*SD, *COMFYUI_READS]),
    (
        Rule(
            not_read(COMFYUI_READS),
            "ignored",
            "names of this form are not on its list for this family; `diffusion_model.` with the original names is",
        ),
        Rule(
            text_not_read(COMFYUI_READS, COMFYUI_TEXT),
            "ignored",
            "this text encoder's names are not on its list; `text_encoders.` with its own names is",
        ),
        Rule(spelled("checkpoint"), "ignored", "`model.diffusion_model.` is not looked for, `diffusion_model.` is"),
        Rule(
            lambda module, file: file.family in SD and module.form in ("peft", "onetrainer", "onetrainer_kohya"),
            "ignored",
            "PEFT's `base_model.model.` and OneTrainer's dotted names are not looked for in a Stable Diffusion",
        ),
        Rule(
            with_prefix(("sd1", "sd2"), "lora_te2_", "text_encoder_2."), "ignored", "SD1 and SD2 have one text encoder"
        ),
        Rule(
            _new_attention_of_unets,
            "ignored",
            "a UNet's attention in diffusers' names is looked for with `.processor.to_q`, and not without",
        ),
        Rule(_old_text_attention, "ignored", "a text encoder's attention in diffusers' old names is not looked for"),
        Rule(_lycoris_text, "ignored", "`lycoris_` is looked for in the UNet alone"),
        Rule(_unknown_ending, "ignored", "a factor's name is followed by an adapter's name that is not `default`"),
        Rule(alpha_is_0, "ignored", "an alpha of 0 makes the strength 0; sd-scripts reads it as the rank"),
        Rule(scaled_by_configuration, "changed", CONFIGURATION, without_configuration),
    ),
    converted="comfyui",
    converted_for={"sd1": "kohya", "sd2": "kohya", "sdxl": "kohya"},
)
