"""A collection of files of every family, spelling and kind: family, spelling and health right in all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import pytest
import torch

from base_models.kohya_names import part_of
from foundation.typed.json_values import is_table
from loras.families.known import READABLE, TRANSFORMERS
from loras.inspecting.inspect_lora import inspect_lora
from planted_families import (
    DAMAGE,
    DIALECTS,
    MODULES,
    NARROW,
    NORMS,
    ODDITIES,
    SPELLINGS,
    TEXTS,
    Planted,
    first,
    of_kind,
    of_wide_kind,
    spelt,
)
from planted_kinds import FOREIGN, KINDS, WIDE_KINDS, lora

SOME = ("flux1", "z_image", "anima")
STABLE = {
    "SD1": ("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k", 768),
    "SD2": ("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k", 1024),
    "SDXL": ("down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k", 2048),
}


def _sound() -> Iterable[Planted]:
    for key in MODULES:
        name = READABLE[key].name
        for spelling in SPELLINGS:
            yield Planted(
                f"{name}, {spelling}", lambda k=key, s=spelling: spelt(k, s), name, dialect=DIALECTS[spelling]
            )
        for kind in KINDS:
            yield Planted(f"{name}, {kind}", lambda k=key, kind=kind: of_kind(k, kind), name)
        norm, width = NORMS[key]
        yield Planted(
            f"{name} with a norm",
            lambda k=key, n=norm, w=width: spelt(k, "kohya") | {f"diffusion_model.{n}.w_norm": torch.ones(w) * 0.01},
            name,
        )
    for key, kind in product(NARROW, WIDE_KINDS):
        yield Planted(f"{key}, {kind}", lambda k=key, kind=kind: of_wide_kind(k, kind), READABLE[key].name)
    for key, text in TEXTS.items():
        yield Planted(
            f"{key} and text", lambda k=key, t=text: spelt(k, "kohya") | lora(t, (64, 64)), READABLE[key].name
        )
    for oddity, change in ODDITIES.items():
        for key in SOME:
            name = READABLE[key].name
            yield Planted(f"{name}, {oddity}", lambda k=key, c=change: c(spelt(k, "kohya")), name)
    for name, (path, width) in STABLE.items():
        for stem in (f"unet.{path}", f"lora_unet_{path.replace('.', '_')}", f"lycoris_{path.replace('.', '_')}"):
            yield Planted(f"{name}, {stem[:8]}", lambda s=stem, w=width: lora(s, (640, w)), name)


def _told_by_more_than_names() -> Iterable[Planted]:
    shared = {"double_blocks.0.img_attn.proj": (3072, 3072), "single_blocks.9.linear1": (21504, 3072)}

    def tensors() -> dict[str, torch.Tensor]:
        return {
            name: one
            for path, sides in shared.items()
            for name, one in lora(f"lora_unet_{path.replace('.', '_')}", sides).items()
        }

    yield Planted("either", tensors, "FLUX.1 or Chroma")
    yield Planted("Chroma by its header", tensors, "Chroma", metadata={"modelspec.architecture": "chroma/lora"})
    yield Planted("FLUX.1 by its header", tensors, "FLUX.1", metadata={"ss_base_model_version": "flux1"})
    yield Planted(
        "Klein of 4 billion, attention alone",
        lambda: (
            {
                name: one
                for block in range(5)
                for name, one in lora(f"diffusion_model.double_blocks.{block}.img_attn.qkv", (9216, 3072)).items()
            }
            | lora("diffusion_model.single_blocks.19.linear1", (27648, 3072))
        ),
        "FLUX.2",
    )
    yield Planted(
        "OneTrainer with an embedding",
        lambda: spelt("flux1", "OneTrainer") | {"bundle_emb.katface.clip_l": torch.ones(2, 768)},
        "FLUX.1",
    )


def _damaged() -> Iterable[Planted]:
    for damage, (change, says) in DAMAGE.items():
        for key in SOME:
            name = READABLE[key].name
            yield Planted(f"{name}, {damage}", lambda k=key, c=change: c(spelt(k, "kohya")), name, "broken", says)
    for key in SOME:
        yield Planted(
            f"{key} cut off",
            lambda k=key: spelt(k, "kohya"),
            READABLE[key].name,
            "broken",
            "truncated",
            spoiled=lambda data: data[: len(data) // 2],
        )
        yield Planted(f"{key}, exploded", lambda k=key: _times(k, 300.0), READABLE[key].name, "exploded", "times")
        yield Planted(f"{key}, vanished", lambda k=key: _times(k, 1e-3), READABLE[key].name, "vanished", "fp16")


def _times(key: str, factor: float) -> dict[str, torch.Tensor]:
    return {name: one if name.endswith(".alpha") else one * factor**0.5 for name, one in spelt(key, "kohya").items()}


def _not_known() -> Iterable[Planted]:
    for stem in (
        "lora_unet_foreign_blocks_0_mixer_in",
        "diffusion_model.foreign_blocks.0.mixer.in",
        "transformer.foreign_blocks.0.mixer.in",
        "base_model.model.encoder_decoder.0.mixer",
    ):
        yield Planted(stem, lambda s=stem: lora(s, (64, 64)), "", "unknown family", "none of the families known here")
    for end, says in FOREIGN.items():
        for stem in ("base_model.model.layers.0.attention.to_q", "unet.mid_block.attentions.0.proj_in"):
            yield Planted(f"{stem[:4]}.{end}", lambda s=stem, e=end: {f"{s}.{e}": torch.ones(4, 4)}, "",
                          "not understood", says)  # fmt: skip
    yield Planted(
        "a stray key",
        lambda: spelt("krea2", "kohya") | {"lora_unet_blocks_0_sideways.lora_down.weight": torch.ones(2, 8)},
        "Krea 2",
        "not understood",
        r"blocks_0_sideways.*the rest is a LoRA for Krea 2",
    )
    yield Planted(
        "whole and part of it",
        lambda: spelt("z_image", "kohya") | lora("lora_unet_layers_0_attention_qkv", (11520, 3840)),
        "Z-Image",
        "not understood",
        "moves a projection as a whole",
    )


COLLECTION = [*_sound(), *_told_by_more_than_names(), *_damaged(), *_not_known()]


def test_the_collection_is_large_and_no_name_stands_there_twice() -> None:
    assert len({one.name for one in COLLECTION}) == len(COLLECTION) >= 270
    assert {one.family for one in COLLECTION} >= {family.name for family in READABLE.values()}


@pytest.mark.parametrize("planted", COLLECTION, ids=[one.name for one in COLLECTION])
def test_family_spelling_and_health_are_right(planted: Planted, tmp_path: Path) -> None:
    report = inspect_lora(planted.save(tmp_path / "a.safetensors"))
    assert report.verdict.name == planted.verdict, report.verdict
    assert re.search(planted.says, report.verdict.reason), report.verdict
    if report.contents is not None and planted.family:
        assert report.contents.family.name == planted.family, report.contents.family.because
    if planted.dialect:
        assert report.contents is not None
        assert report.contents.dialect == planted.dialect
    assert "Stable Diffusion" not in report.verdict.reason or planted.family in STABLE or not planted.family


def test_parts_and_blocks_have_the_familys_own_names(tmp_path: Path) -> None:
    planted = Planted("", lambda: spelt("flux1", "kohya") | lora(TEXTS["flux1"], (64, 64)), "")
    said = inspect_lora(planted.save(tmp_path / "a.safetensors")).as_json()
    assert said["parts"] == {"transformer": 4, "te2": 1}
    assert said["family_parts"] == ["transformer", "te1", "te2"]
    assert list(_table(said["blocks"])) == ["BASE", "D00", "D03", "D18", "S37"]
    adapter = inspect_lora(Planted("", lambda: spelt("anima", "diffusers"), "").save(tmp_path / "b.safetensors"))
    assert adapter.as_json()["parts"] == {"transformer": 2, "adapter": 1}
    assert "Stable" not in str(adapter.as_json()["against"])


def _table(said: object) -> dict[str, object]:
    assert is_table(said)
    return said


def test_every_family_declares_the_parts_that_its_modules_have() -> None:
    for family in TRANSFORMERS:
        ids = {part.id for part in family.parts}
        names = [first(family.key)[0]] + ([TEXTS[family.key]] if family.key in TEXTS else [])
        assert {part_of(name) for name in names} <= ids
        assert family.part("unet") == family.part("model") == family.part("transformer")
        assert all(part.id.startswith("te") for part in family.part("te"))
