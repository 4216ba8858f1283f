"""Pictures of InvokeAI: JSON under `invokeai_metadata` (3.x to 5.x) or `sd-metadata` (2.x); one weight is for both."""

from __future__ import annotations

import re

from eval.importing.containers.picture_texts import PictureTexts
from eval.importing.metadata.bounded_json import below, listed, parsed, table_of, text_at
from eval.importing.metadata.lora_tags import check_once
from eval.importing.metadata.told import (
    CFG,
    CLIP_SKIP,
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

KEY, OLD_KEY = "invokeai_metadata", "sd-metadata"
PASSED = frozenset(
    ["app_version", "positive_prompt", "negative_prompt", "positive_style_prompt", "negative_style_prompt", "seed",
     "loras", "model", "width", "height", "cfg_scale", "steps", "scheduler", "clip_skip", "created_by",
     "canvas_v2_metadata", "ref_images", "generation_mode"]
)  # fmt: skip
# With a weight, or without: then it is 1. A name may have brackets in it, and never a comma.
_WITH_LORA = re.compile(
    r"(?:with|use)Lora\(\s*(?:(?P<name>(?:(?!Lora\()[^,])+?)\s*,\s*(?P<weight>[-+.\d]+)\s*\)|(?P<alone>[^,()]+)\))",
    re.IGNORECASE,
)


def told_by_invokeai(picture: PictureTexts) -> Told | None:
    """What InvokeAI tells, or None where it wrote nothing. Raises UnclearPictureError."""
    if text := picture.texts.get(KEY):
        return _of_graph(table_of(parsed(text, KEY), KEY))
    if text := picture.texts.get(OLD_KEY):
        return _of_2(table_of(parsed(text, OLD_KEY), OLD_KEY))
    return None


def _of_graph(told: dict[str, object]) -> Told:
    if not isinstance(prompt := told.get("positive_prompt"), str):
        raise UnclearPictureError("its prompt is not told")
    loras = [_lora(one) for one in listed(told.get("loras"))]
    check_once(loras)
    negative, settings = plain_words(text_at(told, "negative_prompt")), _settings(told)
    base = settings.get(MODEL, "")
    return Told(plain_words(prompt), seed_of(told.get("seed")), tuple(loras), "InvokeAI", negative, settings, base)


def _lora(one: object) -> ToldLora:
    """4.x: {"model": {"name", "hash", ..}, "weight"}; 3.x: {"lora": {"model_name", ..}, "weight"}."""
    name = lora_name(
        text_at(one, "model", "name") or text_at(one, "lora", "model_name") or text_at(one, "lora", "name")
    )
    weight = weight_of(below(one, "weight"), f"`{name}`")
    kind, _, digits = text_at(one, "model", "hash").rpartition(":")
    return ToldLora(name, weight, weight, digits.lower() if kind == "sha256" else "")


def _settings(told: dict[str, object]) -> dict[str, str]:
    model = told.get("model")
    named: dict[str, object] = {
        SAMPLER: told.get("scheduler"),
        STEPS: told.get("steps"),
        CFG: told.get("cfg_scale"),
        CLIP_SKIP: told.get("clip_skip"),
        MODEL: text_at(model, "name") or text_at(model, "model_name"),
        "generation_mode": told.get("generation_mode"),
    }
    rest = {key: value for key, value in told.items() if key not in PASSED and value not in (None, [], {}, "", False)}
    return {key: number_text(value) for key, value in {**named, **rest}.items() if value not in (None, "")}


def _of_2(told: dict[str, object]) -> Told:
    image = table_of(told.get("image"), f"{OLD_KEY}'s `image`")
    prompt = image.get("prompt")
    parts = [prompt] if isinstance(prompt, str) else [text_at(one, "prompt") for one in listed(prompt)]
    if len(parts) != 1 or not parts[0]:
        raise UnclearPictureError("its prompt is not told, or is a blend of several")
    loras: list[ToldLora] = []
    for tag in _WITH_LORA.finditer(parts[0]):
        name = lora_name(tag["name"] or tag["alone"])
        weight = weight_of(tag["weight"] or 1.0, f"`{name}`")
        loras.append(ToldLora(name, weight, weight))
    check_once(loras)
    words, _, rest = _WITH_LORA.sub("", parts[0]).partition("[")
    if "lora(" in words.lower():
        raise UnclearPictureError("a LoRA stands in its prompt in words that are not understood")
    settings = {
        SAMPLER: text_at(image, "sampler"),
        STEPS: number_text(image.get("steps", "")),
        CFG: number_text(image.get("cfg_scale", "")),
        MODEL: text_at(told, "model_hash")[:10] or text_at(told, "model_weights"),
    }
    known = {key: value for key, value in settings.items() if value}
    negative = plain_words(rest.partition("]")[0])  # in 2.x the negative prompt stands in brackets behind the other
    return Told(
        plain_words(words),
        seed_of(image.get("seed")),
        tuple(loras),
        "InvokeAI 2",
        negative,
        known,
        text_at(told, "model_weights"),
    )
