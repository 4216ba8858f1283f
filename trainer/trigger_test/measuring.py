"""How far a base model already answers a trigger: drawn and read over several seeds, beside the class word."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from base_models.base_source import BaseSource
from base_models.drawing.painter import Painters, PaintJob, Wanted, opened_painters
from base_models.drawing.png import read_picture, to_bytes
from base_models.drawing.settings import DrawingSettings
from base_models.pictures.picture_file import UnreadablePictureError
from base_models.vision.likeness import unit_length
from foundation.chunks import chunks
from foundation.errors import UserError
from foundation.progress import Reporter
from trainer.trigger_test.known_words import KnownWords, Named, names_in
from trainer.trigger_test.pollution import FEWEST_SEEDS, Pollution, pollution

DEFAULT_SEEDS = 16
MOST_NAMES, MOST_TRIED, ENOUGH = 5, 6, 3
SUBJECTS_READ = 60  # training pictures that say how alike one person is to herself
# Reads pictures (H, W, 3) uint8 as unit vectors (N, D), NaN where there is nothing to be read.
Reader = Callable[[Sequence[np.ndarray]], np.ndarray]


class NothingReadError(UserError):
    """The class word's own pictures show no face, so that nothing can be compared with them."""


@dataclass(frozen=True)
class TriggerQuestion:
    """What is asked of a base model. `pictures`: those of the subject, which say how alike one person is to herself.

    `device` as a configuration names it; with "auto" all GPUs draw. `known`: names and words that are known beforehand.
    """

    base: BaseSource
    trigger: str
    class_word: str
    captions: Sequence[str]
    pictures: Sequence[Path]
    known: KnownWords
    device: str = "auto"
    dtype: str = "float32"
    seeds: int = DEFAULT_SEEDS
    steps: int = 30
    cfg: float = 9.0

    @property
    def drawing(self) -> DrawingSettings:
        """The protocol's, at the base model's own size."""
        return DrawingSettings("euler_a", self.steps, self.cfg, self.base.size, self.base.size)


@dataclass(frozen=True)
class Answered:
    """How far the base model has an idea of its own of a word.

    `prompt` is what was drawn; `captions`: how many of them name it.
    """

    words: str
    prompt: str
    pollution: Pollution
    captions: int = 0


@dataclass(frozen=True)
class TriggerReport:
    """The trigger, who is named in captions, and rarer words that were tried because the trigger is not free."""

    trigger: Answered
    class_prompt: str
    names: tuple[Answered, ...]
    unmeasured_names: tuple[Named, ...]
    suggestions: tuple[Answered, ...]

    @property
    def best(self) -> tuple[Answered, ...]:
        """Suggestions that are surely free, the freest first."""
        free = [one for one in self.suggestions if one.pollution.verdict == "free"]
        return tuple(sorted(free, key=lambda one: one.pollution.high)[:ENOUGH])


def measure_trigger(question: TriggerQuestion, read: Reader, reporter: Reporter) -> TriggerReport:
    """Draw the class word, the trigger, the names in captions and, unless it is free, rarer words; compare them.

    Raises BaseModelError for a base that cannot be loaded, ConfigurationError for a device that is not here, and
    NothingReadError.
    """
    job = PaintJob(question.base, question.dtype, question.device, question.drawing)
    ceiling = _ceiling(question.pictures, read)
    with opened_painters(job) as painters:
        bench = _Bench(question, painters, job.at_once, read, reporter)
        plain = bench.vectors(class_prompt := f"photo of {article(question.class_word)} {question.class_word}")
        _check_seen(plain, class_prompt)

        def answered(words: str, captions: int = 0) -> Answered:
            prompt = prompt_of(words, question.class_word)
            return Answered(words, prompt, pollution(bench.vectors(prompt), plain, ceiling), captions)

        trigger = answered(question.trigger)
        found = names_in(question.captions, question.trigger, question.class_word, question.known)
        names = tuple(answered(one.words, one.captions) for one in found[:MOST_NAMES])
        tried = () if trigger.pollution.verdict == "free" else tuple(_tried(question, answered))
    return TriggerReport(trigger, class_prompt, names, tuple(found[MOST_NAMES:]), tried)


def prompt_of(words: str, class_word: str) -> str:
    """The bare prompt of a word, the class word behind it, so that what is drawn is of the class in any case."""
    has_class = class_word.casefold() in (word.casefold() for word in words.split())
    whole = words if has_class else f"{words} {class_word}"
    return f"photo of a {whole}"


def article(word: str) -> str:
    """`an` before a vowel."""
    return "an" if word[:1].casefold() in "aeiou" else "a"


def _check_seen(plain: np.ndarray, prompt: str) -> None:
    seen = int(np.isfinite(plain[:, 0]).sum())
    if seen < FEWEST_SEEDS:
        raise NothingReadError(
            f"of {len(plain)} pictures that the base model draws of `{prompt}`, {seen} show a face: the trigger cannot "
            "be tested by faces; name another face pack"
        )


def _tried(question: TriggerQuestion, answered: Callable[[str], Answered]) -> Iterator[Answered]:
    """Rarer words, until enough of them are free."""
    said = {word.casefold() for caption in question.captions for word in caption.replace(",", " ").split()}
    left = [word for word in question.known.rare if word not in said and word not in question.trigger.split()]
    free = 0
    for word in left[:MOST_TRIED]:
        yield (one := answered(word))
        free += one.pollution.verdict == "free"
        if free == ENOUGH:
            return


@dataclass(frozen=True)
class _Bench:
    question: TriggerQuestion
    painters: Painters
    at_once: int
    read: Reader
    reporter: Reporter

    def vectors(self, prompt: str) -> np.ndarray:
        """(S, D) of its pictures, the same seeds for every prompt."""
        wanted = [Wanted(prompt, seed) for seed in range(1, self.question.seeds + 1)]
        advance = self.reporter.task(f"drawing `{prompt}`", len(wanted))
        pictures: dict[Wanted, np.ndarray] = {}
        for batch, drawn in self.painters.draw(chunks(wanted, self.at_once)):
            pictures |= dict(zip(batch, map(to_bytes, drawn), strict=True))
            advance(len(batch))
        return self.read([pictures[one] for one in wanted])


def _ceiling(pictures: Sequence[Path], read: Reader) -> float:
    """Mean cosine between pictures of the subject; 1, which makes every share smaller, where no two can be read."""
    shown: list[np.ndarray] = []
    for path in pictures[:SUBJECTS_READ]:
        try:
            shown.append(read_picture(path))
        except UnreadablePictureError:
            continue  # who checks or trains on it says so
    vectors = read(shown) if shown else np.empty((0, 1))
    seen = unit_length(vectors[np.isfinite(vectors[:, 0])].astype(np.float64))
    count = len(seen)
    return float(((seen @ seen.T).sum() - count) / (count * (count - 1))) if count > 1 else 1.0
