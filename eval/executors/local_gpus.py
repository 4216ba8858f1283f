"""The executor of all GPUs of this machine: a process for each, started anew (CUDA does not survive a fork)."""

from __future__ import annotations

import traceback
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from typing import Any

import torch.multiprocessing

from base_models.drawing.batch_size import DeviceFacts
from eval.executors.backlog import Backlog, WorkersLostError
from eval.executors.executor import Amount, FinishedBatch, Job
from eval.executors.worker import Worker
from eval.request.cells import Checkpoint
from eval.request.plan import Batch
from foundation.errors import UserError

GROUP_DONE = None


class LocalDevices:
    """A worker process for each of `devices`, as torch names them ("cuda:0"; "cpu" as often as one likes)."""

    def __init__(self, job: Job, devices: Sequence[str]) -> None:
        context = torch.multiprocessing.get_context("spawn")
        self._processes: dict[str, Any] = {}
        self._ends: dict[str, Any] = {}  # multiprocessing's connections, which differ by system
        for number, device in enumerate(devices):
            here, there = context.Pipe()
            own = replace(job, model=job.model.model_copy(update={"device": device}))
            process = context.Process(target=_serve, args=(own, there), daemon=True)
            process.start()
            there.close()
            self._processes[str(number)], self._ends[str(number)] = process, here
        self._idle = set(self._ends)
        self._facts = [self._answer(name) for name in self._ends]

    @property
    def workers(self) -> int:
        """One for each device, less those that were lost."""
        return len(self._ends)

    def device(self) -> DeviceFacts:
        """The first worker's, which stands for all."""
        facts = self._facts[0]
        assert isinstance(facts, DeviceFacts)
        return facts

    def check(self, checkpoints: Iterable[Checkpoint]) -> None:
        """Each worker looks at a file when it first needs it."""

    def run(self, batches: Iterable[Batch], amount: Amount) -> Generator[FinishedBatch]:
        """Render on all devices, in whatever order they finish. Raises what a worker raised, or WorkersLostError."""
        backlog, more = Backlog(batches, amount, self.workers), True
        while more or backlog.unfinished:
            more = self._hand_out(backlog)
            if len(self._idle) < len(self._ends):
                for name in self._heard():
                    finished = self._collect(backlog, name)
                    if finished is not None:
                        yield finished

    def close(self) -> None:
        """End the processes; what one has in hand is lost and was never recorded."""
        for name in list(self._ends):
            self._ends.pop(name).close()
            self._processes[name].terminate()
            self._processes.pop(name).join()

    def _hand_out(self, backlog: Backlog) -> bool:
        """Give every idle worker a group; whether there may be more to give."""
        for name in sorted(self._idle):
            group = backlog.take(name)
            if not group:
                return False
            self._idle.remove(name)
            self._ends[name].send(group)
        return True

    def _heard(self) -> list[str]:
        """The workers that have said something, or ended; waits for the first."""
        names = {end: name for name, end in self._ends.items()}
        return [names[end] for end in wait(list(names))]

    def _collect(self, backlog: Backlog, name: str) -> FinishedBatch | None:
        """The next finished batch of a worker; None where its group is done or it has ended."""
        try:
            answer = self._answer(name)
        except (EOFError, ConnectionResetError):
            self._lose(backlog, name)
            return None
        if answer is GROUP_DONE:
            self._idle.add(name)
            return None
        backlog.done(name, answer.batch)
        return answer

    def _lose(self, backlog: Backlog, name: str) -> None:
        process = self._processes.pop(name)
        process.join()
        self._ends.pop(name).close()
        self._idle.discard(name)
        if not self._ends:
            raise WorkersLostError(
                f"all worker processes ended (the last with code {process.exitcode}); run the grid again, it goes on"
            )
        backlog.lost(name, f"a worker process ended with code {process.exitcode}")

    def _answer(self, name: str) -> Any:
        answer = self._ends[name].recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(job: Job, end: Any) -> None:
    """A worker process: groups come in; finished batches, a mark after each group, or an error go out."""
    try:
        worker = Worker(job)
        end.send(worker.device)
        while True:
            for finished in worker.work(end.recv()):
                end.send(finished)
            end.send(GROUP_DONE)
    except (EOFError, BrokenPipeError):
        return  # nobody asks any more
    except UserError as error:
        end.send(error)
    except Exception:
        end.send(RuntimeError(f"a worker process failed:\n{traceback.format_exc()}"))
