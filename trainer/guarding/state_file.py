"""A run's state on the disk: adapters, optimizer and how far it came, in one safetensors file. No pickles."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from foundation.safetensors_stream import write_tensors
from trainer.guarding.guarded_weights import GuardedWeights
from trainer.guarding.optimizer_state import map_tensors, tensors_apart, tensors_rejoined
from trainer.learning.run_state import RunState
from trainer.records.run_identity import RunIdentity
from trainer.records.state_header import another_runs_error, damaged_state_error, read_header

WEIGHTS = "weights"


@dataclass(frozen=True)
class Snapshot:
    """A sound state of a run, copied: the flat live weights, the optimizer's state, and how far the run came."""

    run_state: RunState
    weights: Tensor
    optimizer: dict[str, object]


def take_snapshot(run_state: RunState, weights: GuardedWeights, optimizer: torch.optim.Optimizer) -> Snapshot:
    """A copy that later steps leave alone, on the device that the weights are on."""
    state = cast("dict[str, object]", map_tensors(optimizer.state_dict(), torch.clone))
    return Snapshot(run_state, weights.copy(), state)


def put_back(snapshot: Snapshot, weights: GuardedWeights, optimizer: torch.optim.Optimizer) -> RunState:
    """Restore weights and optimizer to the snapshot, which stays as it is, and return how far it had come."""
    weights.restore(snapshot.weights)
    optimizer.load_state_dict(cast("dict[str, object]", map_tensors(snapshot.optimizer, torch.clone)))
    return snapshot.run_state


def save_state(snapshot: Snapshot, identity: RunIdentity, path: Path) -> None:
    """Write the state whole. `identity` is that of the run that it belongs to."""
    tensors = {WEIGHTS: snapshot.weights.detach().cpu()}
    optimizer = json.dumps(tensors_apart(snapshot.optimizer, tensors))
    header = {
        "identity": identity.model_dump_json(),
        "course": snapshot.run_state.model_dump_json(),
        "optimizer": optimizer,
    }
    write_tensors(path, tensors, header)


def load_state(path: Path, identity: RunIdentity) -> Snapshot | None:
    """The state in `path`, on the CPU; None when there is none, or one of another run that has made no step.

    Raises ConfigurationError for a file that is damaged, or that has steps of another run.
    """
    header = read_header(path)
    if header is None:
        return None
    if changes := header.differences(identity):
        if header.run_state.done:
            raise another_runs_error(path, path.stem, changes)
        return None
    try:
        with safe_open(path, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        optimizer = tensors_rejoined(json.loads(header.optimizer), tensors)
        return Snapshot(header.run_state, tensors[WEIGHTS], cast("dict[str, object]", optimizer))
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise damaged_state_error(path) from error
