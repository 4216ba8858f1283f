"""*Exact LoRA blend*: several LoRA files at weights, put on model and CLIP as the very file that is saved."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from .asked_blend import DTYPES, NONE, SLOTS, AskedBlend
from .blended_cell import KIND
from .comfy_doors import Patched, PatchedClip, folder_paths, patches_on, put_on
from .named_places import lora_names, new_lora_file
from .studio_door import NodeError, studio_at_hand

if TYPE_CHECKING:
    from loras.blending.written_lora import WrittenLora

# As `eval blend --method` has them; the list is shown before anything is loaded.
METHODS = ("sum", "ties", "dare", "della", "knots", "tsv", "project")
Inputs = dict[str, dict[str, object]]
PREVIEWS = "lora_studio"  # in ComfyUI's folder of temporary files, which it empties when it starts
MORE = "More files, one a line, as `eval blend` takes them: NAME.safetensors:unet=0.8,te1=0.6,te2=0.4,blocks=OUTALL"
RANK = "Empty: exact. A number compresses, as do auto (99 % of the energy), energy=0.999, sv_fro=0.98, sv_ratio=20."
SAVE = "Empty: a preview alone. A name below ComfyUI's folder of LoRAs, as blends/hina-best, saves the file there."


def blend_inputs() -> Inputs:
    """The node's widgets, as ComfyUI asks for them."""
    names = [NONE, *lora_names()]
    required: dict[str, object] = {"model": ("MODEL", {"tooltip": "What the blend is put on."})}
    for at in range(1, SLOTS + 1):
        required[f"lora_{at}"] = (names, {"tooltip": "A LoRA file; none leaves the slot empty."})
        required[f"unet_{at}"] = ("FLOAT", _weight("Its weight on the denoiser."))
        required[f"te_{at}"] = ("FLOAT", _weight("Its weight on all text encoders."))
    required |= {
        "more": ("STRING", {"default": "", "multiline": True, "tooltip": MORE}),
        "method": (list(METHODS), {"tooltip": "sum puts the LoRAs side by side, exactly; the others merge them."}),
        "rank": ("STRING", {"default": "", "tooltip": RANK}),
        "density": ("FLOAT", {"default": 0.0, "min": 0.0, "max": 1.0, "step": 0.05, "tooltip": "0: the method's own."}),
        "draw": ("INT", {"default": 0, "min": 0, "max": 2**31, "tooltip": "The seed of methods that draw."}),
        "dtype": (list(DTYPES), {"tooltip": "The file's type."}),
        "save_as": ("STRING", {"default": "", "tooltip": SAVE}),
    }
    return {"required": required, "optional": {"clip": ("CLIP", {"tooltip": "Its text encoders get their part."})}}


def _weight(says: str) -> dict[str, object]:
    return {"default": 1.0, "min": -5.0, "max": 5.0, "step": 0.05, "round": 0.001, "tooltip": says}


def files_as_they_are(**widgets: object) -> str:
    """What changes when a file does, so that ComfyUI asks the node again; also when the saved one is gone."""
    asked = AskedBlend.of(widgets)
    told = [f"{path} {(stat := path.stat()).st_size} {stat.st_mtime_ns}" for path in asked.files]
    is_saved = not asked.save_as or new_lora_file(asked.save_as).is_file()
    return f"{asked.key(told)} {is_saved}"


class ExactBlend:
    """A loader and a saver at once. What it puts on is read back from the file that it wrote."""

    INPUT_TYPES = staticmethod(blend_inputs)
    IS_CHANGED = staticmethod(files_as_they_are)
    RETURN_TYPES = ("MODEL", "CLIP", "STRING", KIND)
    RETURN_NAMES = ("model", "clip", "report", "cell")
    FUNCTION = "blend"
    CATEGORY = "LoRA studio"
    OUTPUT_NODE = True  # so that it saves without a sampler behind it, too
    DESCRIPTION = (
        "Blends LoRA files by LoRA studio's exact arithmetic. Model and CLIP carry the blend as it is saved, at weight "
        "1: what is previewed is what is saved."
    )

    def __init__(self) -> None:
        self._made: tuple[str, WrittenLora] | None = None

    def blend(self, model: Patched, clip: PatchedClip | None = None, **widgets: object) -> dict[str, object]:
        """Write the file, put it on, save it where a name is given. Raises NodeError, or a UserError of the package."""
        asked = AskedBlend.of(widgets)
        target = new_lora_file(asked.save_as) if asked.save_as else None
        with studio_at_hand():
            hashes = _hashes(asked.files)
            written = self._written(asked, asked.key(hashes))
            cell = asked.cell(hashes)
        patched, patched_clip = put_on(str(written.path), model, clip)
        count = patches_on(patched, patched_clip) - patches_on(model, clip)
        lines = [*_fit(written, count, clip), *written.lines("the exact sum")[:-1], _in_words(written)]
        if target:
            lines.append(_save(written, target))
        report = "\n".join(lines)
        return {"ui": {"text": [report]}, "result": (patched, patched_clip, report, cell)}

    def _written(self, asked: AskedBlend, key: str) -> WrittenLora:
        """The blend as a file among the temporary ones: that of the last time, where nothing has changed."""
        from foundation.progress import Silent
        from loras.blending.blend_files import write_blend

        if self._made and self._made[0] == key and self._made[1].path.is_file():
            return self._made[1]
        folder = Path(folder_paths().get_temp_directory()) / PREVIEWS / key
        written = write_blend(asked.request(folder / f"{asked.title}.safetensors"), Silent())
        if self._made and self._made[0] != key:
            shutil.rmtree(self._made[1].path.parent, ignore_errors=True)
        self._made = key, written
        return written


def _hashes(files: list[Path]) -> list[str]:
    from foundation.files import sha256_of

    return [sha256_of(path) for path in files]


def _in_words(written: WrittenLora) -> str:
    low, high = written.ranks
    rank = str(low) if low == high else f"{low} to {high}"
    return f"{written.modules} modules, rank {rank}, error against the exact sum {written.error:.2e}"


def _fit(written: WrittenLora, count: int, clip: PatchedClip | None) -> list[str]:
    """What to say where ComfyUI did not put all of the file on."""
    if count >= written.modules:
        return []
    why = "is it for another model?" if clip else "connect CLIP, or is it for another model?"
    return [f"ComfyUI put on {count} of {written.modules} modules: {why}"]


def _save(written: WrittenLora, target: Path) -> str:
    """Copy the file to its place, whole or not at all. Raises NodeError where another file is there."""
    from foundation.files import sha256_of, whole_file

    if target.is_file() and sha256_of(target) == written.sha256:
        return f"saved before as {target}, to the byte"
    if target.exists():
        raise NodeError(f"save_as: {target} is there and is another file; choose another name, or remove it")
    with whole_file(target) as beside:
        shutil.copyfile(written.path, beside)
    return f"saved as {target}; sha256 {written.sha256[:12]}"
