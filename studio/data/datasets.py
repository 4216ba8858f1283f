"""The datasets that there are to look at: a subject's configuration, or a folder; where its pictures lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from foundation.errors import UserError
from studio.languages.translation import tr
from studio.shared.allowed_folders import AllowedFolders
from trainer.checking.request import CheckRequest
from trainer.checking.settings import Role, settings_of

# A folder of so few parts holds everything of somebody.
LEAST_DEPTH = 3


class DataOutsideError(UserError):
    """A configuration whose pictures lie where the studio was not started."""


@dataclass(frozen=True)
class Dataset:
    """`name` is how commands are told of it; folders of pictures of the subject, of the class, and of references.

    `config` is a run's configuration, where there is one: only that can be planned.
    """

    name: str
    config: Path | None
    train: tuple[Path, ...]
    reg: tuple[Path, ...]
    references: tuple[Path, ...]

    @property
    def folders(self) -> tuple[Path, ...]:
        """All folders whose captions may be edited."""
        return (*self.train, *self.reg)


def _holding(outside: Sequence[Path]) -> list[Path]:
    """The folder that holds them all, if it is below somebody's home or data; else each of them."""
    above = Path(os.path.commonpath(outside))
    return [above] if len(above.parts) > LEAST_DEPTH else list(dict.fromkeys(outside))


def dataset_of(written: str, folders: AllowedFolders) -> Dataset:
    """The dataset that was chosen or typed.

    Raises OutsideError, DataOutsideError where its pictures lie outside, and what `trainer check` raises of it.
    """
    path = folders.path(written)
    places = settings_of(CheckRequest(path)).places
    outside = [one.path for one in places if not folders.holds(one.path)]
    if outside:
        raise DataOutsideError(
            tr(
                "{dataset}: its pictures lie in {folders}, outside of the folders that the studio was started with; "
                "start it with what holds them as well: {command}",
                dataset=written,
                folders=", ".join(map(str, outside)),
                command=folders.started_with(_holding(outside)),
            )
        )
    train, reg, references = (
        tuple(place.path for place in places if place.role == role) for role in (Role.TRAIN, Role.REG, Role.REFERENCE)
    )
    is_config = path.suffix.lower() == ".toml"
    return Dataset(folders.called(path), path if is_config else None, train, reg, references)
