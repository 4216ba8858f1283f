"""Peak memory of a run by formula: what lies there all the time, and the larger of what comes and goes.

- weights: the frozen UNet and text encoders, in `model.dtype`;
- adapters: float32, each number as many times as `copies_of` says (weights, candidates, gradients, the optimizer's
  states, the last sound state, and what is being saved);
- pictures: the latents of all, and the texts' answers where no text encoder is trained;
- a batch: what its forward pass keeps for the way back (`kept_for_backward`), and on a CPU the sums of weight and
  adapter;
- encoding, before the first step: the VAE and the widest of its layers, a few times;
- the libraries.

Checked against whole runs on the miniature's CPU (benchmarks/before_training/plan.py). On a GPU nothing was measured:
there kernels keep more or less than is counted, and ERROR_ON_GPU says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from base_models.base_source import BaseSource
from base_models.pictures.picture_file import Size
from trainer.config.config import TrainConfig
from trainer.planning.run_plan import RunPlan
from trainer.planning.written_files import BYTES

ERROR, ERROR_ON_GPU = 0.15, 0.3
# Python, torch, diffusers and their kin on a CPU; the device's own context on a GPU.
LIBRARIES = {"cpu": 1.05e9, "cuda": 0.6e9}
FLOAT = 4
# What is kept for the way back, and what the way back needs beside it, over what is kept: of whole runs on a CPU.
AND_BACK = 1.3
# Numbers that an optimizer keeps of each trained one, in float32's.
STATES = {
    "AdamW": 2.0,
    "AdamW8bit": 0.5,
    "Lion": 1.0,
    "Lion8bit": 0.25,
    "Adafactor": 0.1,
    "DAdaptAdam": 3.0,
    "Prodigy": 4.0,
}
# Of the VAE's widest layer, so many are there at once while a picture is encoded or decoded.
VAE_LAYERS = 4


@dataclass(frozen=True)
class Memory:
    """In bytes. `error` is the share by which the whole may be off; `device` is what has to hold it.

    `trained`: how many numbers the adapters have.
    """

    device: str
    trained: int
    libraries: float
    weights: float
    adapters: float
    pictures: float
    batch: float
    encoding: float
    error: float

    @property
    def peak(self) -> float:
        """All at its largest."""
        return self.libraries + self.weights + self.adapters + self.pictures + max(self.batch, self.encoding)

    @property
    def parts(self) -> dict[str, float]:
        """By name, in bytes."""
        names = ("libraries", "weights", "adapters", "pictures", "batch", "encoding")
        return {name: getattr(self, name) for name in names}


def copies_of(config: TrainConfig, *, saved_from: str) -> float:
    """How many float32 numbers there are at most for each one that is trained, where `saved_from` is the device.

    Weights, candidates and gradients; the optimizer's states; weights and states of the last sound window, of the one
    that takes its place, and on a CPU as bytes while they are saved.
    """
    states, mean = STATES[config.training.optimizer], 2 * bool(config.training.ema_decay)
    return 3 + states + (3 if saved_from == "cpu" else 2) * (1 + states) + mean


def saved_numbers(config: TrainConfig) -> float:
    """How many float32 numbers a saved state has for each one that is trained."""
    return 1 + STATES[config.training.optimizer] + bool(config.training.ema_decay)


def memory_of(run: RunPlan, base: BaseSource, device: str, threads: int) -> Memory:
    """The formula for a run. Raises BaseModelError for a base that cannot be read."""
    from trainer.planning.kept_for_backward import adapted  # torch and diffusers take seconds to load

    largest = max((one.size for one in run.buckets), key=_area)
    found = adapted(base, run.config, largest)
    config, kind = run.config, device.partition(":")[0]
    number = BYTES[config.model.dtype]
    full = max(shape.count for shape in run.shapes)
    kept = AND_BACK * full * (found.kept_in_unet + found.kept_in_text) * number
    on_cpu = kind == "cpu"
    if on_cpu and config.model.dtype == "float32" and config.lora.algo == "lora":
        kept += min(threads, full) * found.adapted * FLOAT
    vae = max(0, base.parameters - found.frozen) * FLOAT
    return Memory(
        device=device,
        libraries=LIBRARIES["cpu" if on_cpu else "cuda"],
        weights=found.frozen * number + (vae if on_cpu else 0.0),
        adapters=found.trained * FLOAT * copies_of(config, saved_from=kind),
        trained=found.trained,
        pictures=_pictures(run, base),
        batch=kept,
        encoding=(0.0 if on_cpu else vae) + _encoding(base, largest),
        error=ERROR if on_cpu else ERROR_ON_GPU,
    )


def _area(size: Size) -> int:
    return size[0] * size[1]


def _encoding(base: BaseSource, size: Size) -> float:
    widest = int(base.configuration("vae")["block_out_channels"][0])
    return VAE_LAYERS * widest * _area(size) * FLOAT


def _pictures(run: RunPlan, base: BaseSource) -> float:
    vae, unet = base.configuration("vae"), base.configuration("unet")
    reduction = 2 ** (len(vae["block_out_channels"]) - 1)
    places = sum(_area(frame.bucket) for frame in run.plan.frames) / reduction**2
    latents = places * int(vae.get("latent_channels", 4)) * (2 if run.config.data.flip_aug else 1)
    rates = run.config.training.rates
    if any(rate for part, rate in rates.items() if part != "unet") or run.config.data.captions_vary:
        return latents * FLOAT
    captions = len({sample.caption for sample in run.dataset.samples})
    words = captions * 77 * run.config.data.chunks * int(unet["cross_attention_dim"])
    return latents * FLOAT + words * BYTES[run.config.model.dtype]
