"""How the captions call the subject: as asked, as the run's files say, or as the folders' names have it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from foundation.typed.untyped import untyped
from miniature.paths import FOLDERS
from trainer.checking.evidence import Subject
from trainer.checking.survey import Sighted
from trainer.starting.caption_words import guessed_trigger
from trainer.starting.judge_choice import PEOPLE

# All families of Stable Diffusion split captions by CLIP's vocabulary, which this file holds.
TOKENIZER = FOLDERS["base"] / "tokenizer" / "tokenizer.json"


def subject_of(train: Sequence[Sighted], trigger: str | None, class_word: str | None) -> Subject:
    """`10_ohwx woman` says trigger and class word, where nothing else does; a name of one word says neither."""
    named = [one.folder.path.name for one in train if one.folder.repeats]
    guessed = guessed_trigger(named)
    whole = trigger or (guessed[0] if guessed else "")
    kind = class_word or (guessed[1] if guessed else "")
    class_words = {word.casefold() for word in kind.split()}
    own = " ".join(word for word in whole.split() if word.casefold() not in class_words)
    is_person = any(word.casefold() in PEOPLE for word in kind.split())
    return Subject(whole, own, kind, is_person)


def token_counts(captions: Sequence[str], file: Path = TOKENIZER) -> dict[str, int]:
    """How many tokens each caption is, without start and end."""
    import tokenizers

    reader = untyped(tokenizers).Tokenizer.from_file(str(file))
    reader.no_truncation()
    reader.no_padding()
    distinct = list(dict.fromkeys(captions))
    read = reader.encode_batch(distinct, add_special_tokens=False)
    return {text: len(one.ids) for text, one in zip(distinct, read, strict=True)}
