"""Which family of base models a LoRA is for: decided here for all who ask, by its tensors first and its header last.

What tells, strongest first: the width of the text that its cross-attention reads; modules that not every family has;
the text encoder's prefix, layers and width; whose names the UNet's modules have. SD1 and SD2 name all modules alike,
so a file of the UNet without cross-attention, or for a model of no public size, leaves both open; then its header is
asked. A header never outweighs tensors: blends, tools and people carry headers over to files that they were not made
for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from base_models.families.family import Family
from base_models.families.known import FAMILIES
from base_models.kohya_names import TEXT_ENCODER, TEXT_ENCODERS, UNET, ldm_place
from foundation.errors import UserError
from loras.families.family import ReadableFamily
from loras.families.known import READABLE
from loras.spelling.sides import Shape
from loras.spelling.telling import Told, told
from loras.spelling.transformer_family import TransformerFamily

# Shapes of a file's tensors: by the module's kohya name, then by the tensor's kohya or LyCORIS suffix.
ModuleShapes = Mapping[str, Mapping[str, Shape]]

# What `ss_base_model_version` (kohya) and `modelspec.architecture` (Stability) say of a family, at least in part.
HEADER_WORDS = {
    "sdxl": ("sdxl", "stable-diffusion-xl"),
    "sd2": ("sd_v2", "sd_2", "stable-diffusion-v2"),
    "sd1": ("sd_v1", "sd_1", "stable-diffusion-v1"),
}
_ORIGINAL_NAMES = ("input_blocks_", "middle_block_", "output_blocks_", "time_embed_", "label_emb_", "out_")
_DIFFUSERS_NAMES = ("down_blocks_", "mid_block_", "up_blocks_", "conv_", "time_embedding_", "add_embedding_")
_READS_TEXT = re.compile(r"attn2[._]to_[kv]$")
_READS_WIDTH = re.compile(r"(?:self_attn_[qkv]_proj|mlp_fc1)$")  # of a text encoder, its own hidden size
_DEEPER_TRANSFORMER = re.compile(r"transformer_blocks[._][1-9]")
_TOLD_SIZES = re.compile(r"label_emb|add_embedding")
_LAYER = re.compile(r"_encoder_layers_(\d+)_")


OTHER_BASE = "use the base model it was trained on, or one of its family"


class MixedFamiliesError(UserError):
    """LoRA files for base models of different families, where one family is needed."""


@dataclass(frozen=True)
class KnownFamily:
    """The family of a LoRA, and what says so.

    `text_width` is that of the text which its modules read, where one does. `header_says` is the header's word, which
    may be another: then the tensors were believed.
    """

    family: Family
    because: str
    text_width: int | None = None
    header_says: Family | None = None

    @property
    def name(self) -> str:
        """The family in people's words: SD1, SD2 or SDXL."""
        return _name(self.family)

    @property
    def may_be(self) -> tuple[Family, ...]:
        """The families that it may be for: the one."""
        return (self.family,)

    @property
    def readable(self) -> tuple[ReadableFamily, ...]:
        """What LoRA files of that family are like."""
        return (READABLE[self.family.key],)


@dataclass(frozen=True)
class UnknownFamily:
    """A LoRA of which the family cannot be told, and why not.

    `may_be` are the families that it may be for: none of ours, or several. The other fields are `KnownFamily`'s.
    """

    because: str
    may_be: tuple[Family, ...]
    text_width: int | None = None
    header_says: Family | None = None

    @property
    def name(self) -> str:
        """What it may be, as "SD1 or SD2", or "other"."""
        return _names(self.may_be, "or") or "other"

    @property
    def readable(self) -> tuple[ReadableFamily, ...]:
        """What LoRA files of the families are like that it may be for."""
        return tuple(READABLE[family.key] for family in self.may_be)


LoraFamily = KnownFamily | UnknownFamily | TransformerFamily


@dataclass(frozen=True)
class _Clue:
    """The keys of the families that a fact leaves open, and the fact in words."""

    families: frozenset[str]
    because: str


def family_of(modules: ModuleShapes, metadata: Mapping[str, str]) -> LoraFamily:
    """The family of a file whose modules have kohya's names, each family's own (SDXL's are the original naming's)."""
    said = family_in_header(metadata)
    if (transformer := told(modules, metadata)) is not None:
        return TransformerFamily.of(transformer, metadata, said)
    width = _only(_text_widths(modules))
    paths = [name.removeprefix(f"{UNET}_") for name in modules if name.startswith(f"{UNET}_")]
    if any(not path.startswith((*_ORIGINAL_NAMES, *_DIFFUSERS_NAMES)) for path in paths):
        return UnknownFamily("its modules are not those of a Stable Diffusion UNet", (), width, said)
    naming = [*_original_naming(modules), *_diffusers_naming(paths)]
    found = _with_header(_decided(_tensor_clues(modules), naming), said)
    return replace(found, because=found.because + _width_note(width), text_width=width, header_says=said)


def family_told(found: Told, metadata: Mapping[str, str]) -> TransformerFamily:
    """The family of a file whose keys told a transformer's."""
    return TransformerFamily.of(found, metadata, family_in_header(metadata))


def family_before_naming(modules: ModuleShapes, metadata: Mapping[str, str]) -> KnownFamily | UnknownFamily:
    """The family of a file whose UNet's modules are named in any tool's way, so that diffusers' names tell nothing.

    Paths may be dotted. A text encoder that a tool does not number is left out by the caller.
    """
    return _with_header(_decided(_tensor_clues(modules), _original_naming(modules)), family_in_header(metadata))


def family_in_header(metadata: Mapping[str, str]) -> Family | None:
    """The family that a header names: kohya's base version or the model spec's architecture, else kohya's `ss_v2`."""
    for key in ("ss_base_model_version", "modelspec.architecture"):
        said = metadata.get(key, "").lower()
        for family, words in HEADER_WORDS.items():
            if any(word in said for word in words):
                return FAMILIES[family]
    # False is written for SD1 and SDXL alike.
    return FAMILIES["sd2"] if metadata.get("ss_v2") == "True" else None


def contradicted_header(found: LoraFamily) -> str | None:
    """A sentence where the header names a family that the tensors rule out, else None."""
    said = found.header_says
    if said is None or said.key in _keys(found.readable) or not found.readable:
        return None
    return f"its header says {READABLE[said.key].name}, but its tensors are for {found.name} ({found.because})"


def made_for(found: LoraFamily) -> str:
    """What a file is for, as far as it tells, in words."""
    if isinstance(found, KnownFamily):
        return f"this LoRA is for {found.family.name}"
    if isinstance(found, TransformerFamily):
        return f"this LoRA is for {found.name}, whose files are read here and whose pictures are not drawn yet"
    width = found.text_width
    return f"this LoRA is for {'another model' if width is None else f'a model with text of width {width}'}"


def common_family(parents: Sequence[tuple[Path, LoraFamily]]) -> LoraFamily:
    """The family of what is made of these files together.

    Raises MixedFamiliesError, with the names of two files, where no family could hold both. Files of unknown families
    that may be the same are let through.
    """
    if not parents:
        raise ValueError("no files, so no family")
    _, agreed = parents[0]
    for at, (path, found) in enumerate(parents[1:], start=1):
        earlier, other = next((one for one in parents[:at] if not _may_agree(one[1], found)), parents[at - 1])
        both = _agreed(agreed, found)
        if both is None:
            raise MixedFamiliesError(
                f"{earlier} is for {other.name} ({other.because}), but {path} is for {found.name} ({found.because}); "
                "only LoRAs of one family add up"
            )
        agreed = both
    return agreed


def _may_agree(one: LoraFamily, other: LoraFamily) -> bool:
    return bool(_keys(one.readable) & _keys(other.readable)) or not (one.readable or other.readable)


def _agreed(one: LoraFamily, other: LoraFamily) -> LoraFamily | None:
    """What both may be, or None where there is nothing."""
    if not _may_agree(one, other):
        return None
    if isinstance(one, KnownFamily) or isinstance(other, KnownFamily):
        return one if isinstance(one, KnownFamily) else other
    if isinstance(one, TransformerFamily) or isinstance(other, TransformerFamily):
        both = tuple(family for family in one.readable if family in other.readable)
        return replace(one, readable=both) if isinstance(one, TransformerFamily) else other
    both = _families(_keys(one.may_be) & _keys(other.may_be))
    return KnownFamily(both[0], "all that its parents have in common") if len(both) == 1 else replace(one, may_be=both)


def _decided(firm: Iterable[_Clue], naming: Iterable[_Clue]) -> KnownFamily | UnknownFamily:
    """Firm clues must agree. Naming yields to them, for SD1's files in the original naming exist."""
    left, because = frozenset(FAMILIES), "nothing in it tells"
    for clue in firm:
        if not left & clue.families:
            return UnknownFamily(f"{because}, but {clue.because}", _families(left | clue.families))
        if not left <= clue.families:
            left, because = left & clue.families, clue.because
    for clue in naming:
        if len(left) > 1 and left & clue.families and not left <= clue.families:
            left, because = left & clue.families, clue.because
    families = _families(left)
    if len(families) == 1:
        return KnownFamily(families[0], because)
    return UnknownFamily(f"{_names(families, 'and')} have modules named so, and no header says which", families)


def _with_header(found: KnownFamily | UnknownFamily, said: Family | None) -> KnownFamily | UnknownFamily:
    if isinstance(found, KnownFamily) or said is None or said.key not in _keys(found.may_be):
        return found
    return KnownFamily(said, "by its header; its tensors fit " + _names(found.may_be, "and"))


def _tensor_clues(modules: ModuleShapes) -> Iterable[_Clue]:
    """What tensors tell in whatever way they are named."""
    read = [(width, fitting) for width in sorted(_text_widths(modules)) if (fitting := _reading(width))]
    for width, fitting in read:
        yield _Clue(fitting, f"reads a text of width {width}")
    if any(name.startswith(f"{TEXT_ENCODERS[1]}_") for name in modules):
        yield _Clue(_which(lambda family: len(family.text) > 1), "has a second text encoder")
    if any(_DEEPER_TRANSFORMER.search(name) for name in modules):
        deep = _which(lambda family: "transformer_layers_per_block" in family.unet)
        yield _Clue(deep, "has transformers of several blocks")
    if any(_TOLD_SIZES.search(name) for name in modules):
        yield _Clue(_which(lambda family: "addition_embed_type" in family.unet), "is told of sizes")
    if modules and all(name.startswith(f"{TEXT_ENCODERS[0]}_") for name in modules):
        # Beside other modules it tells nothing: diffusers' converter calls SD1's only text encoder so, too.
        yield _Clue(_with_encoder(TEXT_ENCODERS[0]), "holds the first of two text encoders")
    alone = _with_encoder(TEXT_ENCODER)
    if all(fitting & alone for _, fitting in read):
        # Some tools number SDXL's first text encoder in no file of which it is the only one.
        yield from _lone_encoder_clues({name: modules[name] for name in modules if name.startswith(f"{TEXT_ENCODER}_")})


def _lone_encoder_clues(modules: ModuleShapes) -> Iterable[_Clue]:
    """What the modules of a model's only text encoder tell."""
    if not modules:
        return
    having = _with_encoder(TEXT_ENCODER)
    yield _Clue(having, "has one text encoder")
    last = max((int(found[1]) for name in modules if (found := _LAYER.search(name))), default=0)
    deep = _which(lambda family: family.key in having and family.text[0].public["num_hidden_layers"] > last)
    if deep:
        yield _Clue(deep, f"its text encoder has {last + 1} layers or more")
    widths = {_columns(shapes) for name, shapes in modules.items() if _READS_WIDTH.search(name)}
    for width in sorted(width for width in widths if width):
        if fitting := _with_hidden_size(width) & having:
            yield _Clue(fitting, f"its text encoder is {width} wide")


def _original_naming(modules: ModuleShapes) -> Iterable[_Clue]:
    """kohya's underscores around the original naming, which it keeps for the families that are trained in it."""
    if any(name.startswith(f"{UNET}_") and ldm_place(name.removeprefix(f"{UNET}_")) for name in modules):
        yield _Clue(_which(lambda family: family.original_names), "by its names")


def _diffusers_naming(paths: Iterable[str]) -> Iterable[_Clue]:
    if any(path.startswith(_DIFFUSERS_NAMES) for path in paths):
        yield _Clue(_which(lambda family: not family.original_names), "by its names")


def _text_widths(modules: ModuleShapes) -> set[int]:
    """Widths of the texts that the UNet's modules read."""
    widths = {_columns(shapes) for name, shapes in modules.items() if _READS_TEXT.search(name)}
    return {width for width in widths if width}


def _columns(shapes: Mapping[str, Shape]) -> int:
    """The inputs of a linear layer, from the shapes of its tensors by suffix; 0 where they do not tell."""
    for suffix in ("lora_down.weight", "hada_w1_b", "diff"):
        if len(shapes.get(suffix, ())) > 1:
            return shapes[suffix][1]
    halves = [shapes.get(f"{name}_b", shapes.get(name, ())) for name in ("lokr_w1", "lokr_w2")]
    return math.prod(half[1] if len(half) > 1 else 0 for half in halves)


def _width_note(width: int | None) -> str:
    if width is None or _reading(width):
        return ""
    return f"; a text of width {width} is no public model's"


def _reading(width: int) -> frozenset[str]:
    return _which(lambda family: family.text_width == width)


def _with_hidden_size(width: int) -> frozenset[str]:
    return _which(lambda family: family.text[0].public["hidden_size"] == width)


def _with_encoder(prefix: str) -> frozenset[str]:
    return _which(lambda family: family.text[0].kohya == prefix)


def _which(fits: Callable[[Family], bool]) -> frozenset[str]:
    return frozenset(key for key, family in FAMILIES.items() if fits(family))


def _families(keys: Iterable[str]) -> tuple[Family, ...]:
    wanted = set(keys)
    return tuple(family for key, family in FAMILIES.items() if key in wanted)


def _keys(families: Iterable[Family | ReadableFamily]) -> set[str]:
    return {family.key for family in families}


def _name(family: Family) -> str:
    return family.key.upper()


def _names(families: Sequence[Family], word: str) -> str:
    return f" {word} ".join(map(_name, families))


def _only(widths: set[int]) -> int | None:
    return next(iter(widths)) if len(widths) == 1 else None
