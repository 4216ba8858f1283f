"""What diffusers' `load_lora_weights` loads. Rules for Stable Diffusion were seen at work on narrow models."""

from __future__ import annotations

import re

from loras.verifying.facts import FileFacts, ModuleFacts
from loras.verifying.rules import LYCORIS, Refusal, Rule, Tool, all_of, has, spelled
from loras.verifying.transformers import DIFFUSERS_READS, DIFFUSERS_TEXT, not_read, text_not_read

SD = ("sd1", "sd2", "sdxl")
_ATTENTION = re.compile(r"_(?:attn\d?|self_attn)_")


def _all_kohya(file: FileFacts) -> bool:
    """It converts kohya's names only where every key has them."""
    return all(module.form == "kohya" for module in file.modules)


def _not_converted(module: ModuleFacts, file: FileFacts) -> bool:
    return file.family in SD and module.form == "kohya" and not _all_kohya(file)


def _no_part_said(module: ModuleFacts, file: FileFacts) -> bool:
    return file.family in SD and module.form in ("peft", "comfyui", "checkpoint", "bare", "lycoris", "onetrainer_kohya")


def _ldm_names_of_sd1(module: ModuleFacts, file: FileFacts) -> bool:
    """Only SDXL's pipeline tells the converter how its UNet is laid out."""
    return file.family in ("sd1", "sd2") and module.form == "kohya" and module.part == "unet" and module.original


def _sizes_in_diffusers_naming(module: ModuleFacts, file: FileFacts) -> bool:
    return file.family in SD and module.form == "kohya" and module.path.startswith("add_embedding_")


def _on_kohyas_names(module: ModuleFacts, file: FileFacts) -> bool:
    return file.family in SD and module.form == "kohya" and _all_kohya(file)


def _common(module: ModuleFacts, file: FileFacts) -> float | None:
    return file.commonest_alpha.get(module.part)


def _loses_its_alpha(module: ModuleFacts, file: FileFacts) -> bool:
    """An alpha other than its part's commonest is kept under a name that no attention, and nothing of a first text
    encoder, has."""
    common = _common(module, file)
    if not _on_kohyas_names(module, file) or common is None or module.alpha is None:
        return False
    return module.alpha != common and (module.part == "te1" or bool(_ATTENTION.search(module.name)))


def _gets_anothers_alpha(module: ModuleFacts, file: FileFacts) -> bool:
    common = _common(module, file)
    return _on_kohyas_names(module, file) and module.alpha is None and common is not None and common != module.rank


def _by_the_commonest(module: ModuleFacts, file: FileFacts) -> float:
    return (_common(module, file) or 0) / (module.meant_alpha or 1)


def _named_adapter(module: ModuleFacts, file: FileFacts) -> bool:
    return any(ending.startswith("lora_") and ending.count(".") > 1 for ending in module.endings)


def _kohyas_dora(module: ModuleFacts, file: FileFacts) -> bool:
    return "dora_scale" in module.endings


def _unswapped_output(module: ModuleFacts, file: FileFacts) -> bool:
    return file.family == "flux2" and module.form == "comfyui" and module.path == "final_layer.adaLN_modulation.1"


def _kohyas_factors(module: ModuleFacts, file: FileFacts) -> bool:
    """`lora_down` beside dotted names, which only the loader of FLUX.1 and Chroma takes."""
    if file.family in (*SD, "flux1", "chroma") or module.form == "kohya":
        return False
    return "lora_down.weight" in module.endings


def _alpha_beside_paths(module: ModuleFacts, file: FileFacts) -> bool:
    return module.form != "kohya" and any(ending == "alpha" for ending in module.endings)


DIFFUSERS = Tool(
    "diffusers",
    "diffusers",
    "0.42.1 (with peft 0.21, transformers 5)",
    "loaders/lora_pipeline.py: lora_state_dict; lora_conversion_utils.py; utils/peft_utils.py: get_peft_kwargs",
    frozenset([*SD, *DIFFUSERS_READS]),
    (
        Rule(
            not_read(DIFFUSERS_READS),
            "ignored",
            "names of this form are not converted for this family; `transformer.` with diffusers' own names is read",
        ),
        Rule(
            text_not_read(DIFFUSERS_READS, DIFFUSERS_TEXT),
            "ignored",
            "this text encoder is not among the parts that the pipeline loads, or has another name there",
        ),
        Rule(_named_adapter, "ignored", "an adapter's name stands between a factor's name and `weight`"),
        Rule(
            _unswapped_output,
            "changed",
            "shift and scale of the last modulation keep the original's order, which diffusers has turned round",
        ),
        Rule(
            _not_converted,
            "ignored",
            "kohya's names are converted only where every key of the file has them, and here others stand beside",
        ),
        Rule(
            _no_part_said,
            "ignored",
            "a key has to begin with the model's part (`unet.`, `text_encoder.`) where it is not kohya's",
        ),
        Rule(_ldm_names_of_sd1, "ignored", "names of the original (LDM) naming are converted for SDXL alone"),
        Rule(
            _sizes_in_diffusers_naming,
            "ignored",
            "diffusers' own name of SDXL's size embedding is not undone from underscores",
        ),
        Rule(_kohyas_dora, "changed", "DoRA's magnitudes are filtered out, and the factors act as a plain LoRA"),
        Rule(
            _loses_its_alpha,
            "changed",
            "alphas differ in this part of the model, and the commonest is taken for these modules, without a word",
            _by_the_commonest,
        ),
        Rule(
            _gets_anothers_alpha,
            "changed",
            "these modules have no alpha and others of this part have one: theirs is taken",
            _by_the_commonest,
        ),
    ),
    (
        Refusal(
            all_of(_on_kohyas_names, has(*LYCORIS, "lora_mid.weight")),
            "it converts plain factors alone, and ends at the first key that is none",
        ),
        Refusal(
            all_of(_on_kohyas_names, lambda module, file: "lora_A.weight" in module.endings),
            "`lora_A` and `lora_B` on kohya's names are not converted, and it ends at keys that are left over",
        ),
        Refusal(
            all_of(spelled("onetrainer"), lambda module, file: file.family in SD),
            "OneTrainer's dotted names are not converted, and nothing of it is loaded",
        ),
        Refusal(
            _kohyas_factors,
            "factors are looked for as `lora_A` and `lora_B` beside dotted names, and loading ends without any",
        ),
        Refusal(
            all_of(_alpha_beside_paths, lambda module, file: file.family in SD),
            "alphas have no `lora` in their keys, which every key of a file needs there where they are not kohya's",
        ),
    ),
    converted="diffusers",
    converted_for={"sd1": "kohya", "sd2": "kohya", "sdxl": "kohya"},
    ends_on_embeddings=True,
)
