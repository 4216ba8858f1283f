"""What renders a grid's batches, wherever that is: the interface between the coordinator and its workers.

Workers are stateless. They are told everything by a `Job` and by the batches themselves, write pictures to their place,
and say what became of them; the coordinator alone writes the store. What is resumed follows from the store's ids.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Protocol

from base_models.drawing.batch_size import DeviceFacts
from eval.request.cells import Checkpoint, Sampling
from eval.request.elsewhere.elsewhere import Elsewhere
from eval.request.plan import Batch
from eval.request.spec import ModelSection, ScoreSection
from eval.store.tables import Reading


@dataclass(frozen=True)
class Job:
    """All that a worker needs to know besides its batches. `pictures` is a folder's path or a URL.

    `threads`: torch's on a CPU; None leaves them as they are. Pictures are the same bits at the same threads.
    `elsewhere`: the servers that draw, where the workers do not.
    """

    model: ModelSection
    sampling: Sampling
    score: ScoreSection
    pictures: str
    threads: int | None = None
    elsewhere: Elsewhere | None = None


@dataclass(frozen=True)
class Amount:
    """How much there is to do, counted before anything is done. `unet_changes`: how often the UNet's weights change."""

    pictures: int
    batches: int
    checkpoints: int
    unet_changes: int
    text_changes: int


@dataclass(frozen=True)
class WrittenFile:
    """What a worker wrote: the sha256 of the bytes, and how many they are."""

    sha256: str
    size: int


@dataclass(frozen=True)
class FinishedBatch:
    """A batch whose pictures are in their place.

    `files` has what was written of each picture, `failures` why it shows nothing, or None; `readings` what scoring
    models (by hash) read from them by id, empty where the worker does not score; `notes` are lines for the user.
    """

    batch: Batch
    files: tuple[WrittenFile, ...]
    failures: tuple[str | None, ...]
    readings: dict[str, dict[str, Reading]]
    notes: tuple[str, ...] = ()


class Executor(Protocol):
    """Renders batches on some number of workers. Usable for several runs, until it is closed."""

    @property
    def workers(self) -> int:
        """How many batches are rendered at once, at least 1."""
        ...

    def device(self) -> DeviceFacts:
        """What its workers render on."""
        ...

    def check(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Raise LoraFileError, if that can be told before rendering, for a file that does not fit the base model."""
        ...

    def run(self, batches: Iterable[Batch], amount: Amount) -> Generator[FinishedBatch]:
        """Render all of `batches`, handing each over once its pictures are saved; the order is the workers'.

        Raises what a worker raised, as if it had happened here.
        """
        ...

    def close(self) -> None:
        """Give back what the workers hold: memory, processes, a connection. What is rendered stays."""
        ...
