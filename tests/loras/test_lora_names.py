"""Names of modules: a bijection over whole models, and the very keys that kohya's, A1111's and ComfyUI's loaders build.

The original (LDM) modules with their shapes are listed here from the public configurations (channels 320, multiples,
depths), so a name that is right in form and wrong in place has another shape and is caught.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from torch import nn

from base_models.architecture import Architecture, public_architecture
from base_models.kohya_names import PUBLIC_LAYOUT, UNET, UnetLayout, block_of, has_ldm_name, kernel_of, kohya_name
from base_models.public_models import on_meta
from loras.blending.block_weights import FORMS
from loras.key_spellings import spelling_of

Shape = tuple[int, ...]
Shapes = dict[str, Shape]
FAMILIES = ("sd1", "sd2", "sdxl")
TEXT_LINEARS = (*(f"self_attn.{side}_proj" for side in ("q", "k", "v", "out")), "mlp.fc1", "mlp.fc2")
TEXT_LAYERS = {"sd1": (12,), "sd2": (23,), "sdxl": (12, 32)}
KOHYA_TEXT_PREFIXES = {"sd1": ("lora_te",), "sd2": ("lora_te",), "sdxl": ("lora_te1", "lora_te2")}


@dataclass(frozen=True)
class Family:
    """One public model: its weights (linear and convolution) by diffusers' path, and what `trainer` names them."""

    name: str
    unet: nn.Module
    encoders: tuple[nn.Module, ...]
    names: Architecture

    @property
    def weights(self) -> Shapes:
        """`unet.<path>`, `text_encoder.text_model.<path>` -> shape, of every linear layer and convolution."""
        parts = {"unet": self.unet, **dict(zip(("text_encoder", "text_encoder_2"), self.encoders, strict=False))}
        found: Shapes = {}
        for part, model in parts.items():
            for path, module in model.named_modules():
                if isinstance(module, (nn.Linear, nn.Conv2d)):
                    inside = part == "unet" or path.startswith(("text_model.", "text_projection"))
                    found[f"{part}.{path}" if inside else f"{part}.text_model.{path}"] = tuple(module.weight.shape)
        return found

    @property
    def layout(self) -> UnetLayout:
        return UnetLayout.of(self.unet.config)

    @property
    def kohya_unet(self) -> list[str]:
        """kohya names of the UNet's linear layers and convolutions."""
        return [self.names.by_diffusers[path].kohya for path in self.weights if path.startswith("unet.")]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Family:
    unet, encoders = on_meta(request.param)
    return Family(request.param, unet, encoders, public_architecture(request.param))


# ---- the original naming, from the public configurations ----


@dataclass(frozen=True)
class Original:
    """A UNet of the original code: channel multiples by level, transformer depths by level and in the middle."""

    multiples: tuple[int, ...]
    depths: tuple[int, ...]
    middle: int
    text_width: int
    linear: bool
    added: int = 0

    def modules(self) -> Shapes:
        """Every linear layer and convolution by its original path."""
        return dict(self._ends()) | dict(self._blocks())

    def _ends(self) -> Iterator[tuple[str, Shape]]:
        embeddings = [("time_embed", 320)] + ([("label_emb.0", self.added)] if self.added else [])
        for name, inputs in embeddings:
            yield f"{name}.0", (1280, inputs)
            yield f"{name}.2", (1280, 1280)
        yield "input_blocks.0.0", (320, 4, 3, 3)
        yield "out.2", (4, 320, 3, 3)

    def _blocks(self) -> Iterator[tuple[str, Shape]]:
        channels, number, skips = 320, 0, [320]
        for level, (multiple, depth) in enumerate(zip(self.multiples, self.depths, strict=True)):
            for _ in range(2):
                number += 1
                yield from self._resnet(f"input_blocks.{number}.0", channels, 320 * multiple)
                channels = 320 * multiple
                yield from self._transformer(f"input_blocks.{number}.1", channels, depth)
                skips.append(channels)
            if level < len(self.multiples) - 1:
                number += 1
                yield f"input_blocks.{number}.0.op", (channels, channels, 3, 3)
                skips.append(channels)
        yield from self._resnet("middle_block.0", channels, channels)
        yield from self._transformer("middle_block.1", channels, self.middle)
        yield from self._resnet("middle_block.2", channels, channels)
        number = -1
        for level in reversed(range(len(self.multiples))):
            for layer in range(3):
                number += 1
                outputs = 320 * self.multiples[level]
                yield from self._resnet(f"output_blocks.{number}.0", channels + skips.pop(), outputs)
                channels = outputs
                yield from self._transformer(f"output_blocks.{number}.1", channels, self.depths[level])
                if level and layer == 2:
                    place = 2 if self.depths[level] else 1
                    yield f"output_blocks.{number}.{place}.conv", (channels, channels, 3, 3)

    def _resnet(self, path: str, inputs: int, outputs: int) -> Iterator[tuple[str, Shape]]:
        yield f"{path}.in_layers.2", (outputs, inputs, 3, 3)
        yield f"{path}.emb_layers.1", (outputs, 1280)
        yield f"{path}.out_layers.3", (outputs, outputs, 3, 3)
        if inputs != outputs:
            yield f"{path}.skip_connection", (outputs, inputs, 1, 1)

    def _transformer(self, path: str, width: int, depth: int) -> Iterator[tuple[str, Shape]]:
        outer = (width, width) if self.linear else (width, width, 1, 1)
        for block in range(depth):
            inner = f"{path}.transformer_blocks.{block}"
            for attention, keys in (("attn1", width), ("attn2", self.text_width)):
                yield f"{inner}.{attention}.to_q", (width, width)
                yield f"{inner}.{attention}.to_k", (width, keys)
                yield f"{inner}.{attention}.to_v", (width, keys)
                yield f"{inner}.{attention}.to_out.0", (width, width)
            yield f"{inner}.ff.net.0.proj", (8 * width, width)
            yield f"{inner}.ff.net.2", (width, 4 * width)
        if depth:
            yield f"{path}.proj_in", outer
            yield f"{path}.proj_out", outer


ORIGINALS = {
    "sd1": Original((1, 2, 4, 4), (1, 1, 1, 0), 1, 768, linear=False),
    "sd2": Original((1, 2, 4, 4), (1, 1, 1, 0), 1, 1024, linear=True),
    "sdxl": Original((1, 2, 4), (0, 2, 10), 10, 2048, linear=True, added=2816),
}


def test_names_are_a_bijection(family: Family) -> None:
    named = {path: family.names.by_diffusers[path] for path in family.weights}
    assert len({module.kohya for module in named.values()}) == len(family.weights)
    assert all(family.names.by_kohya[module.kohya].diffusers == path for path, module in named.items())
    assert {path: module.shape for path, module in named.items()} == family.weights
    assert len(family.names.by_kohya) == len(family.names.by_diffusers)


def test_the_original_naming_names_the_original_modules(family: Family) -> None:
    """Every module of the original code, with its shape, is one of diffusers' modules renamed; none is left over."""
    unet = {path.removeprefix("unet."): shape for path, shape in family.weights.items() if path.startswith("unet.")}
    renamed = {family.layout.to_ldm(path): shape for path, shape in unet.items()}
    assert renamed == ORIGINALS[family.name].modules()
    assert all(family.layout.to_diffusers(family.layout.to_ldm(path)) == path for path in unet)


def test_norms_have_an_original_name_too(family: Family) -> None:
    """LyCORIS trains norms: `w_norm` of `in_layers.0`. All weights of the UNet go there and back."""
    paths = [path for path, module in family.unet.named_modules() if hasattr(module, "weight") and has_ldm_name(path)]
    originals = [family.layout.to_ldm(path) for path in paths]
    assert len(set(originals)) == len(paths)
    assert [family.layout.to_diffusers(original) for original in originals] == paths


# ---- kohya ----


def kohya_targets(family: Family) -> list[str]:
    """kohya's default set as sd-scripts builds it: SDXL's UNet in the original naming, the others as diffusers'."""
    if family.name == "sdxl":
        paths = [path for path in ORIGINALS["sdxl"].modules() if re.search(r"transformer_blocks|proj_(in|out)", path)]
    else:
        paths = [
            f"{outer}.{inner}"
            for outer, block in family.unet.named_modules()
            if type(block).__name__ == "Transformer2DModel"
            for inner, module in block.named_modules()
            if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1))
        ]
    unet = [f"lora_unet_{path.replace('.', '_')}" for path in paths]
    texts = [
        f"{prefix}_text_model_encoder_layers_{layer}_{linear.replace('.', '_')}"
        for prefix, layers in zip(KOHYA_TEXT_PREFIXES[family.name], TEXT_LAYERS[family.name], strict=True)
        for layer in range(layers)
        for linear in TEXT_LINEARS
    ]
    return unet + texts


COUNTS = {"sd1": (192, 72), "sd2": (192, 23 * 6), "sdxl": (722, 264)}


def test_kohyas_targets_are_known_by_their_names(family: Family) -> None:
    targets = kohya_targets(family)
    counted = sum(name.startswith("lora_unet_") for name in targets)
    assert (counted, len(targets) - counted) == COUNTS[family.name]
    assert set(targets) <= family.names.by_kohya.keys()
    assert {family.names.by_kohya[name].diffusers for name in targets} <= family.weights.keys()


# ---- A1111 ----

A1111_RESNET = {
    "conv1": "in_layers_2",
    "conv2": "out_layers_3",
    "norm1": "in_layers_0",
    "norm2": "out_layers_0",
    "time_emb_proj": "emb_layers_1",
    "conv_shortcut": "skip_connection",
}


def a1111_place(name: str) -> str | None:
    """Where A1111 looks a UNet's kohya name up: diffusers' form by block arithmetic, the original form as it stands."""
    inner = name.removeprefix("lora_unet_")
    if found := re.fullmatch(r"(down|mid|up)_block(?:s_(\d+))?_(attentions|resnets)_(\d+)_(.+)", inner):
        side, block, kind, layer, rest = found.groups()
        attends = kind == "attentions"
        suffix = rest if attends else A1111_RESNET[rest]
        if side == "mid":
            return f"diffusion_model_middle_block_{1 if attends else int(layer) * 2}_{suffix}"
        number = int(block) * 3 + int(layer) + (1 if side == "down" else 0)
        return f"diffusion_model_{'input' if side == 'down' else 'output'}_blocks_{number}_{int(attends)}_{suffix}"
    if found := re.fullmatch(r"down_blocks_(\d+)_downsamplers_0_conv", inner):
        return f"diffusion_model_input_blocks_{3 + int(found[1]) * 3}_0_op"
    if found := re.fullmatch(r"up_blocks_(\d+)_upsamplers_0_conv", inner):
        return f"diffusion_model_output_blocks_{2 + int(found[1]) * 3}_{2 if int(found[1]) else 1}_conv"
    if found := re.fullmatch(r"time_embedding_linear_(\d+)", inner):
        return f"diffusion_model_time_embed_{int(found[1]) * 2 - 2}"
    return "diffusion_model_" + {"conv_in": "input_blocks_0_0", "conv_out": "out_2"}.get(inner, inner)


def test_a1111_finds_every_module_of_the_unet(family: Family) -> None:
    original = {f"diffusion_model_{path.replace('.', '_')}": s for path, s in ORIGINALS[family.name].modules().items()}
    found = {a1111_place(name): family.names.by_kohya[name].shape for name in family.kohya_unet}
    assert found == original


def test_a1111_finds_the_text_encoder_of_sd1() -> None:
    pattern = re.compile(r"lora_te_text_model_encoder_layers_(\d+)_(.+)")
    texts = [name for name in public_architecture("sd1").by_kohya if "_encoder_layers_" in name]
    places = {f"transformer_text_model_encoder_layers_{m[1]}_{m[2]}" for m in map(pattern.fullmatch, texts) if m}
    linears = {linear.replace(".", "_") for linear in TEXT_LINEARS}
    expected = {f"transformer_text_model_encoder_layers_{n}_{linear}" for n in range(12) for linear in linears}
    assert expected <= places


# ---- ComfyUI ----


def comfyui_map(family: Family) -> dict[str, Shape]:
    """The names that ComfyUI takes for a model: the original path under `lora_unet_`, and diffusers' for the same."""
    taken: dict[str, Shape] = {}
    for path, shape in ORIGINALS[family.name].modules().items():
        taken[f"lora_unet_{path.replace('.', '_')}"] = shape
        taken[f"lora_unet_{family.layout.to_diffusers(path).replace('.', '_')}"] = shape
    numbers = {"sd1": ("te",), "sd2": ("te",), "sdxl": ("te1", "te2")}[family.name]
    for place, layers, encoder in zip(numbers, TEXT_LAYERS[family.name], family.encoders, strict=True):
        width, inner = encoder.config.hidden_size, encoder.config.intermediate_size
        for layer in range(layers):
            for linear in TEXT_LINEARS:
                shape = {"mlp.fc1": (inner, width), "mlp.fc2": (width, inner)}.get(linear, (width, width))
                taken[f"lora_{place}_text_model_encoder_layers_{layer}_{linear.replace('.', '_')}"] = shape
    return taken


def test_comfyui_takes_every_name(family: Family) -> None:
    """All but the second text encoder's projection, which ComfyUI names on its own."""
    taken = comfyui_map(family)
    for path in family.weights:
        module = family.names.by_diffusers[path]
        if not module.kohya.endswith("_text_projection"):
            assert taken[module.kohya] == module.shape


# ---- what names tell ----


def test_kernels_are_the_modules_own(family: Family) -> None:
    for module in family.names.by_kohya.values():
        assert kernel_of(module.kohya, family.name != "sd1") == module.shape[2:], module.kohya


SHORT = {"sd1": 17, "sd2": 17, "sdxl": 12}
LONG = {"sd1": 26, "sd2": 26, "sdxl": 20}


def test_blocks_are_those_of_the_short_and_long_forms(family: Family) -> None:
    """Attention has a place in the short form, every block's module in the long one; each place is taken by some."""
    names = family.kohya_unet
    attending = {block_of(name) for name in names if re.search(r"_attn[12]_|_proj_(in|out)$|_ff_net_", name)}
    assert attending == set(FORMS[SHORT[family.name]]) - {"BASE"}
    assert {block_of(name) for name in names} - {"other"} == set(FORMS[LONG[family.name]]) - {"BASE"}
    assert {block_of(name) for name in family.names.by_kohya if name.startswith("lora_te")} == {"BASE"}


def test_blocks_are_where_the_original_path_says(family: Family) -> None:
    sides = {"input": "IN", "output": "OUT"}
    for path in family.weights:
        inner = path.removeprefix("unet.")
        if path.startswith("unet.") and (
            found := re.match(r"(input|output)_blocks\.(\d+)", family.layout.to_ldm(inner))
        ):
            expected = f"{sides[found[1]]}{int(found[2]):02d}"
            assert block_of(family.names.by_diffusers[path].kohya) == expected


@pytest.mark.parametrize("family", ["sd1", "sd2"])
def test_sd1_in_ldm_naming_is_told_by_the_texts_width(family: str) -> None:
    """Every module of the UNet, under the name that sd-scripts gives SDXL's."""
    modules = [one for one in public_architecture(family).by_diffusers.values() if one.part == "unet"]
    shapes, wanted = {}, []
    for module in modules:
        if len(module.shape) > 1:
            spelled = PUBLIC_LAYOUT.to_ldm(module.path) if has_ldm_name(module.path) else module.path
            shapes[f"{kohya_name(UNET, spelled)}.lora_down.weight"] = (1, *module.shape[1:])
            wanted.append(module.kohya)
    assert sorted(spelling_of(shapes, Path("a.safetensors"), {}).modules) == sorted(wanted)
