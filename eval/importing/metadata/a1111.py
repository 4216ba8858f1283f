"""Pictures of A1111, Forge, reForge, SD.Next and of savers that write the same `parameters` text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from eval.importing.containers.picture_texts import PictureTexts
from eval.importing.metadata.bounded_json import below, listed, text_at
from eval.importing.metadata.infotext import Infotext, parse_infotext
from eval.importing.metadata.lora_tags import check_once, split_tags
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
from foundation.typed.json_values import is_table

NAMES = {"Sampler": SAMPLER, "Steps": STEPS, "CFG scale": CFG, "Clip skip": CLIP_SKIP}
# What says nothing of how the picture looks, or is told otherwise here.
PASSED = frozenset(
    ["Seed", "Size", "Model", "Model hash", "Version", "Time taken", "Lora hashes", "TI hashes", "User", "Created Date",
     "Hashes", "Script", "X Type", "X Values", "Y Type", "Y Values", "Z Type", "Z Values", "Fixed X Values",
     "Fixed Y Values", "Fixed Z Values", "Template", "Negative Template", "Batch size", "Batch pos", "App", "Date",
     "Hires prompt", "Hires negative prompt", "ADetailer version", "Civitai resources", "Civitai metadata",
     "Training", "Run", "Parser", "Operations", "Backend", "Pipeline", "Memory", "LoRA networks"]
)  # fmt: skip
_ADDNET = re.compile(r"AddNet (Enabled|Separate Weights|Module|Model|Weight A|Weight B|Weight)(?: (\d+))?$")
_WITH_HASH = re.compile(r"^(?P<name>.*?)(?:\((?P<hash>[0-9a-fA-F]{8,64})\))?$")
_HASH = re.compile(r"^(?:0x)?([0-9a-fA-F]{8,64})$")
_DETAILED = re.compile(r"^(?:ADetailer|Hires)\b.*\bprompt\b", re.IGNORECASE)
_OWN_RUN = re.compile(r"(?P<run>.+) epoch (?P<epoch>\d{1,6})")
_PUTS_ON = re.compile(r"lora|lyco|hypernet|locon", re.IGNORECASE)
_UNDERSTOOD = ("Lora hashes",)
_HAS_DEFAULT = {CLIP_SKIP: "1"}


def told_by_a1111(picture: PictureTexts) -> Told | None:
    """What a `parameters` text tells, or None where the picture has none. Raises UnclearPictureError."""
    text = parse_infotext(picture.texts.get("parameters", ""))
    if text is None:
        return None
    _check_single(text, picture.size)
    tagged = split_tags(text.prompt)
    loras = [*tagged.loras, *_additional(text.pairs), *_of_civitai(text.lists), *_of_own_training(text.pairs)]
    check_once(loras)
    _check_nothing_else(text.pairs, loras)
    hashes = _hashes(text)
    _check_all_told(loras, hashes)
    _check_details(text.pairs, tagged.loras)
    hashed = tuple(replace(lora, hash=lora.hash or hashes.get(lora.stem, "")) for lora in loras)
    base = text.pairs.get("Model", "")
    words, negative = plain_words(tagged.words), plain_words(split_tags(text.negative).words)
    return Told(words, seed_of(text.pairs.get("Seed")), hashed, "A1111", negative, _settings(text.pairs), base)


def _settings(pairs: Mapping[str, str]) -> dict[str, str]:
    """Everything that shapes the picture, ours by our names; the scheduler belongs to the sampler."""
    told = {NAMES.get(key, key): number_text(value) for key, value in pairs.items() if _shapes(key)}
    schedule = told.pop("Schedule type", "")
    if SAMPLER in told and schedule not in ("", "Automatic") and not told[SAMPLER].endswith(schedule):
        told[SAMPLER] = f"{told[SAMPLER]} {schedule}"
    if model := pairs.get("Model hash") or pairs.get("Model"):
        told[MODEL] = model
    return _HAS_DEFAULT | told


def _shapes(key: str) -> bool:
    return key not in PASSED and not _ADDNET.match(key) and not _DETAILED.match(key)


def _additional(pairs: Mapping[str, str]) -> Iterator[ToldLora]:
    """LoRAs of the extension Additional Networks: weight A is the UNet's, B the text encoder's."""
    if pairs.get("AddNet Enabled", "").lower() != "true":
        return
    numbers = sorted({found[2] for key in pairs if (found := _ADDNET.match(key)) and found[2]}, key=int)
    for number in numbers:
        told = pairs.get(f"AddNet Model {number}", "None")
        if told == "None":
            continue
        if (module := pairs.get(f"AddNet Module {number}", "LoRA")) != "LoRA":
            raise UnclearPictureError(f"Additional Networks puts on a {module}, and only LoRAs are understood")
        found = _WITH_HASH.match(told)
        name = lora_name(found["name"] if found else told)
        both = pairs.get(f"AddNet Weight {number}")
        unet = weight_of(pairs.get(f"AddNet Weight A {number}", both), f"`{name}`")
        te = weight_of(pairs.get(f"AddNet Weight B {number}", both), f"`{name}`")
        yield ToldLora(name, unet, te, ((found and found["hash"]) or "").lower())


def _of_civitai(lists: Mapping[str, object]) -> Iterator[ToldLora]:
    """LoRAs of Civitai's own generator, which names versions of models by numbers."""
    for one in listed(lists.get("Civitai resources")):
        if text_at(one, "type").lower() in ("lora", "lycoris", "locon", "dora"):
            version = below(one, "modelVersionId")
            name = lora_name(text_at(one, "modelName") or (f"civitai {version}" if isinstance(version, int) else ""))
            weight = weight_of(below(one, "weight"), f"`{name}`")
            yield ToldLora(name, weight, weight)


def _of_own_training(pairs: Mapping[str, str]) -> Iterator[ToldLora]:
    """A sample of `trainer run`: the LoRA at weight 1; before the first step it is the base model."""
    if "Training" not in pairs:
        return
    if (found := _OWN_RUN.fullmatch(pairs["Training"])) is None:
        raise UnclearPictureError(f"it is a sample of the run `{pairs['Training']}`, of no epoch that is told")
    if int(found["epoch"]):
        yield ToldLora(f"{lora_name(found['run'])}-{int(found['epoch']):06d}", 1.0, 1.0)


def _hashes(text: Infotext) -> dict[str, str]:
    """The LoRAs' hashes by name: `Lora hashes: "a: 0123, b: 4567"`, and `lora:a` of `Hashes: {..}`."""
    found: dict[str, str] = {}
    for pair in text.pairs.get("Lora hashes", "").split(","):
        name, _, told = pair.rpartition(":")
        if name.strip() and (hashed := _HASH.match(told.strip())):
            found[name.strip()] = hashed[1].lower()
    told = text.lists.get("Hashes")
    for key in told if is_table(told) else ():
        hashed = _HASH.match(text_at(told, key))
        if key.lower().startswith("lora:") and hashed:
            found.setdefault(key[5:], hashed[1].lower())
    return found


def _check_all_told(loras: list[ToldLora], hashes: Mapping[str, str]) -> None:
    """A LoRA of which the hash is told and no weight acted all the same."""
    named = {lora.stem for lora in loras} | {lora.name for lora in loras}
    if silent := sorted(hashes.keys() - named):
        raise UnclearPictureError(f"the LoRA `{silent[0]}` is among its hashes, and no weight of it is told")


def _check_nothing_else(pairs: Mapping[str, str], loras: list[ToldLora]) -> None:
    """What puts LoRAs on in ways that are not known; silence of a saver that leaves LoRAs out is none."""
    for key, value in pairs.items():
        if _PUTS_ON.search(key) and key not in _UNDERSTOOD and value and not (loras and key == "LoRA networks"):
            raise UnclearPictureError(f"its `{key}` tells of LoRAs in a way that is not understood")
    if not loras and pairs.get("Version", "").lower().startswith("comfyui"):
        raise UnclearPictureError("it was written by a saver of ComfyUI without its graph, and so may have LoRAs")


def _check_details(pairs: Mapping[str, str], loras: tuple[ToldLora, ...]) -> None:
    """What draws the face or the larger picture once more puts on the LoRAs of its own prompt, and no others."""
    for key, value in pairs.items():
        if not _DETAILED.match(key) or "negative" in key.lower() or not value.strip() or "[PROMPT]" in value:
            continue
        own = split_tags(value).loras
        if own and set(own) != set(loras):
            raise UnclearPictureError(f"its `{key}` puts on LoRAs of its own (`{own[0].name}`)")
        if loras and not own:
            raise UnclearPictureError(f"its `{key}` leaves out the LoRA `{loras[0].name}`")


def _check_single(text: Infotext, size: tuple[int, int]) -> None:
    """A sheet of many pictures carries the text of its first."""
    told = re.match(r"^(\d+)x(\d+)$", text.pairs.get("Size", ""))
    if told is None or any(key.startswith(("Hires", "Postprocess", "Ultimate SD")) for key in text.pairs):
        if "Script" in text.pairs:
            raise UnclearPictureError("it carries the text of a whole sheet (`Script`), not of one picture")
        return
    drawn = (int(told[1]), int(told[2]))
    if drawn != size and max(abs(a - b) for a, b in zip(drawn, size, strict=True)) >= 8:
        raise UnclearPictureError(
            f"it has {size[0]}x{size[1]} pixels and its text says {told[0]}: a sheet of several, or changed since"
        )
