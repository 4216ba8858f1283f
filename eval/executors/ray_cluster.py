"""The executor of a Ray cluster: a worker on each GPU, or on each node where there is none. We resume, not Ray.

Nodes may come and go: what a lost one had in hand is rendered by the others, to the same bits under the same ids.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray as annotated_ray
from ray.exceptions import RayError as RayFailure
from ray.exceptions import RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from base_models.drawing.batch_size import DeviceFacts
from eval.executors.backlog import ATTEMPTS, Backlog, WorkersLostError
from eval.executors.executor import Amount, FinishedBatch, Job
from eval.executors.worker import Worker
from eval.request.cells import Checkpoint
from eval.request.plan import Batch, PlannedPicture
from foundation.errors import UserError
from foundation.files import sha256_of
from foundation.typed.untyped import untyped

ray = untyped(annotated_ray)  # its own annotations leave most answers unknown
POLL = 2.0  # seconds after which new nodes are looked for
PATIENCE = 60.0  # seconds without any worker before giving up


class RemoteWorker:
    """A worker in a process of Ray's. LoRA files that its node does not have arrive with the work."""

    def __init__(self, job: Job) -> None:
        self._worker = Worker(job)
        self._shipped = TemporaryDirectory(prefix="lora-studio-")

    def device(self) -> DeviceFacts:
        """What it renders on, read on its own node."""
        return self._worker.device

    def lacks(self, checkpoints: list[Checkpoint]) -> list[str]:
        """Hashes of those that are not at their path here, or are others there."""
        return [one.sha256 for one in checkpoints if not one.path.is_file() or sha256_of(one.path) != one.sha256]

    def work(self, batches: tuple[Batch, ...], shipped: Mapping[str, Any]) -> Generator[FinishedBatch]:
        """`shipped`: references to LoRA files' bytes, by hash."""
        paths = {sha256: self._kept(sha256, reference) for sha256, reference in shipped.items()}
        originals = {batch.pictures[0].id: batch for batch in batches}
        for finished in self._worker.work(_relocated(batch, paths) for batch in batches):
            yield replace(finished, batch=originals[finished.batch.pictures[0].id])
        for path in paths.values():
            path.unlink()

    def _kept(self, sha256: str, reference: Any) -> Path:
        path = Path(self._shipped.name) / f"{sha256}.safetensors"
        path.write_bytes(ray.get(reference))
        return path


@dataclass
class _Hired:
    """A worker that was started on a node, and the results it is still to give."""

    node: str
    actor: Any
    results: Any = None
    shipped: dict[str, Any] = field(default_factory=dict)


class RayCluster:
    """Starts its workers on the cluster that this process is connected to (`ray_connection.connect`)."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._hired: dict[str, _Hired] = {}
        self._started = 0
        self._hire()

    @property
    def workers(self) -> int:
        """As many as are hired now, and 1 while none is."""
        return max(1, len(self._hired))

    def device(self) -> DeviceFacts:
        """One worker's, which stands for all; waits for a first. Raises WorkersLostError where none comes or lasts."""
        why = ""
        for _ in range(ATTEMPTS):
            self._wait_for_workers()
            name, one = next(iter(self._hired.items()))
            try:
                return ray.get(one.actor.device.remote())
            except RayTaskError:
                raise
            except RayFailure as error:
                why = _first_line(error)
                del self._hired[name]
                self._hire()
        raise WorkersLostError(
            f"{ATTEMPTS} workers were lost before they began ({why}); see their machines' memory and logs, and run the "
            "same command again"
        )

    def check(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Each worker looks at a file when it first needs it."""

    def run(self, batches: Iterable[Batch], amount: Amount) -> Generator[FinishedBatch]:
        """Render on whatever nodes there are; new ones join in. Raises what a worker raised, or WorkersLostError."""
        backlog = Backlog(batches, amount, self.workers)
        more = True
        while more or backlog.unfinished:
            self._hire()
            more = self._hand_out(backlog)
            by_results = {one.results: name for name, one in self._hired.items() if one.results is not None}
            if not by_results:
                self._wait_for_workers()
                continue
            ready, _ = ray.wait(list(by_results), timeout=POLL)
            for results in ready:
                finished = self._collect(backlog, by_results[results])
                if finished is not None:
                    yield finished

    def close(self) -> None:
        """Let all workers go and leave the cluster, or end one that was started for this."""
        self._hired.clear()
        ray.shutdown()

    def _hand_out(self, backlog: Backlog) -> bool:
        """Give every idle worker a group; whether there may be more to give."""
        for name, one in list(self._hired.items()):
            if one.results is None:
                group = backlog.take(name)
                if not group:
                    return False
                try:
                    one.shipped = self._files_for(one, group)
                except RayFailure as error:
                    self._lose(backlog, name, _first_line(error))
                    continue
                one.results = one.actor.work.remote(group, one.shipped)
        return True

    def _files_for(self, one: _Hired, group: tuple[Batch, ...]) -> dict[str, Any]:
        """The LoRA files of a group that the worker's node lacks, put where Ray carries them from."""
        uses = (use for batch in group for picture in batch.pictures if picture.cell for use in picture.cell.acting)
        needed = {use.checkpoint.sha256: use.checkpoint for use in uses}
        lacking: list[str] = ray.get(one.actor.lacks.remote(list(needed.values()))) if needed else []
        return {sha256: ray.put(needed[sha256].path.read_bytes()) for sha256 in lacking}

    def _collect(self, backlog: Backlog, name: str) -> FinishedBatch | None:
        """The next finished batch of a worker; None where its group is done or it was lost."""
        one = self._hired[name]
        try:
            finished: FinishedBatch = ray.get(next(one.results))
        except StopIteration:
            one.results, one.shipped = None, {}
            if name in backlog.busy:  # a stream ends early, and says no more, where its node is gone
                self._lose(backlog, name, "its node is gone")
            return None
        except RayTaskError as error:
            cause = error.cause
            raise (cause if isinstance(cause, UserError) else error) from None
        except RayFailure as error:
            self._lose(backlog, name, _first_line(error))
            return None
        backlog.done(name, finished.batch)
        return finished

    def _lose(self, backlog: Backlog, name: str, why: str) -> None:
        del self._hired[name]
        backlog.lost(name, why)

    def _hire(self) -> None:
        """A worker for every GPU, or for every node where the cluster has no GPU, that has none yet."""
        nodes: list[dict[str, Any]] = ray.nodes()
        alive: dict[str, dict[str, float]] = {one["NodeID"]: one["Resources"] for one in nodes if one["Alive"]}
        on_gpus = self._job.model.device != "cpu" and any(found.get("GPU") for found in alive.values())
        for node, resources in alive.items():
            there = int(resources.get("GPU", 0)) if on_gpus else int(resources.get("CPU", 0) >= 1)
            for _ in range(there - sum(one.node == node for one in self._hired.values())):
                self._started += 1
                self._hired[f"worker {self._started}"] = self._start(node, resources, on_gpus)

    def _start(self, node: str, resources: Mapping[str, float], on_gpus: bool) -> _Hired:
        cores = int(resources.get("CPU", 1))
        job = self._job if on_gpus else replace(self._job, threads=cores)
        options = {"num_gpus": 1} if on_gpus else {"num_cpus": cores}
        remote = ray.remote(RemoteWorker)
        place = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        return _Hired(node, remote.options(scheduling_strategy=place, **options).remote(job))

    def _wait_for_workers(self) -> None:
        until = time.monotonic() + PATIENCE
        while not self._hired:
            if time.monotonic() > until:
                raise WorkersLostError(
                    f"the Ray cluster has had no node to work on for {PATIENCE:.0f} s; start one (`ray start "
                    "--address=...`) and run the command again, it goes on"
                )
            time.sleep(POLL)
            self._hire()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _relocated(batch: Batch, paths: Mapping[str, Path]) -> Batch:
    """The batch with its LoRA files where they lie on this node."""
    return Batch(tuple(_relocated_picture(picture, paths) for picture in batch.pictures)) if paths else batch


def _relocated_picture(picture: PlannedPicture, paths: Mapping[str, Path]) -> PlannedPicture:
    if picture.cell is None:
        return picture
    first, *others = (
        replace(use, checkpoint=replace(use.checkpoint, path=paths.get(use.checkpoint.sha256, use.checkpoint.path)))
        for use in picture.cell.uses
    )
    return replace(picture, cell=replace(picture.cell, use=first, also=tuple(others)))
