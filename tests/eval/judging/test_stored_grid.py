"""What a store keeps of prompts and training pictures, so that a copy can be named."""

from pathlib import Path

import pytest

from eval.judging.stored_grid import KEY, load_evidence, load_grid
from eval.store.connection import StoreError
from eval.store.store import Store, open_store
from synthetic_store import Size, write_store

TINY = Size(epochs=(1, 2), unet=(1.0,), te=(1.0,), seeds=2)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(write_store(tmp_path, TINY))


def test_evidence_knows_what_prompts_call_the_subject_by(store: Store) -> None:
    grid = load_grid(store)
    evidence = load_evidence(grid)
    assert evidence.trigger == grid.snapshot.trigger != ""
    assert evidence.class_word == grid.snapshot.class_word != ""


def test_training_pictures_are_called_by_their_files_or_by_their_hashes_where_places_were_not_kept(
    store: Store,
) -> None:
    snapshot = load_grid(store).snapshot
    first, second = snapshot.training[:2]
    assert first[:12] == load_evidence(load_grid(store)).looks.training_names[0]
    store.set_fact(KEY, snapshot.model_copy(update={"places": {second: "/photos/two.png"}}).model_dump(mode="json"))
    looks = load_evidence(load_grid(store)).looks
    assert list(looks.training_names[:2]) == [first[:12], "two.png"]
    assert len(looks.training_names) == len(looks.training)


@pytest.mark.parametrize("fault", ["a way that is not there", "the last way", "no files", "no sampling", "half a one"])
def test_a_record_of_which_no_cell_could_be_drawn_is_a_sentence(store: Store, fault: str) -> None:
    record = load_grid(store).snapshot.model_dump(mode="json")
    changes: dict[str, object] = {
        "a way that is not there": {"setting": 10**20},
        "the last way": {"setting": -1},
        "no files": {"uses": []},
    }
    if fault in changes:
        record["cells"][-1] |= changes[fault]
    else:
        record["sampling"] = {} if fault == "no sampling" else dict([*record["sampling"].items()][1:])
    store.set_fact(KEY, record)
    with pytest.raises(StoreError, match="another version; run"):
        load_grid(store)
