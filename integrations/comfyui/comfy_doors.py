"""What the nodes call of ComfyUI, described: its modules are there only while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import numpy as np


class FolderPaths(Protocol):
    """ComfyUI's `folder_paths`: where things lie."""

    models_dir: str

    def get_filename_list(self, folder_name: str) -> list[str]:
        """Names of the files of a kind, folders below included."""
        ...

    def get_full_path(self, folder_name: str, filename: str) -> str | None:
        """Where a listed file lies; None where there is none."""
        ...

    def get_folder_paths(self, folder_name: str) -> list[str]:
        """The folders of a kind, the first the one that things are put into."""
        ...

    def get_input_directory(self) -> str:
        """Where users put pictures."""
        ...

    def get_output_directory(self) -> str:
        """Where savers write."""
        ...

    def get_temp_directory(self) -> str:
        """What is emptied at the next start."""
        ...


class Patched(Protocol):
    """A `ModelPatcher`: what is to be put on each weight, in order."""

    patches: Mapping[str, Sequence[object]]


class PatchedClip(Protocol):
    """A `CLIP`, whose weights are patched by its own patcher."""

    patcher: Patched


class LoraFunctions(Protocol):
    """ComfyUI's `comfy.sd`, as its own loader of LoRAs calls it."""

    def load_lora_for_models(
        self,
        model: Patched,
        clip: PatchedClip | None,
        lora: Mapping[str, object],
        strength_model: float,
        strength_clip: float,
    ) -> tuple[Patched, PatchedClip | None]:
        """Copies of model and CLIP with the file's tensors put on."""
        ...


class FileFunctions(Protocol):
    """ComfyUI's `comfy.utils`."""

    def load_torch_file(self, ckpt: str, safe_load: bool = False) -> Mapping[str, object]:
        """The tensors of a file."""
        ...


class Image(Protocol):
    """An `IMAGE`: float in 0..1, (pictures, height, width, channels)."""

    def cpu(self) -> Image:
        """The same in the computer's own memory."""
        ...

    def numpy(self) -> np.ndarray:
        """The same as an array."""
        ...


def folder_paths() -> FolderPaths:
    """Where things lie in the ComfyUI that runs."""
    return cast(FolderPaths, import_module("folder_paths"))


def put_on(path: str, model: Patched, clip: PatchedClip | None) -> tuple[Patched, PatchedClip | None]:
    """A LoRA file at weight 1, by ComfyUI's own reader and loader."""
    lora = cast(FileFunctions, import_module("comfy.utils")).load_torch_file(path, safe_load=True)
    return cast(LoraFunctions, import_module("comfy.sd")).load_lora_for_models(model, clip, lora, 1.0, 1.0)


def patches_on(model: Patched, clip: PatchedClip | None) -> int:
    """How many patches a model and its CLIP carry."""
    carried = [*model.patches.values(), *(clip.patcher.patches.values() if clip else ())]
    return sum(len(one) for one in carried)
