"""How long the parts of a run take on one machine, as a few real steps showed; kept between calls.

What is kept lies in `lora-studio/rates` of the user's cache folder (`XDG_CACHE_HOME`, or `~/.cache`), a file for each
base, device and set of settings that shape a step. A file that is damaged or of another version is as good as none.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from base_models.base_source import BaseSource
from foundation.errors import UserError
from foundation.files import write_text
from foundation.text_files import read_text
from foundation.toml_config import Section
from trainer.config.config import TrainConfig
from trainer.records.record import versions

SHAPING_A_SAMPLE = ("sampler", "cfg", "width", "height", "faces")
DRIVER = Path("/proc/driver/nvidia/gpus")
FORM = 1  # of what is kept; raise it with every other meaning


class Rates(Section):
    """Seconds on `machine`, measured on `day`, at buckets of `size`. `form`: of what is kept.

    `begin`: starting libraries, loading the base, putting adapters on it. `picture`: reading and encoding one.
    `steps`: one step of so many pictures, by their number; `text_rests` is what a step takes, as a share, once text
    encoders stay as they are. `batch_more`: a further batch of a step, as a share of a step. `reading`: one picture's
    loss at an epoch's end. `window`: what a look at the steps takes. `state`: saving one. `sample`: what a sample
    picture takes and `sample_step` each of its steps; `judge`: loading what measures the samples.
    """

    form: int = FORM
    machine: str
    day: str
    size: tuple[int, int]
    begin: float
    picture: float
    steps: Mapping[int, float] = Field(min_length=1)
    text_rests: float = 1.0
    batch_more: float = 1.0
    reading: float
    window: float = 0.0
    state: float = 0.0
    sample: float = 0.0
    sample_step: float = 0.0
    judge: float = 0.0
    steps_made: int = 0

    def of_step(self, pictures: int) -> float:
        """Seconds of a step of one batch of `pictures`: on a line between the numbers that were measured."""
        known = sorted(self.steps.items())
        if len(known) == 1 or pictures <= known[0][0]:
            count, seconds = known[0]
            return seconds * pictures / count if len(known) == 1 else seconds
        below = max((one for one in known[:-1] if one[0] <= pictures), key=lambda one: one[0])
        above = next(one for one in known if one[0] > below[0])
        return below[1] + (above[1] - below[1]) * (pictures - below[0]) / (above[0] - below[0])


def kept_place(config: TrainConfig, base: BaseSource) -> Path:
    """Where rates for these settings on this machine are kept; torch is not asked. Reads the base's files."""
    return _folder() / f"{_key(config, base)}.json"


def kept_rates(place: Path) -> Rates | None:
    """What is kept there; None for nothing, or nothing that can be used."""
    try:
        found = Rates.model_validate_json(read_text(place))
    except (ValidationError, UserError, OSError):
        return None
    return found if found.form == FORM else None


def keep(rates: Rates, place: Path) -> bool:
    """Keep them; False where the place cannot be written, which costs the next call a few steps and nothing more."""
    try:
        write_text(place, rates.model_dump_json(indent=2) + "\n")
    except OSError:
        return False
    return True


def _folder() -> Path:
    """The user's cache."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(named) if os.path.isabs(named) else Path.home() / ".cache") / "lora-studio" / "rates"


def _gpus() -> list[str]:
    """What NVIDIA's driver says of its GPUs, without a library that takes seconds to load."""
    told = [read_text(path) for path in sorted(DRIVER.glob("*/information"))]
    return [line.partition(":")[2].strip() for text in told for line in text.splitlines() if line.startswith("Model")]


def _key(config: TrainConfig, base: BaseSource) -> str:
    """Of everything that shapes a step's work on this machine; how often steps are made does not."""
    training = config.training
    shaping: tuple[object, ...] = (
        FORM,
        base.sha256,
        (config.model.device, os.cpu_count(), platform.machine(), _gpus()),
        [os.environ.get(name) for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")],
        versions(),
        config.model.model_dump(exclude={"base", "vae", "device"}),
        config.data.resolution,
        config.data.chunks,
        config.data.captions_vary,
        config.lora.model_dump(mode="json"),
        training.batch_size,
        training.gradient_accumulation > 1,
        {part: bool(rate) for part, rate in training.rates.items()},
        training.te_stop_at < 1,
        (training.optimizer, bool(training.ema_decay), bool(training.scale_weight_norms)),
        config.samples.model_dump(include={"sampler", "cfg", "width", "height", "faces"})
        if config.samples.prompts
        else None,
    )
    return hashlib.sha256(repr(shaping).encode()).hexdigest()[:32]
