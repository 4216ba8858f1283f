"""BLIP by transformers: a sentence about a picture, in which the vocabulary's phrases are looked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import try_to_load_from_cache
from PIL import Image
from transformers import BlipForConditionalGeneration, BlipProcessor
from transformers.utils import logging

from base_models.model_hub import hub_model
from base_models.vision.torch_judges import device_of
from foundation.errors import UserError
from foundation.typed.untyped import untyped
from trainer.captioning.said import Said, mentions
from trainer.captioning.unwanted import PhraseList
from trainer.captioning.vocabulary import Vocabulary

NAME = "blip"
DEFAULT = "Salesforce/blip-image-captioning-base"
MOST_TOKENS = 40
CONFIG = "config.json"


class BlipError(UserError):
    """A BLIP that cannot be loaded."""


class Blip:
    """A BLIP model. What it invents (`unwanted`) is taken out before anything is looked for."""

    name = NAME

    def __init__(self, source: str, vocabulary: Vocabulary, unwanted: PhraseList, device: str = "auto") -> None:
        self._vocabulary, self._unwanted, self._device = vocabulary, unwanted, device_of(device)
        logging.disable_progress_bar()
        if not Path(source).expanduser().is_dir() and not isinstance(try_to_load_from_cache(source, CONFIG), str):
            hub_model("BLIP", source).announce()
        try:
            self._processor: Any = untyped(BlipProcessor).from_pretrained(source)
            model: Any = untyped(BlipForConditionalGeneration).from_pretrained(source, use_safetensors=True)
        except Exception as error:  # transformers, huggingface_hub and safetensors each raise their own
            reason = " ".join(str(error).split())[:200]
            raise BlipError(
                f"BLIP `{source}` cannot be loaded ({reason}); name a folder of its files, or a model of the hub as "
                f"{DEFAULT}"
            ) from error
        self._model: Any = model.to(self._device).eval()

    def describe(self, pictures: Sequence[np.ndarray]) -> Iterator[Said]:
        """Of each picture (H, W, 3) RGB uint8; the likeliest sentence, the same every time."""
        for picture in pictures:
            sentence = self._unwanted.without(self._sentence(picture))
            yield Said(self.name, self._scores(sentence), sentence=sentence)

    @torch.inference_mode()
    def _sentence(self, picture: np.ndarray) -> str:
        inputs: Any = self._processor(images=Image.fromarray(picture), return_tensors="pt").to(self._device)
        found: Any = self._model.generate(**inputs, max_new_tokens=MOST_TOKENS, num_beams=1, do_sample=False)
        return " ".join(str(self._processor.decode(found[0], skip_special_tokens=True)).split())

    def _scores(self, sentence: str) -> dict[str, dict[str, float]]:
        """It speaks of a slot only where its sentence does: what it leaves out may still be there."""
        found = {
            slot: {
                option: 1.0 for option, names in group.options.items() if any(mentions(sentence, one) for one in names)
            }
            for slot, group in self._vocabulary.items()
        }
        return {slot: scores for slot, scores in found.items() if scores}
