"""The base model: name, folder, file or hub id -> a loaded Stable Diffusion, its hash, its modules by kohya name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.utils import logging
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer, PreTrainedModel

from base_models.architecture import architecture
from base_models.base_source import BaseSource, find_base
from base_models.devices import chosen_device
from base_models.families.family import Family
from base_models.placement import Memory, place
from base_models.single_file_model import load_single_file, load_vae
from foundation.errors import BaseModelError, UserError
from foundation.progress import at_hand

TextEncoder = CLIPTextModel | CLIPTextModelWithProjection


@dataclass(frozen=True)
class BaseModel:
    """A Stable Diffusion in evaluation mode, its parameters frozen.

    `sha256` covers the contents of every file it was loaded from. `tokenizers` and `text_encoders` are in the order of
    `family.text`: one each for SD1 and SD2, two for SDXL. `modules` are the Linear and Conv2d modules that a LoRA can
    name, by kohya name. `device` is where it computes; parts may lie elsewhere while they wait.
    """

    name: str
    sha256: str
    family: Family
    tokenizers: tuple[CLIPTokenizer, ...]
    text_encoders: tuple[TextEncoder, ...]
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    scheduler_config: dict[str, object]
    modules: dict[str, nn.Module]
    device: torch.device


def load_base(
    base: str | BaseSource, dtype: torch.dtype = torch.float32, device: str = "cpu", memory: Memory = "full"
) -> BaseModel:
    """Load a base model (a name, or what `find_base` found) to compute on `device` ("auto": a GPU where there is one).

    Raises BaseModelError for one that cannot be loaded, and first ConfigurationError for a device that is not here.
    """
    place_of_work = torch.device(chosen_device(device))
    source = find_base(base) if isinstance(base, str) else base
    with at_hand().waiting(f"loading the base model {source.name}"):
        model = _assembled(source, _pipeline(source, dtype), place_of_work)
        _safe_vae(model.vae, model.family, dtype)
        place(model.text_encoders, model.unet, model.vae, model.device, memory)
    return model


def load_to_train(source: BaseSource, dtype: torch.dtype, device: str) -> BaseModel:
    """Load a base model whose pictures are encoded first: the VAE is on `device`, in float32; the rest still waits.

    UNet and text encoders are on the CPU, in `dtype` from the start: SDXL's take 14 GB in float32, which neither need
    be held nor fits most GPUs. Raises BaseModelError for one that cannot be loaded.
    """
    place_of_work = torch.device(chosen_device(device))
    own = source.path if source.path.is_file() else source.path / "vae"
    with at_hand().waiting(f"loading the base model {source.name}"):
        pipeline = _pipeline(replace(source, vae=source.vae or own), dtype, torch.float32)
        model = _assembled(source, pipeline, place_of_work)
        nn.Module.to(model.vae, model.device)
    return model


def _assembled(source: BaseSource, pipeline: Any, device: torch.device) -> BaseModel:
    family, unet, vae = source.family, pipeline.unet, pipeline.vae
    encoders = tuple(getattr(pipeline, part.encoder) for part in family.text)
    _check_whole(source, {**_by_name(family, encoders), "unet": unet, "vae": vae})
    for part in (unet, vae, *encoders):
        part.requires_grad_(False).eval()
    told = {"prediction_type": source.prediction} if source.prediction else {}
    return BaseModel(
        source.name,
        source.sha256,
        family,
        tuple(getattr(pipeline, part.tokenizer) for part in family.text),
        encoders,
        unet,
        vae,
        {**pipeline.scheduler.config, **told},
        kohya_modules(family, unet, encoders),
        device,
    )


def kohya_modules(family: Family, unet: nn.Module, encoders: Sequence[nn.Module]) -> dict[str, nn.Module]:
    """The models' Linear and Conv2d modules by kohya name."""
    models = {"unet": unet, **_by_name(family, encoders)}
    named: dict[str, nn.Module] = {}
    for placed in architecture(family, unet, encoders).by_kohya.values():
        module = models[placed.part].get_submodule(placed.path)
        if isinstance(module, nn.Linear | nn.Conv2d):
            named[placed.kohya] = module
    return named


def _by_name(family: Family, encoders: Sequence[nn.Module]) -> dict[str, nn.Module]:
    """The text encoders by their folders' names."""
    return {part.encoder: model for part, model in zip(family.text, encoders, strict=True)}


def _check_whole(source: BaseSource, parts: Mapping[str, nn.Module]) -> None:
    """Raise BaseModelError where a part, by its folder's name, lacks weights: libraries do not.

    diffusers leaves what its file lacks on the meta device, without numbers, of a single file alike. transformers draws
    it at random; so a text encoder's names are looked for in its folder.
    """
    for name, part in parts.items():
        path, folder = source.vae if name == "vae" and source.vae else source.path, source.path / name
        lacking = [key for key, tensor in (*part.named_parameters(), *part.named_buffers()) if tensor.is_meta]
        if isinstance(part, PreTrainedModel) and folder.is_dir():
            held = {_without_prefix(key) for file in folder.glob("*.safetensors") for key in _names_in(file)}
            lacking += [key for key in part.state_dict() if _without_prefix(key) not in held]
        if lacking:
            weights = "1 weight" if len(lacking) == 1 else f"{len(lacking)} weights"
            raise BaseModelError(f"{path}: its {name} lacks {weights} (`{lacking[0]}`); download or save it again")


def _names_in(path: Path) -> list[str]:
    with safe_open(path, framework="np") as file:
        return list(file.keys())


def _without_prefix(key: str) -> str:
    """transformers names a CLIP text model's weights with it or without, by version."""
    return key.removeprefix("text_model.")


def _pipeline(source: BaseSource, dtype: torch.dtype, vae_dtype: torch.dtype | None = None) -> Any:
    """diffusers' own pipeline of the family, without its safety checker and other parts that draw nothing."""
    logging.disable_progress_bar()  # a bar of the library's own, which no setting of the environment turns off
    family = source.family
    kind: Any = getattr(diffusers, family.pipeline)  # which class it is, the family says
    given: dict[str, Any] = {name: None for name in kind._optional_components if name not in family.parts}
    if "safety_checker" in given:
        given["requires_safety_checker"] = False
    try:
        if source.vae:
            given["vae"] = load_vae(source.vae, family, vae_dtype or dtype)
        if source.path.is_file():
            return load_single_file(source.path, family, source.prediction or family.prediction, dtype, **given)
        return kind.from_pretrained(source.path, torch_dtype=dtype, use_safetensors=True, **given)
    except SafetensorError as error:
        raise _damaged(source, error) from error
    except UserError:
        raise
    except Exception as error:  # diffusers, transformers and their tokenizers raise whatever a broken file leads to
        told = str(error).strip().partition("\n")[0] or type(error).__name__
        raise BaseModelError(
            f"{source.path}: cannot be loaded: {told}; see to its files, or download it again"
        ) from error


def _damaged(source: BaseSource, error: SafetensorError) -> BaseModelError:
    """With the file that is to be replaced: the library's own error does not name it."""
    files = [source.path] if source.path.is_file() else sorted(source.path.rglob("*.safetensors"))
    for path in files:
        try:
            with safe_open(path, framework="np"):
                pass
        except SafetensorError as its_own:
            return BaseModelError(f"{path}: not a readable .safetensors file ({its_own}); download or save it again")
    return BaseModelError(f"{source.path}: cannot be loaded ({error}); download it again")


def _safe_vae(vae: AutoencoderKL, family: Family, dtype: torch.dtype) -> None:
    """In float32, in place, where float16 would overflow (diffusers' `force_upcast`)."""
    if dtype == torch.float16 and not family.half_vae and vae.config["force_upcast"]:
        nn.Module.to(vae, torch.float32)
