"""A step that is not finite or explodes: it never reaches the weights, its pictures are named, and the run goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from base_models.base_model import load_base
from foundation.errors import DivergedError
from foundation.progress import Silent
from tiny import tiny_base, tiny_data, tiny_settings
from trainer.config.config import TrainConfig, parse_config
from trainer.data.buckets import frames_of
from trainer.data.dataset import read_dataset
from trainer.data.plan import make_plan
from trainer.guarding.guarded_weights import GuardedWeights
from trainer.learning.processes import Processes, Told
from trainer.records.record import RunRecord
from trainer.records.run_identity import RunIdentity, identity_of
from trainer.running.session import Session, prepare
from trainer.running.training import carry_out


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


def _config(data: Path, base: Path, **tables: dict[str, object]) -> TrainConfig:
    settings = tiny_settings(base)
    merged = {name: {**settings.get(name, {}), **tables.get(name, {})} for name in [*settings, "guards"]}
    return parse_config(dict(merged), data / "run.toml")


def _session(folder: Path, base: Path, **tables: dict[str, object]) -> tuple[Session, RunIdentity]:
    config = _config(tiny_data(folder), base, **tables)
    config.output.folder.mkdir()
    dataset = read_dataset(config.data.train, config.data.reg)
    plan = make_plan(dataset, config.training, frames_of(dataset, config.data))
    session = prepare(config, dataset, plan, load_base(str(base)), Silent())
    return session, identity_of(config, dataset.sha256(), "base")


def _run(session: Session, identity: RunIdentity) -> RunRecord:
    return carry_out(session, identity, (), Silent())


def _poison(session: Session, step: int) -> str:
    """Break the latent of a picture that first appears in `step`; returns its name."""
    seen = {sample for one in session.plan.steps[: step - 1] for batch in one.batches for sample in batch}
    broken = next(sample for sample in session.plan.steps[step - 1].batches[0] if sample not in seen)
    session.updater.setup.inputs.latents[broken][0, 0, 0] = nan
    return session.updater.setup.inputs.names[broken]


def test_a_run_stops_when_no_picture_of_the_subject_is_left(tmp_path: Path, base: Path) -> None:
    """Else it would go on to its end, learning nothing, or the class alone."""
    session, identity = _session(tmp_path, base, training={"batch_size": 1}, guards={"max_rollbacks": 20})
    for sample in range(session.updater.setup.of_subject):
        session.updater.setup.inputs.latents[sample][0, 0, 0] = nan
    with pytest.raises(DivergedError, match="no picture of the subject is left"):
        _run(session, identity)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_broken_latent_is_named_left_out_and_the_rates_halved(tmp_path: Path, base: Path) -> None:
    session, identity = _session(tmp_path, base)
    name = _poison(session, 2)
    record = _run(session, identity)
    (event,) = record.events
    assert event.kind == "pictures"
    assert [name in picture for picture in event.pictures] == [True]
    assert record.verdict
    assert record.verdict.name == "diverged on these pictures"
    assert name in record.verdict.reason
    lines = [json.loads(line) for line in (Path(record.folder) / "hina-log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[0]["unet_lr"] == 0.01
    assert lines[1]["unet_lr"] < 0.01 / 2
    for path in Path(record.folder).glob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(path).values())


def test_stop_names_the_picture_and_writes_nothing_after(tmp_path: Path, base: Path) -> None:
    session, identity = _session(tmp_path, base, guards={"on_divergence": "stop"})
    name = _poison(session, 1)
    before = session.updater.weights.copy()
    with pytest.raises(DivergedError, match=f"step 1: the loss is not finite; {name}"):
        _run(session, identity)
    assert torch.equal(session.updater.weights.copy(), before)
    assert not list(session.config.output.folder.glob("*.safetensors"))


def test_skip_leaves_the_step_out_and_keeps_the_rates(tmp_path: Path, base: Path) -> None:
    session, identity = _session(tmp_path, base, guards={"on_divergence": "skip"})
    name = _poison(session, 2)
    record = _run(session, identity)
    assert name in record.events[0].pictures[0]
    lines = [json.loads(line) for line in (Path(record.folder) / "hina-log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 3, 4, 5, 6]
    assert record.done == 6


def test_a_gradient_that_breaks_for_every_picture_is_nobodys_fault(tmp_path: Path, base: Path) -> None:
    session, identity = _session(tmp_path, base)
    session.updater.weights.live[3].register_hook(lambda gradient: gradient * inf)
    before = session.updater.weights.copy()
    with pytest.raises(DivergedError, match="overflow: at step 1 the gradient is not finite"):
        _run(session, identity)
    assert torch.equal(session.updater.weights.copy(), before)


def test_what_came_before_the_broken_step_is_exactly_what_a_sound_run_makes(tmp_path: Path, base: Path) -> None:
    sound, identity = _session(tmp_path / "a", base)
    broken, other = _session(tmp_path / "b", base, guards={"on_divergence": "stop"})
    _poison(broken, 3)
    with pytest.raises(DivergedError):
        _run(broken, other)
    steps = sound.plan.steps
    sound_plan = replace(sound.plan, steps=steps[:2])
    # The plan's length shapes the learning rates, so only the number of steps that are made is cut.
    short = Session(**{**sound.__dict__, "plan": sound_plan})
    _run(short, identity)
    assert torch.equal(short.updater.weights.copy(), broken.updater.weights.copy())


def test_a_step_that_breaks_only_when_it_is_made_again_is_undone_too(tmp_path: Path, base: Path) -> None:
    """A GPU's kernels may differ between two runs of a step: here the second of step 2 has a gradient not finite."""
    sound, identity = _session(tmp_path / "a", base)
    broken, other = _session(tmp_path / "b", base, guards={"on_divergence": "stop"})
    _poison(broken, 3)
    backwards = iter(range(99))
    # Steps 1, 2 and 3 of the first attempt, then 1 and 2 again.
    broken.updater.weights.live[3].register_hook(lambda gradient: gradient * (inf if next(backwards) == 4 else 1))
    with pytest.raises(DivergedError, match="step 2: the gradient is not finite"):
        _run(broken, other)
    short = replace(sound, plan=replace(sound.plan, steps=sound.plan.steps[:1]))
    _run(short, identity)
    assert torch.equal(short.updater.weights.copy(), broken.updater.weights.copy())
    ours, theirs = (one.updater.optimizer.state_dict()["state"] for one in (short, broken))
    assert all(torch.equal(value, theirs[at][name]) for at, one in ours.items() for name, value in one.items())


@dataclass(frozen=True)
class _First(Processes):
    """Keeps what it finds."""

    told: list[Any] = field(default_factory=list)

    def told_by_first(self, find: Callable[[], Told]) -> Told:
        self.told.append(find())
        return self.told[-1]


@dataclass(frozen=True)
class _Later(_First):
    """Is told what another found, and does not look itself."""

    def told_by_first(self, find: Callable[[], Told]) -> Told:
        return self.told.pop(0)


def test_every_process_goes_on_as_the_first_one_found(tmp_path: Path, base: Path) -> None:
    """The latent is broken for the first process alone; the others leave the picture out all the same."""
    first, later = _First(), _Later()
    courses: list[RunRecord] = []
    for process in (first, later):
        session, identity = _session(tmp_path / str(len(courses)), base)
        if process is first:
            _poison(session, 2)
        courses.append(_run(replace(session, updater=replace(session.updater, processes=process)), identity))
        later.told.extend(first.told)
    assert [event.pictures for event in courses[0].events] == [event.pictures for event in courses[1].events]
    assert courses[1].events[0].pictures
    assert not later.told[len(first.told) :]


def test_a_text_encoder_that_learns_nothing_is_called_vanished(tmp_path: Path, base: Path) -> None:
    session, identity = _session(tmp_path, base, training={"te_lr": 1e-9})
    record = _run(session, identity)
    assert record.verdict
    assert record.verdict.name == "vanished"
    assert "raise te_lr (1e-09)" in record.verdict.advice
    text, unet = record.readings[-1].parts
    assert (text.part, text.dead, unet.part, unet.dead) == ("te1", text.modules, "unet", 0)
    assert unet.moved > 100 * text.moved


def test_candidates_reach_the_weights_only_when_allowed_and_finite() -> None:
    live = [torch.nn.Parameter(torch.ones(3, 5)), torch.nn.Parameter(torch.ones(2))]
    weights = GuardedWeights(live)
    for candidate, value in zip(weights.candidates, (2.0, 3.0), strict=True):
        candidate.data.fill_(value)
    assert not weights.accept(torch.tensor(False))
    assert live[0].sum().item() == 15
    assert weights.accept(torch.tensor(True))
    assert (live[0].sum().item(), live[1].sum().item()) == (30, 6)
    weights.candidates[1].data[0] = nan
    assert not weights.accept(torch.tensor(True))
    assert (live[0].sum().item(), live[1].sum().item()) == (30, 6)
