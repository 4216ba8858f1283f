"""What a run is going to do, said before anything is loaded: steps, pictures, files, memory."""

from __future__ import annotations

from collections import Counter

from base_models.base_source import BaseSource
from foundation.errors import UserError
from trainer.config.config import TrainConfig
from trainer.data.dataset import Dataset
from trainer.data.plan import Plan
from trainer.records.record import checkpoint_path, log_path, record_path, samples_folder

MOST_BUCKETS = 6
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def plan_in_words(config: TrainConfig, dataset: Dataset, plan: Plan, base: BaseSource) -> list[str]:
    """The lines that are said before a run."""
    return [
        f"plan: {_steps(config, plan)}",
        f"pictures: {_pictures(config, dataset)}",
        f"buckets: {_buckets(dataset, plan)}",
        f"files: {_files(config)}",
        *_memory(config, base),
    ]


def _steps(config: TrainConfig, plan: Plan) -> str:
    epochs, accumulated = config.training.epochs, config.training.gradient_accumulation
    batch = f"batch {config.training.batch_size}" + (f" x {accumulated} accumulated" if accumulated > 1 else "")
    each = sum(step.epoch == 1 for step in plan.steps)
    return f"{len(plan.steps)} steps, {epochs} epoch{'s' * (epochs > 1)} of {each}, {batch}, rank {config.lora.rank}"


def _pictures(config: TrainConfig, dataset: Dataset) -> str:
    shown = sum(sample.repeats for sample in dataset.train)
    parts = [f"{len(dataset.train)} of the subject, shown {shown} times an epoch with their repeats"]
    parts += [f"{len(dataset.reg)} reg"] * bool(dataset.reg)
    parts += [f"{len(dataset.held_out)} held out"] * bool(dataset.held_out)
    return f"{'; '.join(parts)}; at {config.data.resolution} px"


def _buckets(dataset: Dataset, plan: Plan) -> str:
    trained = len(dataset.train) + len(dataset.reg)
    sizes = Counter(frame.bucket for frame in plan.frames[:trained]).most_common()
    said = [f"{width}x{height}: {count}" for (width, height), count in sizes[:MOST_BUCKETS]]
    rest = sum(count for _, count in sizes[MOST_BUCKETS:])
    return ", ".join(said + ([f"{len(sizes) - MOST_BUCKETS} more: {rest}"] if rest else []))


def _files(config: TrainConfig) -> str:
    epochs = config.training.epochs
    first, last = checkpoint_path(config, 1), checkpoint_path(config, epochs)
    loras = f"{first} to {last.name} ({epochs})" if epochs > 1 else str(last)
    sheet = [str(samples_folder(config) / "sheet.png")] if config.samples.prompts else []
    return ", ".join([loras, record_path(config).name, log_path(config).name, *sheet])


def _memory(config: TrainConfig, base: BaseSource) -> list[str]:
    """What is known of it; a base that cannot be read is told of when it is loaded."""
    try:
        weights = in_bytes(base.parameters * BYTES[config.model.dtype])
    except UserError:
        return []
    return [f"memory: {weights} for the base's weights ({config.model.dtype}); adapters and pictures on top"]


def in_bytes(count: float) -> str:
    """`1.7 GB`, `340 MB`."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"
