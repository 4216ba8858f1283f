"""Pictures of SwarmUI: JSON under `parameters`, or in EXIF (its `docs/Image Metadata Format.md`).

`loras`, `loraweights` and `loratencweights` are lists beside each other; without the last, one weight is for both.
"""

from __future__ import annotations

from eval.importing.containers.picture_texts import PictureTexts
from eval.importing.metadata.bounded_json import below, listed, parsed, table_of, text_at
from eval.importing.metadata.lora_tags import check_once
from eval.importing.metadata.told import (
    CFG,
    MODEL,
    SAMPLER,
    STEPS,
    Told,
    ToldLora,
    UnclearPictureError,
    lora_name,
    number_text,
    plain_words,
    seed_of,
    weight_of,
)

PARAMS = "sui_image_params"
GLOBAL = ("0", "")  # where a LoRA is not confined to a part of the prompt
PASSED = frozenset(
    ["prompt", "negativeprompt", "seed", "loras", "loraweights", "loratencweights", "lorasectionconfinement", "model",
     "steps", "cfgscale", "sampler", "comfyuisampler", "scheduler", "comfyuischeduler", "width", "height",
     "aspectratio", "swarm_version", "date", "generation_time", "prep_time", "images", "nopreviews", "imageformat",
     "personalnote", "donotsave", "wildcardseed", "original_prompt", "used_wildcards", "batchsize",
     "automaticvae", "modelspecificenhancements", "outpathformat", "savesegmentmask", "savemetadata", "resolution"]
)  # fmt: skip


def told_by_swarmui(picture: PictureTexts) -> Told | None:
    """What SwarmUI tells, or None where it wrote nothing. Raises UnclearPictureError."""
    text = picture.texts.get("parameters", "")
    if PARAMS not in text[:2000] and PARAMS not in text:
        return None
    if not text.lstrip().startswith("{"):
        return None
    whole = parsed(text, "SwarmUI text")
    told = table_of(below(whole, PARAMS), PARAMS)
    if not isinstance(prompt := told.get("prompt"), str):
        raise UnclearPictureError("its prompt is not told")
    if "<" in prompt and ("<lora:" in prompt or "<segment:" in prompt or "<object:" in prompt):
        raise UnclearPictureError("its prompt has LoRAs or parts of its own in it, which SwarmUI did not take out")
    loras = _loras(told, whole)
    check_once(loras)
    negative, base = plain_words(text_at(told, "negativeprompt")), text_at(told, "model")
    return Told(
        plain_words(prompt), seed_of(told.get("seed")), tuple(loras), "SwarmUI", negative, _settings(told), base
    )


def _loras(told: dict[str, object], whole: object) -> list[ToldLora]:
    names = _texts(told.get("loras"))
    weights, tencs = _texts(told.get("loraweights")), _texts(told.get("loratencweights"))
    if any(part.strip() not in GLOBAL for part in _texts(told.get("lorasectionconfinement"))):
        raise UnclearPictureError("a LoRA acts on a part of the prompt alone")
    if len(weights) != len(names) or (tencs and len(tencs) != len(names)):
        raise UnclearPictureError(f"{len(names)} LoRAs are told with {len(weights)} weights")
    hashes = {
        lora_name(text_at(one, "name")): text_at(one, "hash").lower().removeprefix("0x")
        for one in listed(below(whole, "sui_models"))
        if text_at(one, "param") == "loras" and text_at(one, "name")
    }
    found: list[ToldLora] = []
    for name, weight, tenc in zip(names, weights, tencs or weights, strict=True):
        plain = lora_name(name)
        unet, te = weight_of(weight, f"`{plain}`"), weight_of(tenc or weight, f"`{plain}`")
        found.append(ToldLora(plain, unet, te, hashes.get(plain, "")))
    return found


def _texts(value: object) -> list[str]:
    """A list, or a text with commas, as older versions wrote it."""
    if isinstance(value, str):
        return [one.strip() for one in value.split(",")] if value.strip() else []
    return [str(one) for one in listed(value)]


def _settings(told: dict[str, object]) -> dict[str, str]:
    sampler = told.get("sampler") or told.get("comfyuisampler")
    scheduler = told.get("scheduler") or told.get("comfyuischeduler")
    named = {SAMPLER: " ".join(str(one) for one in (sampler, scheduler) if one), MODEL: told.get("model")}
    named |= {STEPS: told.get("steps"), CFG: told.get("cfgscale")}
    rest = {key: value for key, value in told.items() if key not in PASSED}
    return {key: number_text(value) for key, value in {**named, **rest}.items() if value not in (None, "")}
