"""Names of every module of the public models, against diffusers' own classes and its converters of single files."""

from __future__ import annotations

from collections.abc import Callable

import diffusers.loaders.single_file_utils as single_file
import pytest
import torch
from torch import Tensor

from base_models.kohya_names import part_of
from loras.families.family import ReadableFamily
from loras.families.known import READABLE, TRANSFORMERS
from loras.families.rows import Share
from tiny_transformers import FULL, full, weights

CONVERTERS: dict[str, Callable[..., dict[str, Tensor]]] = {
    "flux1": single_file.convert_flux_transformer_checkpoint_to_diffusers,
    "flux2": single_file.convert_flux2_transformer_checkpoint_to_diffusers,
    "z_image": single_file.convert_z_image_transformer_checkpoint_to_diffusers,
    "krea2": single_file.convert_krea2_transformer_checkpoint_to_diffusers,
    "chroma": single_file.convert_chroma_transformer_checkpoint_to_diffusers,
    "sd3": single_file.convert_sd3_transformer_checkpoint_to_diffusers,
    "anima": single_file.convert_cosmos_transformer_checkpoint_to_diffusers,
    "lumina2": single_file.convert_lumina2_to_diffusers,
}
# Families whose originals keep norms' weights as `scale`.
SCALES = ("flux1", "flux2", "chroma", "krea2")


def test_twelve_families_are_read() -> None:
    assert len(READABLE) == 12
    assert {family.key for family in TRANSFORMERS} | {"sd1", "sd2", "sdxl"} == set(FULL)


@pytest.mark.parametrize("key", FULL)
def test_every_module_of_the_public_model_has_one_name_and_is_found_by_each_spelling(key: str) -> None:
    family = READABLE[key]
    names: dict[str, str] = {}
    for path in weights(full(key)):
        there = f"{family.diffusers}.{path}"
        name = family.to_kohya(there)
        assert name is not None, path
        assert names.setdefault(name, path) == path
        assert [place.path for place in family.to_diffusers(name)] == [there]
        assert family.to_kohya(name) == name
        assert part_of(name) == "unet"
        original = family.to_original(name)
        assert family.to_kohya(original.path) == (family.whole(name) or name)
        flat = path.replace(".", "_")
        for stem in (path, f"lycoris_{flat}", f"lora_transformer_{flat}", f"diffusion_model.{path}"):
            assert family.to_kohya(stem) == name


@pytest.mark.parametrize("key", [family.key for family in TRANSFORMERS])
def test_parts_of_a_fused_projection_cover_it_and_do_not_overlap(key: str) -> None:
    family = READABLE[key]
    wholes = {family.whole(family.to_kohya(f"transformer.{path}") or "") for path in weights(full(key))} - {None}
    for whole in wholes:
        assert whole is not None
        parts = family.fused(whole)
        shares = [family.to_original(part).share for part in parts]
        assert [place.share for place in family.to_diffusers(whole)] == shares
        assert [share.start for share in shares] == [0, *(share.stop for share in shares[:-1])]
        assert shares[-1].stop == shares[-1].of
        assert [family.to_diffusers(part)[0].path for part in parts] == [
            place.path for place in family.to_diffusers(whole)
        ]


@pytest.mark.parametrize("key", CONVERTERS)
def test_the_original_naming_is_what_diffusers_reads_single_files_by(key: str) -> None:
    """Every weight, one column wide, is written under our original name; diffusers' converter has to find it."""
    family = READABLE[key]
    meant = {
        f"{path}.weight": torch.randn(shape[0], *[1] * (len(shape) - 1)) for path, shape in weights(full(key)).items()
    }
    originals: dict[str, list[tuple[Share, Tensor]]] = {}
    for path, tensor in meant.items():
        place = family.to_original(f"transformer.{path.removesuffix('.weight')}")
        swapped = _is_swapped(family, path, full_shape(key, path))
        originals.setdefault(place.path, []).append(
            (place.share, tensor.roll(len(tensor) // 2, 0) if swapped else tensor)
        )
    checkpoint: dict[str, Tensor] = {}
    for path, parts in originals.items():
        joined = torch.cat([tensor for _, tensor in sorted(parts, key=lambda one: one[0].start)])
        stem = path.removeprefix("diffusion_model.")
        is_scale = key in SCALES and joined.dim() == 1
        checkpoint[f"{stem}.{'scale' if is_scale else 'weight'}"] = joined
        checkpoint[f"{stem}.bias"] = torch.zeros(len(joined))
    found = CONVERTERS[key](_ready(key, checkpoint))
    for path, tensor in meant.items():
        assert torch.equal(found[path], tensor), path


_SHAPES: dict[str, dict[str, torch.Size]] = {}


def full_shape(key: str, path: str) -> torch.Size:
    """The public model's weight's shape."""
    if key not in _SHAPES:
        _SHAPES[key] = weights(full(key))
    return _SHAPES[key][path.removesuffix(".weight")]


def _is_swapped(family: ReadableFamily, path: str, shape: torch.Size) -> bool:
    (place,) = family.to_diffusers(f"transformer.{path.removesuffix('.weight')}")
    return place.swapped and shape[0] == 2 * shape[1]


def _ready(key: str, checkpoint: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the converters want besides."""
    if key == "sd3":
        checkpoint["pos_embed"] = torch.zeros(1, 1, 1536)
        checkpoint["context_embedder.weight"] = checkpoint["context_embedder.weight"].reshape(1536, 1)
    if key in ("krea2", "anima", "lumina2", "z_image"):
        return {name: tensor for name, tensor in checkpoint.items() if not name.endswith(".bias")}
    return checkpoint
