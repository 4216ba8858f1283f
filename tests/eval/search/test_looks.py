"""Cells chosen by looks of few steps: cheaper, never scored, never made twice, finished where too little is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.reporting.ranked_grid import open_ranked
from eval.reporting.search_sentences import in_sentences
from eval.request.cells import Sampling
from eval.request.plan import Plan
from eval.request.spec import GridSpec, read_spec
from eval.search.looks import accounts_of, plan_in, steps_tried
from eval.search.run_search import run_search
from grid_folders import GridFolder
from searches import Heard, copy_of, most_of, pictures_of, with_search

STEPS, LOOK = 4, 2


def asked(made: GridFolder) -> GridSpec:
    spec = read_spec(made.spec)
    drawn = spec.sampler.model_copy(update={"steps": STEPS})
    lora = spec.lora.model_copy(update={"unet": [0.4, 0.7], "te": [0.5]})
    wanted = {"looks": "few-steps", "look_steps": LOOK}
    return with_search(spec.model_copy(update={"sampler": drawn, "lora": lora}), **wanted)


def test_cells_are_chosen_by_looks_and_scored_finished(
    written: GridFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed when it comes to confirm, too: what was made until then is not made again."""
    made, heard = copy_of(written, tmp_path / "grid"), Heard()
    monkeypatch.setattr("eval.search.run_search.LEAST_SEEN", 0.0)  # two steps show a face or none
    with monkeypatch.context() as patched:
        patched.setattr("eval.search.search_rounds.enough_pairs", _killed)
        with pytest.raises(KeyboardInterrupt):
            run_search(asked(made), False, heard)
    looks = pictures_of(made.store)
    record = run_search(asked(made), False, Heard()).record
    found = pictures_of(made.store)
    assert looks.items() <= found.items()
    assert (record.look_forwards, record.rendered) == (LOOK, len(found))
    assert record.rendered_forwards == LOOK * len(looks) + STEPS * (len(found) - len(looks))
    # What the base model's own looks show was seen before.
    assert record.rendered_forwards <= most_of(heard, "UNet forwards") + LOOK * record.rounds[0].units
    scored = {one for row in open_ranked(made.store).grid.all_pictures() for one in row}
    assert scored == {Path(name).stem for name in found.keys() - looks.keys()}
    assert record.forwards < record.grid_forwards
    assert f"fewer steps, {LOOK} UNet forwards each" in " ".join(in_sentences(record))


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 30), st.sampled_from(["euler_a", "heun"]))
def test_what_is_tried_grows_and_stays_well_below_a_finished_picture(steps: int, look: int, sampler: str) -> None:
    plan = Plan(Sampling("b", "float32", sampler, steps, 9.0, 64, 64, 1, ""), {}, [], [])
    asked_for = _spec(looks="few-steps", look_steps=look)
    tried = steps_tried(asked_for, plan, certify=False)
    assert tried == sorted(set(tried))
    assert all(look <= one <= steps / 2 for one in tried)
    assert bool(tried) == (look <= steps / 2)
    assert steps_tried(asked_for, plan, certify=True) == steps_tried(_spec(), plan, certify=False) == []
    forwards = accounts_of("request", plan, tried)
    assert sorted(forwards.values()) == [
        *(plan_in(plan, one).sampling.forwards for one in tried),
        plan.sampling.forwards,
    ]


def _spec(**search: object) -> GridSpec:
    values = {
        "model": {"base": "miniature"},
        "lora": {"checkpoints": ["a.safetensors"], "unet": [1.0], "te": [1.0]},
        "prompts": {"texts": ["photo of a ohwx person"], "seeds": 1, "trigger": "ohwx person", "class": "person"},
        "references": {"held_out": "r"},
        "store": {"path": "s"},
        "search": search,
    }
    return GridSpec.model_validate(values)
