"""Is a LoRA file worth rendering? The rules, from what was measured in it to a verdict with its reason.

Sizes are relative: |delta| / |W| in Frobenius norms, W the base's weights, or typical ones of Stable Diffusion where no
base is given. What is known of real files: kohya's trainers log a module's |delta| as "key norm", whose users aim at
most at 1 (kohya-ss/sd-scripts #545), which on modules of 320 x 320 to 1280 x 10240 is 3e-3 to 3e-4 an element; deltas
of finished LoRAs have a root mean square of 1e-4 to 1e-2 an element, 0.003 to 0.3 of the weights. The limits lie
well outside of that:

- Exploded: a block moved by twice its own weights has nothing of the base left. One module alone counts from ten
  times, or from once where it is a hundred times the file's median, for a whole block dilutes it.
- Vanished: 3e-4 is what rounding the base to fp16 does to it (2^-10 / sqrt(12) of a value's power of two, 2e-4 on
  average). Where alpha / rank is 1/32 or less, ten times that: alpha 1 at rank 128 scales all by 0.0078, which
  learning rates made for alpha = rank do not make up for.
- Dead: a delta of exactly 0. A module or two are normal (a text encoder's last layer is never reached with clip
  skip), a whole block is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from base_models.kohya_names import block_order, part_of
from loras.inspecting.module_reading import ModuleReading, Movement
from loras.inspecting.yardsticks import STABLE_DIFFUSION, Yardstick

EXPLODED_BLOCK = 2.0
EXPLODED_MODULE = 10.0
OUTLYING_MODULE, OUTLYING_RATIO = 1.0, 100.0
VANISHED = 3e-4
VANISHED_WITH_LOW_SCALE, LOW_SCALE = 3e-3, 1 / 32

Name = Literal[
    "healthy",
    "broken",
    "exploded",
    "vanished",
    "dead blocks",
    "text-encoder-only",
    "unknown family",
    "not understood",
]


@dataclass(frozen=True)
class Verdict:
    """A verdict's name, and why, in one or two sentences."""

    name: Name
    reason: str


def pooled(movements: Sequence[Movement]) -> float | None:
    """|delta| / |W| over several modules, or None over none."""
    against = sum(movement.against for movement in movements)
    if not movements or not against:
        return None
    return math.sqrt(sum(movement.squares for movement in movements) / against)


def by_block(readings: Sequence[ModuleReading]) -> dict[str, list[ModuleReading]]:
    """The readings by block, blocks in the order that a picture passes through them."""
    found: dict[str, list[ModuleReading]] = {}
    for reading in sorted(readings, key=lambda one: block_order(one.block)):
        found.setdefault(reading.block, []).append(reading)
    return found


def judge(readings: Sequence[ModuleReading], yardstick: Yardstick = STABLE_DIFFUSION) -> Verdict:
    """The first rule that is broken, gravest first, or "healthy"."""
    rules = (_not_finite, _alpha_of_zero, _exploded, _vanished, _dead_blocks)
    found = (verdict for rule in rules if (verdict := rule(readings)) is not None)
    sound = _text_encoder_only(readings, yardstick.denoiser) or Verdict("healthy", _healthy(readings, yardstick))
    return next(found, sound)


def _not_finite(readings: Sequence[ModuleReading]) -> Verdict | None:
    faulty = [reading for reading in readings if reading.fault]
    if not faulty:
        return None
    what = " and ".join(sorted({str(reading.fault) for reading in faulty}))
    return Verdict(
        "broken",
        f"{what} in {len(faulty)} of {len(readings)} modules, first in `{faulty[0].name}`; "
        "the run that made it broke, use an earlier epoch",
    )


def _alpha_of_zero(readings: Sequence[ModuleReading]) -> Verdict | None:
    faulty = [reading for reading in readings if reading.alpha == 0 and not {"oft", "boft"} & set(reading.kinds)]
    if not faulty:
        return None
    return Verdict(
        "broken",
        f"alpha is 0 in {len(faulty)} of {len(readings)} modules, first in `{faulty[0].name}`; trainers read that as "
        "the rank and A1111 as nothing at all, so set it to the rank",
    )


def _exploded(readings: Sequence[ModuleReading]) -> Verdict | None:
    moved = _moved(readings)
    if not moved:
        return None
    sizes = {reading.name: movement.relative for reading, movement in moved}
    typical = median(sizes.values())
    loudest = max(sizes, key=lambda name: sizes[name])
    blocks = {
        block: size
        for block, inside in by_block(readings).items()
        if (size := pooled([movement for _, movement in _moved(inside)])) is not None and not size <= EXPLODED_BLOCK
    }
    if blocks:
        worst = max(blocks, key=lambda block: blocks[block])
        return Verdict(
            "exploded",
            f"moves {worst} by {_times(blocks[worst])} the base's weights"
            + (f", and {len(blocks) - 1} more blocks by over twice theirs" if len(blocks) > 1 else "")
            + "; the learning rate or alpha was far too high, use an earlier epoch",
        )
    size = sizes[loudest]
    if size > EXPLODED_MODULE or (size > OUTLYING_MODULE and size > OUTLYING_RATIO * typical):
        return Verdict(
            "exploded",
            f"moves `{loudest}` by {_times(size)} the base's weights, the median module by {typical:.2g}; "
            "use an earlier epoch, or leave that block out with block weights",
        )
    return None


def _times(size: float) -> str:
    return f"{size:.3g} times" if math.isfinite(size) else "endlessly many times"


def _vanished(readings: Sequence[ModuleReading]) -> Verdict | None:
    if not _moved(readings) or not all(movement.whole for _, movement in _moved(readings)):
        return None
    alive = [reading for reading in readings if not reading.is_dead and reading.movement is not None]
    if not alive:
        return Verdict(
            "vanished", f"all {len(_moved(readings))} deltas are exactly 0: the factors were never trained or saved"
        )
    size = pooled([movement for _, movement in _moved(alive)]) or 0.0
    scales = [abs(reading.scale) for reading in alive if reading.scale is not None]
    scale = median(scales) if scales else 1.0
    if scale <= LOW_SCALE and size < VANISHED_WITH_LOW_SCALE:
        return Verdict(
            "vanished",
            f"moves the base by {size:.1g} of its weights only, for alpha / rank is {scale:.2g} and scales all of it; "
            "train with alpha near the rank (or a learning rate to match), or give this file more weight",
        )
    if size < VANISHED:
        return Verdict(
            "vanished",
            f"moves the base by {size:.1g} of its weights only, about what rounding it to fp16 does; "
            "train longer or at a higher learning rate",
        )
    return None


def _dead_blocks(readings: Sequence[ModuleReading]) -> Verdict | None:
    dead: list[str] = []
    for block, inside in by_block(readings).items():
        matrices = [reading for reading in inside if reading.movement is not None]
        if matrices and all(reading.is_dead for reading in matrices):
            dead.append(block)
    if not dead:
        return None
    return Verdict(
        "dead blocks",
        f"{', '.join(dead)}: every delta there is exactly 0; unless block weights did that on purpose, "
        "those modules were never trained",
    )


def _text_encoder_only(readings: Sequence[ModuleReading], denoiser: str) -> Verdict | None:
    if any(part_of(reading.name) in ("unet", "adapter") for reading in readings):
        return None
    return Verdict(
        "text-encoder-only",
        f"holds no module of the {denoiser}: it changes what words mean, and the {denoiser} weight does nothing",
    )


def _healthy(readings: Sequence[ModuleReading], yardstick: Yardstick) -> str:
    size = pooled([movement for _, movement in _moved(readings)])
    if size is None:
        return "holds norms and biases only, all finite"
    measured = all(movement.measured for _, movement in _moved(readings))
    against = "the base by {} of its weights" if measured else yardstick.size
    return f"moves {against.format(f'{size:.2g}')}, all values finite"


def _moved(readings: Sequence[ModuleReading]) -> list[tuple[ModuleReading, Movement]]:
    return [(reading, reading.movement) for reading in readings if reading.movement is not None]
