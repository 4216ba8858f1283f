"""Zero-shot attributes by open_clip: of a slot's phrases, the one whose text is nearest to the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from base_models.vision.clip_model import LOCAL, ClipModel, load_clip
from base_models.vision.close_up import close_up
from base_models.vision.face_model import FaceModel
from miniature.paths import folder_of
from trainer.captioning.said import Said
from trainer.captioning.vocabulary import Vocabulary

NAME = "clip"


def load_describing_clip(name: str, device: str = "auto") -> ClipModel:
    """As `load_clip`, but "miniature" is its second CLIP, for captions: the first, which judges, sees no mouth."""
    folder = folder_of("caption_clip", name)
    return load_clip(f"{LOCAL}{folder}" if folder else name, device)


class ClipCaptioner:
    """Speaks of every slot of its vocabulary. `faces` finds the face that slots of the region "face" are about."""

    name = NAME

    def __init__(self, model: ClipModel, vocabulary: Vocabulary, class_word: str, faces: FaceModel | None) -> None:
        self._model, self._vocabulary, self._faces = model, vocabulary, faces
        self._texts = {
            slot: model.embed_texts([prompt_of(option, class_word) for option in group.options])
            for slot, group in vocabulary.items()
        }

    def describe(self, pictures: Sequence[np.ndarray]) -> Iterator[Said]:
        """Of each picture (H, W, 3) RGB uint8."""
        whole = self._model.embed_pictures(pictures)
        near = self._model.embed_pictures([self._near(one) for one in pictures]) if self._faces else whole
        for seen, of_face in zip(whole, near, strict=True):
            scores = {
                slot: self._scores(slot, of_face if group.region == "face" else seen)
                for slot, group in self._vocabulary.items()
            }
            yield Said(self.name, scores)

    def _scores(self, slot: str, seen: np.ndarray) -> dict[str, float]:
        """Softmax of the cosines at the model's own temperature (Radford et al. 2021, section 3.1.2)."""
        logits = self._model.scale * (self._texts[slot] @ seen)
        shares = np.exp(logits - logits.max())
        return dict(zip(self._vocabulary[slot].options, map(float, shares / shares.sum()), strict=True))

    def _near(self, picture: np.ndarray) -> np.ndarray:
        """The face, or the whole picture where none is found."""
        box = None if self._faces is None else self._faces.read(picture).box
        return picture if box is None else close_up(picture, box)


def prompt_of(option: str, class_word: str) -> str:
    """What CLIP reads of an option; of nothing, the class alone."""
    bare = f"photo of {'an' if class_word[:1].casefold() in 'aeiou' else 'a'} {class_word}"
    return f"{bare}, {option}" if option else bare
