"""What a saved state says of itself: whose it is and how far it came, read without its tensors and without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from foundation.errors import ConfigurationError
from trainer.learning.run_state import RunState
from trainer.records.run_identity import RunIdentity, differences


@dataclass(frozen=True)
class StateHeader:
    """`identity` is the run's as JSON, or only its sha256, which is all that earlier versions wrote."""

    identity: str
    run_state: RunState
    optimizer: str

    def differences(self, run: RunIdentity) -> list[str]:
        """What keeps this from being a state of `run`, in words; none where it is one."""
        if self.identity.startswith("{"):
            return differences(RunIdentity.model_validate_json(self.identity), run)
        return [] if self.identity == run.sha256() else ["no record says how it was set"]


def read_header(path: Path) -> StateHeader | None:
    """None where there is no state. Raises ConfigurationError for a file that is damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as opened:
            said = opened.metadata() or {}
        header = StateHeader(said["identity"], RunState.model_validate_json(said["course"]), said["optimizer"])
        if header.identity.startswith("{"):
            RunIdentity.model_validate_json(header.identity)
        return header
    except (SafetensorError, ValidationError, KeyError, TypeError) as error:
        raise damaged_state_error(path) from error


def damaged_state_error(path: Path) -> ConfigurationError:
    return ConfigurationError(f"{path}: not a run's state; remove it, and the run starts from its beginning")


def another_runs_error(path: Path, name: str, changes: list[str]) -> ConfigurationError:
    """The refusal to write over what another run called `name` has left in `path`."""
    return ConfigurationError(
        f"{path}: belongs to another run named `{name}` ({'; '.join(changes)}); "
        "choose another output.name, or move that run's files away"
    )
