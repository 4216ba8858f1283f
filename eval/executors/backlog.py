"""Work that workers share: handed out in groups that need the same weights, taken back where a worker is lost."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import count, groupby

from eval.executors.executor import Amount
from eval.request.plan import Batch
from foundation.errors import UserError

# So many groups a worker keep the last one from waiting long for the others.
GROUPS_A_WORKER = 8
ATTEMPTS = 3


class WorkersLostError(UserError):
    """Workers vanish faster than they work."""


class Backlog:
    """What is left to hand out, and what each worker has in hand. Workers are known by any name."""

    def __init__(self, batches: Iterable[Batch], amount: Amount, workers: int) -> None:
        self._groups = _groups(batches, amount, workers)
        self._returned: deque[tuple[Batch, ...]] = deque()
        self._in_hand: dict[str, list[Batch]] = {}
        self._losses: Counter[str] = Counter()

    def take(self, worker: str) -> tuple[Batch, ...]:
        """The next group for a worker that has nothing in hand; empty where none is left to begin."""
        assert worker not in self._in_hand, "a worker that has something in hand was given more"
        group = self._returned.popleft() if self._returned else next(self._groups, ())
        if group:
            self._in_hand[worker] = list(group)
        return group

    def done(self, worker: str, batch: Batch) -> None:
        """A worker has finished one of its batches."""
        self._in_hand[worker].remove(batch)
        if not self._in_hand[worker]:
            del self._in_hand[worker]

    def lost(self, worker: str, why: str) -> None:
        """A worker is gone: what it had not finished is handed out again.

        Raises WorkersLostError for a batch that was lost with several workers, as one does that kills them.
        """
        left = self._in_hand.pop(worker, [])
        if not left:
            return
        first = left[0].pictures[0].id
        self._losses[first] += 1
        if self._losses[first] == ATTEMPTS:
            raise WorkersLostError(
                f"{ATTEMPTS} workers were lost over the same batch ({why}); what is rendered is kept, "
                "and running the command again goes on from there"
            )
        self._returned.append(tuple(left))

    @property
    def unfinished(self) -> bool:
        """Whether anything that was handed out is in hand still, or came back and waits for another worker."""
        return bool(self._returned or self._in_hand)

    @property
    def busy(self) -> frozenset[str]:
        """The workers that have something in hand."""
        return frozenset(self._in_hand)


def _groups(batches: Iterable[Batch], amount: Amount, workers: int) -> Iterator[tuple[Batch, ...]]:
    """As much that shares weights as leaves enough for every worker: a checkpoint, a weight of its, or one batch."""
    single = count()

    def alone(_: Batch) -> int:
        return next(single)

    keys: list[tuple[int, Callable[[Batch], object]]] = [
        (amount.checkpoints, lambda batch: batch.checkpoint),
        (amount.unet_changes, lambda batch: (batch.checkpoint, batch.unet_key)),
    ]
    fitting = (key for available, key in keys if available >= GROUPS_A_WORKER * workers)
    key = next(fitting, alone)
    for _, group in groupby(batches, key=key):
        yield tuple(group)
