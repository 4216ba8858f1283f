"""Which executor renders: servers or Ray where these were asked for, all local GPUs where there are several, else this
process."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch

from eval.executors.executor import Executor, Job
from eval.executors.in_process import InProcess
from foundation.errors import ConfigurationError
from foundation.progress import at_hand


@contextmanager
def opened_executor(job: Job, ray: str | None) -> Generator[Executor]:
    """An executor for as long as the block lasts. `ray`: "auto", a cluster's address, or None for this machine."""
    executor = _executor(job, ray)
    try:
        yield executor
    finally:
        executor.close()


def _executor(job: Job, ray: str | None) -> Executor:
    if job.elsewhere is not None:
        if ray is not None:
            raise ConfigurationError("--ray: servers draw these pictures (--comfy, --a1111), not Ray; leave one out")
        from eval.executors.server_pool import ServerPool

        return ServerPool(job, job.elsewhere)
    if ray is not None:
        from eval.executors.ray_connection import connect

        with at_hand().waiting("joining Ray"):
            connect(ray)  # says so where Ray is not installed
        from eval.executors.ray_cluster import RayCluster

        return RayCluster(job)
    if job.model.device == "auto" and torch.cuda.device_count() > 1:
        from eval.executors.local_gpus import LocalDevices

        with at_hand().waiting(f"loading the base model on {torch.cuda.device_count()} GPUs"):
            return LocalDevices(job, [f"cuda:{number}" for number in range(torch.cuda.device_count())])
    return InProcess(job)
