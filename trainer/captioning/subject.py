"""Trigger and class word of a dataset, where nobody says them: as kohya's folder names and captions have them."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.captioning.caption_files import Captioned
from trainer.captioning.request import CaptionRequest, CaptionRequestError
from trainer.starting.caption_words import guessed_trigger


def subject_of(request: CaptionRequest, pictures: Sequence[Captioned]) -> tuple[str, str]:
    """Trigger and class word. Raises CaptionRequestError where the folders do not tell what was not said."""
    guessed = guessed_trigger([one.picture.parent.name for one in pictures if "_" in one.picture.parent.name])
    trigger = request.trigger or (guessed[0] if guessed else "")
    class_word = request.class_word or (
        guessed[1] if guessed else trigger.split()[-1] if len(trigger.split()) > 1 else ""
    )
    if not trigger or not class_word:
        raise CaptionRequestError(
            f"{request.folder}: its folders' names do not tell the subject; name the trigger and what it is, as "
            '--trigger "ohwx person" --class person'
        )
    return trigger, class_word
