"""What a family of base models is to its LoRA files: its parts, the names of its modules, what tells it from others.

A description holds no weights and loads no heavy library. A module's name is that of kohya's trainers, `lora_unet_` and
the path with underscores; a part of a projection that the original model fuses is named like the whole with its last
word replaced (`.._img_attn_qkv` -> `.._img_attn_to_q`). docs/new-family.md says how to write the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from base_models.kohya_names import UNET
from loras.families.rows import Match, Place, Rows

DENOISER, ADAPTER = "unet", "adapter"
MOST_REMEMBERED = 20_000  # names; a file of the largest family has some 3,000
ALIASES = {"unet": (DENOISER,), "model": (DENOISER,), "transformer": (DENOISER,)}


@dataclass(frozen=True)
class Part:
    """A part that has a weight of its own.

    `id` is `base_models.kohya_names.part_of`'s word, `name` the one that is shown and typed.
    """

    id: str
    name: str


@dataclass(frozen=True)
class TextNames:
    """One text encoder: `part` is its id, `kohya` the prefix of its modules' names, `also` prefixes read besides.

    `diffusers` is its folder in a diffusers model, `comfyui` what stands before its keys there.
    """

    part: str
    kohya: str
    diffusers: str
    comfyui: str
    rows: Rows
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReadableFamily:
    """A family whose LoRA files are read, named and written.

    `parts`: in the order in which they are shown. `denoiser`: its modules; `adapter`: those of a part between text and
    denoiser, whose original names begin with `llm_adapter.`. `widths`: hidden sizes of the public models' denoisers.
    `depths`: by the first word of a block's name, how many blocks each public model has. `words`: what headers say.
    `diffusers`: the denoiser's folder; `transformer_class`: diffusers' name of it. `rendered`: whether this program
    draws with such models.
    """

    key: str
    name: str
    parts: tuple[Part, ...]
    denoiser: Rows
    text: tuple[TextNames, ...] = ()
    adapter: Rows | None = None
    adapter_diffusers: str = ""
    widths: frozenset[int] = frozenset()
    depths: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    words: tuple[str, ...] = ()
    diffusers: str = "transformer"
    transformer_class: str = ""
    rendered: bool = False

    def part(self, typed: str) -> tuple[Part, ...]:
        """The parts that a word means when it is typed; none where the family lacks it.

        `unet`, `model` and `transformer` are the denoiser, `te` all text encoders.
        """
        if typed in ALIASES:
            return tuple(part for part in self.parts if part.id in ALIASES[typed])
        if typed == "te":
            return tuple(part for part in self.parts if part.id.startswith("te"))
        return tuple(part for part in self.parts if part.name == typed)

    def shown(self, part: str) -> str:
        """The name of a part by its id."""
        return next((one.name for one in self.parts if one.id == part), part)

    def to_kohya(self, name: str) -> str | None:
        """The name here of a module in any naming: a key's stem with its prefix. None for what is no module of it."""
        found = self._found(name)
        return None if found is None else f"{found.prefix}_{found.match.name.replace('.', '_')}"

    def to_diffusers(self, name: str) -> tuple[Place, ...]:
        """diffusers' modules, with their folder in front; several, with shares of `name`'s outputs, where it is fused.

        Raises KeyError for what is no module of this family.
        """
        found = self._known(name)
        return tuple(replace(place, path=f"{found.diffusers}.{place.path}") for place in found.match.to_diffusers())

    def to_original(self, name: str) -> Place:
        """The module in the original naming as ComfyUI's files have it (`diffusion_model.`, `text_encoders.`).

        Its share says which of that module's outputs `name` moves. Raises KeyError for what is no module of the family.
        """
        found = self._known(name)
        place = found.match.to_original()
        return replace(place, path=f"{found.comfyui}{place.path}")

    def fused(self, name: str) -> tuple[str, ...]:
        """The names of a fused module's parts, in the order of its outputs; () for any other."""
        found = self._known(name)
        row = found.match.row
        if found.match.part is not None or not row.is_fused:
            return ()
        paths = (found.match.filled(row.part_path(at)) for at in range(len(row.parts)))
        return tuple(f"{found.prefix}_{path.replace('.', '_')}" for path in paths)

    def whole(self, name: str) -> str | None:
        """The name of the fused module that `name` is a part of, or None."""
        found = self._known(name)
        if found.match.part is None:
            return None
        return f"{found.prefix}_{found.match.filled(found.match.row.original).replace('.', '_')}"

    def reordered(self, name: str) -> bool:
        """Whether that spelling of a module may have the halves of its outputs in diffusers' order (see `Place`)."""
        found = self._found(name)
        return found is not None and found.match.reordered

    def ratio(self, name: str) -> float | None:
        """Outputs over inputs of a module, where the family has one for it."""
        found = self._found(name)
        return None if found is None or found.match.part is not None else found.match.row.ratio

    def _known(self, name: str) -> _Found:
        found = self._found(name)
        if found is None:
            raise KeyError(f"`{name}` is no module of {self.name}")
        return found

    def _found(self, name: str) -> _Found | None:
        if name in self._cache:
            return self._cache[name]
        found = next((made for made in map(_Found.of, self._readings(name)) if made is not None), None)
        if len(self._cache) >= MOST_REMEMBERED:
            self._cache.clear()
        self._cache[name] = found
        return found

    @cached_property
    def _cache(self) -> dict[str, _Found | None]:
        return {}

    def _readings(self, name: str) -> Iterable[tuple[str, str, str, Match | None]]:
        """(kohya's prefix, diffusers' folder, ComfyUI's prefix, module) for each way to read a stem."""
        for text in self.text:
            for prefix in (f"{text.kohya}_", *text.also, f"{text.diffusers}.", text.comfyui):
                if name.startswith(prefix):
                    yield text.kohya, text.diffusers, text.comfyui, text.rows.find(name.removeprefix(prefix))
        path = next((name.removeprefix(one) for one in DENOISER_PREFIXES if name.startswith(one)), name)
        if self.adapter is not None:
            for prefix in ("llm_adapter.", "llm_adapter_", f"{self.adapter_diffusers}.", f"{self.adapter_diffusers}_"):
                if path.startswith(prefix):
                    found = self.adapter.find(path.removeprefix(prefix))
                    yield f"{UNET}_llm_adapter", self.adapter_diffusers, "diffusion_model.llm_adapter.", found
        yield UNET, self.diffusers, "diffusion_model.", self.denoiser.find(path)


# What stands before a denoiser's module, longest first; a path may also stand by itself.
DENOISER_PREFIXES = (
    "model.diffusion_model.",
    "diffusion_model.",
    "lora_transformer_",
    "lora_transformer.",
    "transformer.",
    "lora_unet_",
    "lora_unet.",
    "lycoris_",
    "oft_unet_",
    "unet.",
)


@dataclass(frozen=True)
class _Found:
    """A module of the family, and what stands before its path in each naming."""

    prefix: str
    diffusers: str
    comfyui: str
    match: Match

    @classmethod
    def of(cls, reading: tuple[str, str, str, Match | None]) -> _Found | None:
        prefix, diffusers, comfyui, match = reading
        return None if match is None else cls(prefix, diffusers, comfyui, match)


CLIP_TRANSFORMER = "text_encoders.clip_l.transformer."
