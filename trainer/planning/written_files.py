"""The files that a run will have written, by name, and how large each is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainer.config.config import TrainConfig
from trainer.records.record import checkpoint_path, log_path, record_path, samples_folder, state_path

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class WrittenFile:
    """`size` in bytes, as far as it is known; `stays`: it is there once the run has finished."""

    path: Path
    what: str
    size: float | None = None
    stays: bool = True


def files_of(config: TrainConfig, adapter_numbers: int | None = None, state_numbers: float = 0) -> list[WrittenFile]:
    """Every file and folder of the run. `adapter_numbers`: how many numbers are trained, `state_numbers`: are saved."""
    lora = adapter_numbers and adapter_numbers * BYTES[config.output.save_dtype]
    state = state_numbers * BYTES["float32"] or None
    output, training = config.output, config.training
    files = [
        WrittenFile(checkpoint_path(config, epoch), f"the LoRA after epoch {epoch}", lora)
        for epoch in range(1, training.epochs + 1)
    ]
    files.append(WrittenFile(record_path(config), "the record: settings, figures, verdict"))
    files.append(WrittenFile(log_path(config), "a line a step"))
    if config.samples.prompts:
        drawn = 1 + sum(config.samples.due(epoch, training.epochs) for epoch in range(1, training.epochs + 1))
        pictures = drawn * len(config.samples.prompts)
        files.append(WrittenFile(samples_folder(config), f"{pictures} sample pictures, their sheet and their curve"))
    if output.tensorboard:
        files.append(WrittenFile(output.folder / f"{output.name}-tensorboard", "event files for TensorBoard"))
    files.append(WrittenFile(state_path(config), "what to go on from after a kill", state, stays=False))
    return files
