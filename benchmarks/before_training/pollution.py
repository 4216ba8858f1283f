"""How far the miniature's base model answers words: names that it was trained on, and words that are new to it.

    python benchmarks/before_training/pollution.py [--seeds 16]

Each word is measured as `trainer check --base` does it. The last line is one JSON object; `known_low` is the least
lower end of an interval among the names, `new_high` the greatest upper end among the new words. Which words are new was
not chosen by what they draw: the first three of the shipped list.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from base_models.base_source import find_base
from foundation.progress import Silent
from miniature.paths import SUBJECT
from miniature.recipe.world import CLASS_WORD, NAMED
from trainer.trigger_test.known_words import KnownWords, read_known_words
from trainer.trigger_test.measuring import Answered, TriggerQuestion, measure_trigger
from trainer.trigger_test.readers import face_reader
from trainer.trigger_test.wording import in_words

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from this_machine.words import machine_in_words

NEW_WORDS = 3


def measured(words: tuple[str, ...], seeds: int) -> list[Answered]:
    """Each of `words`: the first as the trigger, the others as names that captions hold."""
    pictures = sorted(SUBJECT.glob("Train/7_*/*.png"))
    first, *others = words
    question = TriggerQuestion(
        base=find_base("miniature"),
        trigger=first,
        class_word=CLASS_WORD,
        captions=[f"photo of {word}, smiling" for word in others],
        pictures=[Path(one) for one in pictures],
        known=KnownWords(given=words),
        device="cpu",
        seeds=seeds,
    )
    report = measure_trigger(question, face_reader("miniature"), Silent())
    return [report.trigger, *report.names]


def main() -> None:
    """Measure, print a line a word, then the JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=16)
    seeds = parser.parse_args().seeds
    known = measured(tuple(NAMED), seeds)
    new = measured(read_known_words().rare[:NEW_WORDS], seeds)
    for one in (*known, *new):
        print(f"{one.words:8} {one.pollution.verdict:12} {in_words(one)}", flush=True)
    print(
        json.dumps(
            {
                "known_low": min(one.pollution.low for one in known),
                "new_high": max(one.pollution.high for one in new),
                "known": {one.words: one.pollution.share for one in known},
                "new": {one.words: one.pollution.share for one in new},
                "seeds": seeds,
                "machine": machine_in_words(),
            }
        )
    )


if __name__ == "__main__":
    main()
