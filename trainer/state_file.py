"""A run's state on the disk: adapters, optimizer and course in one safetensors file, whole or absent. No pickles."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from trainer.course import Course
from trainer.files import whole_file
from trainer.guarding.weights import GuardedWeights
from trainer.identity import RunIdentity
from trainer.state_header import damaged, foreign, read_header
from trainer.structure import mapped, put_together, taken_apart

WEIGHTS = "weights"


@dataclass(frozen=True)
class Snapshot:
    """A sound state of a run, copied: the flat live weights, the optimizer's state, and the course."""

    course: Course
    weights: Tensor
    optimizer: dict[str, object]


def take_snapshot(course: Course, weights: GuardedWeights, optimizer: torch.optim.Optimizer) -> Snapshot:
    state = cast("dict[str, object]", mapped(optimizer.state_dict(), torch.clone))
    return Snapshot(course, weights.copy(), state)


def put_back(snapshot: Snapshot, weights: GuardedWeights, optimizer: torch.optim.Optimizer) -> Course:
    """Restore weights and optimizer to the snapshot, which stays as it is, and return its course."""
    weights.restore(snapshot.weights)
    optimizer.load_state_dict(cast("dict[str, object]", mapped(snapshot.optimizer, torch.clone)))
    return snapshot.course


def save_state(snapshot: Snapshot, identity: RunIdentity, path: Path) -> None:
    """Write the state whole. `identity` is that of the run that it belongs to."""
    tensors = {WEIGHTS: snapshot.weights.detach().cpu()}
    optimizer = json.dumps(taken_apart(snapshot.optimizer, tensors))
    header = {
        "identity": identity.model_dump_json(),
        "course": snapshot.course.model_dump_json(),
        "optimizer": optimizer,
    }
    with whole_file(path) as beside:
        save_file(tensors, beside, header)


def load_state(path: Path, identity: RunIdentity) -> Snapshot | None:
    """The state in `path`, on the CPU; None when there is none, or one of another run that has made no step.

    Raises ConfigurationError for a file that is damaged, or that has steps of another run.
    """
    header = read_header(path)
    if header is None:
        return None
    if changes := header.differences(identity):
        if header.course.done:
            raise foreign(path, path.stem, changes)
        return None
    try:
        with safe_open(path, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        optimizer = put_together(json.loads(header.optimizer), tensors)
        return Snapshot(header.course, tensors[WEIGHTS], cast("dict[str, object]", optimizer))
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise damaged(path) from error
