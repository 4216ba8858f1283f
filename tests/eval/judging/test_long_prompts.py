"""Prompts longer than CLIP reads at once: what a store keeps of them, and what it kept before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eval.judging.judge_facts import texts_key
from eval.judging.judges import Judge
from eval.judging.readings import Reader
from eval.request.spec import ScoreSection
from eval.store.store import Store, create_store
from eval.store.tables import Reading
from foundation.progress import Silent

SHORT = "photo of a person, smiling"
LONG = ", ".join(["photo of a person, red hoodie, blue background, smiling at a dog beside a tree"] * 8)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return create_store(tmp_path / "store")


def reader(store: Store) -> Reader:
    return Reader(ScoreSection(), store, Silent())


def refuse(judge: Judge) -> None:
    raise AssertionError(f"{judge.facts.name} was loaded although all is read")


def test_a_store_keeps_how_many_parts_a_prompt_had(store: Store) -> None:
    reading = reader(store)
    reading.read_texts([SHORT, LONG])
    found = store.readings(texts_key(reading.judges.clip.facts.sha256))
    assert {text: one.count for text, one in found.items()} == {SHORT: 1, LONG: 3}


def test_of_an_earlier_store_only_long_prompts_are_read_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = reader(store)
    sha256 = first.judges.clip.facts.sha256
    kept = np.eye(4, dtype=np.float32)[0]
    store.add_readings(sha256, {SHORT: Reading(kept), LONG: Reading(kept)})
    first.read_texts([SHORT, LONG])
    found = store.readings(texts_key(sha256))
    assert np.array_equal(found[SHORT].vector, kept)  # type: ignore[arg-type]
    assert found[LONG].vector is not None
    assert found[LONG].vector.shape == (128,)
    # What is known is not asked for again, and short ones never need the weights.
    monkeypatch.setattr(Judge, "reader", property(refuse))
    reader(store).read_texts([SHORT, LONG])
    store.add_readings(sha256, {"a dog": Reading(kept)})
    reader(store).read_texts(["a dog"])
    assert np.array_equal(store.readings(texts_key(sha256))["a dog"].vector, kept)  # type: ignore[arg-type]
