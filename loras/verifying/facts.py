"""A LoRA file as other tools see it: for each module how its keys are spelled, and what says its strength."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from foundation.errors import UserError

# What a key begins with -> whose form it is, longest first.
FORMS = {
    "base_model.model.": "peft",
    "model.diffusion_model.": "checkpoint",
    "diffusion_model.": "comfyui",
    "text_encoders.": "comfyui",
    "text_encoder_2.": "diffusers",
    "text_encoder_3.": "diffusers",
    "text_encoder.": "diffusers",
    "text_conditioner.": "diffusers",
    "transformer.": "diffusers",
    "unet.": "diffusers",
    "lora_transformer_": "onetrainer_kohya",
    "lora_unet_": "kohya",
    "lora_te1_": "kohya",
    "lora_te2_": "kohya",
    "lora_te3_": "kohya",
    "lora_te_": "kohya",
    "oft_unet_": "kohya",
    "oft_te": "kohya",
    "lycoris_": "lycoris",
    "lora_transformer.": "onetrainer",
    "lora_unet.": "onetrainer",
    "lora_te": "onetrainer",
}
ORIGINAL_UNET = re.compile(r"(?:input_blocks|middle_block|output_blocks|time_embed|label_emb|out)[._]")
# What stands behind a module in a dotted key, in any spelling.
_ENDING = re.compile(
    r"(?:\.lora_[AB](?:\.[^.]+)?\.weight|[._]lora(?:_linear_layer)?\.(?:down|up)\.weight"
    r"|\.lora_(?:down|up|mid)\.weight|\.lora_magnitude_vector(?:\.[^.]+)??(?:\.weight)?"
    r"|\.(?:alpha|dora_scale|hada_[wt]\d(?:_[ab])?|lokr_[wt]\d(?:_[ab])?|oft_blocks|rescale|diff|diff_b|w_norm|b_norm))$"
)


class NotVerifiedError(UserError):
    """A file of which nothing can be said for a tool."""


@dataclass(frozen=True)
class ModuleFacts:
    """One module of a file.

    `name` is kohya's, `keys` the file's own. `form`: whose way its keys are spelled; `prefix` what they begin with,
    `path` what stands behind it. `endings`: what stands behind that, as the file has it. `suffixes`: kohya's and
    LyCORIS' words for the same. `alpha` is the tensor's, `configured` the adapter configuration's; None where there is
    none. `down` and `dora` are shapes. `namings`: "original", "diffusers", or both, that its path may be of.
    `is_public`: whether the family's public models have such a module.
    """

    name: str
    part: str
    keys: tuple[str, ...]
    form: str
    prefix: str
    path: str
    endings: frozenset[str]
    suffixes: frozenset[str]
    rank: int | None
    alpha: float | None
    configured: float | None
    down: tuple[int, ...]
    dora: tuple[int, ...] | None
    namings: frozenset[str] = frozenset()
    is_public: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether it holds two factors and nothing else that acts."""
        return self.suffixes <= {"lora_down.weight", "lora_up.weight", "alpha"}

    @property
    def meant_alpha(self) -> float | None:
        """What its maker meant: the tensor, else the configuration, else the rank."""
        if self.alpha is not None:
            return self.alpha
        return self.configured if self.configured is not None else self.rank

    @property
    def original(self) -> bool:
        """Whether a UNet's path is in the original (LDM) naming."""
        return bool(ORIGINAL_UNET.match(self.path))


@dataclass(frozen=True)
class FileFacts:
    """A file: its family's key, its modules, and names of embeddings bundled with it."""

    path: Path
    family: str
    family_name: str
    modules: tuple[ModuleFacts, ...]
    embeddings: tuple[str, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """kohya's names of all modules."""
        return frozenset(module.name for module in self.modules)

    @property
    def of_another_build(self) -> int:
        """How many of its modules no public model of the family has: they fit the base alone that they were made on."""
        return sum(not module.is_public for module in self.modules)

    @cached_property
    def commonest_alpha(self) -> Mapping[str, float]:
        """By part, the alpha tensor that most of its modules have; parts without any are left out."""
        found: dict[str, Counter[float]] = {}
        for module in self.modules:
            if module.alpha is not None:
                found.setdefault(module.part, Counter())[module.alpha] += 1
        return {part: alphas.most_common(1)[0][0] for part, alphas in found.items()}


def stem_of(key: str) -> str:
    """What a key says of the module alone: kohya's names end at the first dot, others where a tensor's name begins."""
    head = key.partition(".")[0]
    if head.startswith(("lora_unet_", "lora_te", "lora_transformer_", "oft_", "lycoris_")) and "_" in head[5:]:
        return head
    found = _ENDING.search(key)
    return key if found is None else key[: found.start()]
