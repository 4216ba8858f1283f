"""*Append to LoRA studio store*: a picture with its cell and unit goes into a store, to be ranked and looked at."""

from __future__ import annotations

from pathlib import Path

from .appended import BASE, FOLDER, MANIFEST, StoreSubject, Unit, command_of, judged, put_by, row_of
from .asked_blend import NONE
from .blended_cell import KIND, BlendedCell, CellLora
from .comfy_doors import Image
from .named_judges import clip_named, faces_named
from .named_places import lora_file, lora_folders, lora_names, picture_folder, store_folder
from .node_pictures import pictures_of
from .studio_door import NodeError, studio_at_hand

NOW, LATER = "now", "later"
STORE = "A folder below ComfyUI's output folder, as stores/hina. Rank it by `python -m eval rank`."
PROMPT = "The very text that the picture was drawn of. Of the base model: with the class word for the trigger."
CELL = "From Exact LoRA blend. Without it: checkpoint, unet and te, of which none is the base model by itself."
READ = "now: the judging models read it, and the store is whole at once. later: the command that does it is shown."


def append_inputs() -> dict[str, dict[str, object]]:
    """The node's widgets, as ComfyUI asks for them."""
    weight = {"default": 1.0, "min": -5.0, "max": 5.0, "step": 0.05, "round": 0.001}
    return {
        "required": {
            "images": ("IMAGE",),
            "store": ("STRING", {"default": "stores/subject", "tooltip": STORE}),
            "prompt": ("STRING", {"default": "", "multiline": True, "tooltip": PROMPT}),
            "drawn_seed": ("INT", {"default": 0, "min": 0, "max": 2**64 - 1, "tooltip": "The sampler's seed."}),
            "checkpoint": ([NONE, *lora_names()], {"tooltip": CELL}),
            "unet": ("FLOAT", weight),
            "te": ("FLOAT", weight),
            "trigger": ("STRING", {"default": "ohwx person", "tooltip": "The words that stand for the subject."}),
            "class_word": ("STRING", {"default": "person", "tooltip": "What the subject is."}),
            "references": ("STRING", {"default": "references", "tooltip": "As in Score identity."}),
            "faces": ("STRING", {"default": "buffalo_l", "tooltip": "A face pack, as in Score identity."}),
            "clip_model": ("STRING", {"default": "ViT-B-32/laion2b_s34b_b79k", "tooltip": "Judges prompts."}),
            "read": ([NOW, LATER], {"tooltip": READ}),
        },
        "optional": {"cell": (KIND, {"tooltip": CELL})},
    }


class AppendToStore:
    """Keeps a picture and what it was drawn of; what is judged is what lies in the store's folder `appended`."""

    INPUT_TYPES = staticmethod(append_inputs)
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("words",)
    FUNCTION = "append"
    CATEGORY = "LoRA studio"
    OUTPUT_NODE = True
    DESCRIPTION = (
        "Puts a picture into a LoRA studio store. All pictures of a store are to differ in LoRAs, weights, prompt and "
        "seed alone: keep the rest of the workflow as it is. Append the base model's own pictures, too."
    )

    def append(self, images: Image, store: str, read: str, **widgets: object) -> dict[str, object]:
        """Put the picture by, and have the store made. Raises NodeError, or a UserError of the package."""
        folder, asked = store_folder(store), _Asked(widgets)
        pictures = pictures_of(images)
        if len(pictures) != 1:
            raise NodeError(
                f"images: {len(pictures)} pictures of one seed, and a unit is one prompt and seed; set batch_size to 1"
            )
        subject = asked.subject()
        with studio_at_hand():
            count = put_by(folder, row_of(asked.cell(), asked.unit()), pictures[0])
            told = _made(folder, subject, read)
        words = f"{folder / FOLDER}: {count} in {MANIFEST}\n{told}"
        return {"ui": {"text": [words]}, "result": (words,)}


class _Asked:
    """The widgets, by what they say."""

    def __init__(self, widgets: dict[str, object]) -> None:
        self._widgets = widgets

    def _text(self, name: str) -> str:
        return str(self._widgets[name]).strip()

    def unit(self) -> Unit:
        """What the picture was drawn of."""
        seed = self._widgets["drawn_seed"]
        if not isinstance(seed, int):
            raise NodeError("drawn_seed: is no whole number; connect the sampler's")
        return Unit(self._text("prompt"), seed)

    def subject(self) -> StoreSubject:
        """Who is judged, and by whom. Raises NodeError."""
        words = self._text("trigger"), self._text("class_word")
        if not all(words):
            raise NodeError("trigger and class_word: say both, as `ohwx person` and `person`")
        folder = picture_folder(self._text("references"), "references")
        return StoreSubject(*words, folder, faces_named(self._text("faces")), clip_named(self._text("clip_model")))

    def cell(self) -> BlendedCell:
        """The row: the blend's, or the one file's."""
        from foundation.files import sha256_of

        blended, name = self._widgets.get("cell"), self._text("checkpoint")
        if isinstance(blended, BlendedCell):
            return blended
        if name == NONE:
            return BASE
        path, weights = lora_file(name), [self._widgets[part] for part in ("unet", "te")]
        unet, te = (float(one) if isinstance(one, (int, float)) else 0.0 for one in weights)
        return BlendedCell((CellLora(path.stem, sha256_of(path), unet, te),))


def _made(folder: Path, subject: StoreSubject, read: str) -> str:
    """Make the store, or say how; while there are no two rows to compare, what is put by waits."""
    from eval.importing.imported_grid import NothingToCompareError

    loras = lora_folders()
    if read != NOW:
        return f"put by; once all are, run: {command_of(folder, subject, loras)}"
    try:
        done = judged(folder, subject, loras)
    except NothingToCompareError as error:
        return f"put by, and not compared yet: {error}"
    return "\n".join(str(line) for line in done.in_lines())
