"""*Score identity*: how alike pictures are to a folder of references, with words about what the number is worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .comfy_doors import Image
from .likeness_words import SeenPictures, told_likeness
from .named_judges import LICENCES, judge_named
from .named_places import picture_folder
from .node_pictures import pictures_of
from .studio_door import studio_at_hand

if TYPE_CHECKING:
    import numpy as np

    from eval.judging.picture_readers import AnyReader

REFERENCES = "A folder of pictures of the subject that were not trained on, below ComfyUI's input or output folder."
JUDGE = (
    "A face pack (buffalo_l; insightface fetches it once), a folder of one below models, opencv:FOLDER; for what has "
    "no face dinov2:FOLDER or clip:ARCHITECTURE/TAG."
)
BASE = "The base model's own pictures of the same prompts and seeds: no LoRA, the class word for the trigger."


def identity_inputs() -> dict[str, dict[str, object]]:
    """The node's widgets, as ComfyUI asks for them."""
    return {
        "required": {
            "images": ("IMAGE",),
            "references": ("STRING", {"default": "references", "tooltip": REFERENCES}),
            "judge": ("STRING", {"default": "buffalo_l", "tooltip": JUDGE}),
        },
        "optional": {"base_images": ("IMAGE", {"tooltip": BASE})},
    }


def references_as_they_are(references: str, **others: object) -> str:
    """What changes when a reference does, so that ComfyUI asks the node again."""
    folder = picture_folder(references, "references")
    return repr(sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()))


class ScoreIdentity:
    """Judges as `eval` does: by the largest face, or by whole pictures."""

    INPUT_TYPES = staticmethod(identity_inputs)
    IS_CHANGED = staticmethod(references_as_they_are)
    RETURN_TYPES = ("FLOAT", "STRING")
    RETURN_NAMES = ("likeness", "words")
    FUNCTION = "score"
    CATEGORY = "LoRA studio"
    OUTPUT_NODE = True
    DESCRIPTION = f"The likeness of pictures to references, and what it is worth. {LICENCES}"

    def __init__(self) -> None:
        self._judge: tuple[str, AnyReader] | None = None

    def score(self, images: Image, references: str, judge: str, base_images: Image | None = None) -> dict[str, object]:
        """The mean likeness, and words about it. Raises NodeError, or a UserError of the package."""
        folder = picture_folder(references, "references")
        pictures = pictures_of(images)
        with studio_at_hand():
            reader = self._reader(judge)
            base = pictures_of(base_images) if base_images is not None else []
            told = told_likeness(_seen(reader, pictures, base, folder))
        return {"ui": {"text": [str(told)]}, "result": (told.likeness, str(told))}

    def _reader(self, judge: str) -> AnyReader:
        """The judging model, that of the last time where it is the same."""
        from eval.judging.picture_readers import reader_of

        if self._judge is None or self._judge[0] != judge:
            self._judge = judge, reader_of(*judge_named(judge))
        return self._judge[1]


def _seen(reader: AnyReader, pictures: list[np.ndarray], base: list[np.ndarray], folder: Path) -> SeenPictures:
    from eval.judging.reading_arrays import vectors_found, vectors_of
    from eval.request.references import pictures_below, read_whole

    advice = "a reference: put it back, or take it out of the folder"
    shown = {sha256: read_whole(path, advice) for sha256, path in pictures_below(folder).items()}
    own = {f"picture {at}": picture for at, picture in enumerate(pictures)}
    others = {f"base {at}": picture for at, picture in enumerate(base)}
    together = own | others | shown
    read = dict(zip(together, (one.reading for one in reader.read(list(together.values()))), strict=True))
    seen, seen_base = (vectors_of(read, list(some)) for some in (own, others))
    return SeenPictures(seen, seen_base, vectors_found(read, list(shown)), reader.facts.name, reader.facts.licence)
