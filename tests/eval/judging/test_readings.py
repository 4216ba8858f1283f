"""What is read of a picture is kept at once: a kill leaves all of it or none."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import event

from eval.judging.judge_facts import box_key
from eval.judging.readings import Reader
from eval.request.references import References
from eval.request.spec import ScoreSection
from eval.store.store import create_store
from foundation.files import sha256_of
from foundation.progress import Silent
from kept_rows import KeptRows
from miniature.paths import SUBJECT


class Killed(BaseException):
    """What stands for a kill: nothing catches it."""


@pytest.mark.parametrize("at", [1, 2])
def test_a_reading_is_never_there_without_its_box(at: int, tmp_path: Path, kept_rows: KeptRows) -> None:
    """With the reading there and the box not, the box would never be read: the picture has been seen."""
    places = sorted((SUBJECT / "references").glob("*.png"))[:2]
    references = References({sha256_of(path): path for path in places}, {})
    store = create_store(kept_rows.prepare(tmp_path / "store"))
    reader = Reader(ScoreSection(faces="miniature", clip="miniature"), store, Silent())
    left = [at]

    def die(_: object) -> None:
        left[0] -= 1
        if not left[0]:
            raise Killed

    judge = reader.judges.likeness.facts.sha256
    event.listen(store.engine, "commit", die)
    with suppress(Killed):
        reader.read_references(references)
    assert set(store.readings(judge)) == set(store.readings(box_key(judge)))
    event.remove(store.engine, "commit", die)
    reader.read_references(references)
    assert set(store.readings(judge)) == set(store.readings(box_key(judge))) == set(references.held_out)
    store.close()
