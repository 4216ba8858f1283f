"""What a family of base models is: everything that differs between Stable Diffusion 1, 2 and XL, as one description.

A description imports no heavy library, so that what only asks for names (a grid's plan, a LoRA's header) loads none.
docs/new-family.md says how to write the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

Config = dict[str, Any]
TextNaming = Literal["transformers", "openclip"]


# Latent diffusion's noise schedule (CompVis' configuration files): SD1, SD2 and SDXL are trained with it.
LATENT_DIFFUSION: Config = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
# The public autoencoder's sizes; `scaling_factor` brings its latents to unit variance.
KL_F8: Config = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_num_groups": 32,
    "scaling_factor": 0.18215,
}
# OpenAI's CLIP ViT-L/14 (Radford et al. 2021, arXiv:2103.00020): SD1's text encoder and SDXL's first.
CLIP_L: Config = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_act": "quick_gelu",
}

# Original height and width, the crop's top and left, target height and width: what a UNet may be told of a picture.
Sizes = tuple[int, int, int, int, int, int]


def whole(width: int, height: int) -> list[Sizes]:
    """The sizes of pictures that are rendered: never scaled nor cropped (diffusers' and A1111's default)."""
    return [(height, width, 0, 0, height, width)]


def nothing_added(pooled: Tensor | None, sizes: Sequence[Sizes]) -> dict[str, Any]:
    """The UNet is given latents, timestep and text alone."""
    del pooled, sizes
    return {}


@dataclass(frozen=True)
class TextPart:
    """One text encoder: its folders in a diffusers model, its kohya prefix, and with which layer it answers.

    `layer` counts from the end, 1 the last; None leaves it to `clip_skip`. `normed`: whether the final layer norm
    follows. `pad` is the token that short texts are padded with. `original` is where a single file keeps the encoder
    (the beginning of its keys) and whose names it uses there. `public` are the arguments of the public model's
    CLIPTextConfig; one with a `projection_dim` is projected.
    """

    encoder: str
    tokenizer: str
    kohya: str
    original: tuple[str, TextNaming]
    public: Config
    layer: int | None = None
    normed: bool = True
    pad: str = "<|endoftext|>"


@dataclass(frozen=True)
class Family:
    """A family of base models. `key` is our word for it, `name` people's.

    What it is made of
        `pipeline`: diffusers' class, as model_index.json names it. `unet`: the public model's configuration; `marks`
        are those of its keys that tell the family from the others. `text`: the text encoders in order.
        `vae` and `schedule` (the noise's) are the public model's, too, in diffusers' words: a single file says neither.

    How it is driven
        `added`: (pooled text (N, P), sizes of each picture or of all) -> what its UNet is given besides latents,
        timestep and text.
        `pooled`: which text encoder's pooled answer that is, if any. `empty_is_zero`: whether an empty negative prompt
        is zeros instead of an encoded empty text. `prediction` and `size` (pixels) are the public model's;
        `other_sizes` those of public models with another prediction. `half_vae`: whether the VAE bears float16.

    What its LoRA files say
        `original_names`: whether kohya names the UNet's modules in the original (LDM) naming. `own_names`: beginnings
        of kohya names that only this family has. `base_version`, `architecture`, `v2`: kohya's and the model spec's.
    """

    key: str
    name: str
    pipeline: str
    unet: Config
    text: tuple[TextPart, ...]
    prediction: str
    size: int
    base_version: str
    architecture: str
    v2: bool = False
    other_sizes: dict[str, int] = field(default_factory=dict[str, int])
    half_vae: bool = True
    vae: Config = field(default_factory=lambda: KL_F8)
    schedule: Config = field(default_factory=lambda: LATENT_DIFFUSION)
    marks: tuple[str, ...] = ("use_linear_projection",)
    original_names: bool = False
    own_names: tuple[str, ...] = ()
    pooled: int | None = None
    added: Callable[[Tensor | None, Sequence[Sizes]], dict[str, Any]] = nothing_added
    empty_is_zero: bool = False

    @property
    def text_width(self) -> int:
        """The width of the text that the public model's UNet attends to."""
        return self.unet["cross_attention_dim"]

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders that a diffusers model of this family has."""
        texts = tuple(folder for part in self.text for folder in (part.encoder, part.tokenizer))
        return ("unet", "vae", "scheduler", *texts)

    @property
    def models(self) -> tuple[str, ...]:
        """Those of them that hold weights."""
        return ("unet", "vae", *(part.encoder for part in self.text))

    def size_for(self, prediction: str | None) -> int:
        """The width, in pixels, that the public model with this prediction was trained at."""
        return self.other_sizes.get(prediction or self.prediction, self.size)

    @property
    def clip_skip_acts(self) -> bool:
        """Whether `clip_skip` changes anything: it does not where every encoder's layer is fixed (A1111 alike)."""
        return any(part.layer is None for part in self.text)

    def has_unet(self, config: Mapping[str, object]) -> bool:
        """Whether a UNet's configuration carries this family's marks."""
        return all((config.get(mark) or None) == (self.unet.get(mark) or None) for mark in self.marks)
