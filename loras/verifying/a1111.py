"""What AUTOMATIC1111's web UI loads (Forge's classic loader has the same table for Stable Diffusion)."""

from __future__ import annotations

import re

from loras.verifying.facts import FileFacts, ModuleFacts
from loras.verifying.rules import (
    Refusal,
    Rule,
    Tool,
    all_of,
    alpha_is_0,
    has,
    not_spelled,
    spelled,
    with_prefix,
)

_JOINED = re.compile(r"(.+_self_attn_)(?:q|k|v|out)_proj$")


def _sizes_in_diffusers_naming(module: ModuleFacts, file: FileFacts) -> bool:
    return module.path.startswith("add_embedding_")


def _sdxls_first_upsampler(module: ModuleFacts, file: FileFacts) -> bool:
    """diffusers' name of it is put where SD1 has its own, one place before SDXL's."""
    return file.family == "sdxl" and module.path.startswith("up_blocks_0_upsamplers_")


def _one_of_four_is_missing(module: ModuleFacts, file: FileFacts) -> bool:
    """OpenCLIP's encoders (SD2's, SDXL's second) keep q, k and v in one weight, changed where all four are there."""
    if not (module.part == "te2" if file.family == "sdxl" else file.family == "sd2" and module.part == "te1"):
        return False
    found = _JOINED.match(module.name)
    return found is not None and not all(f"{found[1]}{one}_proj" in file.names for one in ("q", "k", "v", "out"))


def _dora_of_outputs(module: ModuleFacts, file: FileFacts) -> bool:
    """Whether magnitudes are one an output: A1111 takes the norm of each input's column whatever their shape."""
    return module.dora is not None and module.dora[0] != 1


A1111 = Tool(
    "a1111",
    "A1111",
    "1.10.1",
    "extensions-builtin/Lora/networks.py: load_network, network_apply_weights; network.py: calc_scale, dora",
    frozenset(["sd1", "sd2", "sdxl"]),
    (
        Rule(
            not_spelled("kohya"),
            "ignored",
            "only kohya's names (`lora_unet_..`) are looked for, up to the first dot",
        ),
        Rule(
            with_prefix(("sdxl",), "lora_te_"),
            "ignored",
            "SDXL's text encoders are `lora_te1_` and `lora_te2_` there",
        ),
        Rule(
            with_prefix(("sd2",), "lora_te1_"),
            "ignored",
            "SD2's text encoder is `lora_te_` there",
        ),
        Rule(with_prefix(("sd1", "sd2"), "lora_te2_"), "ignored", "SD1 and SD2 have one text encoder"),
        Rule(_sizes_in_diffusers_naming, "ignored", "SDXL's size embedding is found by its original name alone"),
        Rule(_sdxls_first_upsampler, "ignored", "diffusers' name of SDXL's first upsampler is taken for SD1's"),
        Rule(
            _one_of_four_is_missing,
            "ignored",
            "this text encoder keeps q, k and v in one weight, changed only where q, k, v and out are all there",
        ),
        Rule(alpha_is_0, "ignored", "an alpha of 0 makes the strength 0; sd-scripts reads it as the rank"),
        Rule(
            _dora_of_outputs,
            "changed",
            "DoRA's magnitudes are one for each output, and norms are taken for each input there",
        ),
    ),
    (
        Refusal(
            all_of(
                spelled("kohya"), has("lora_down.weight"), lambda module, file: "lora_down.weight" not in module.endings
            ),
            "`lora_A` and `lora_B` on kohya's names are of no kind that it knows, and it gives the file up",
        ),
        Refusal(
            all_of(spelled("kohya"), lambda module, file: module.suffixes <= {"diff_b", "alpha"}),
            "a bias by itself (`diff_b`) is of no kind that it knows, and it gives the file up",
        ),
    ),
    reads_embeddings=True,
)
