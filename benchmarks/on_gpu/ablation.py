"""What makes a forward of SD1.5's UNet under guidance fast on the device: one thing at a time, bfloat16, 512 px.

Milliseconds a picture and forward. `batch_N`: ours in eager mode. `channels_first`: the UNet as diffusers loads it,
both halves of guidance computed in full. `graph`: ours recorded once as a CUDA graph and replayed; `compiled`:
`torch.compile(mode="reduce-overhead")`. `follows_weights`: whether replay and compiled code see weights that are
changed in place, and after how many recompilations. `change_ms`: putting a whole LoRA of rank 32 on, from factors on
the host, and at another weight. `vae_ms`, `text_ms`: of a picture, beside the forwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from base_models.base_model import BaseModel, load_base
from base_models.base_source import find_base
from base_models.drawing.guidance import read_prompts
from base_models.drawing.guided_unet import GuidedUnet
from base_models.drawing.render import decode
from eval.rendering.patching import PatchedModel
from loras.lora_file import LoraModule, read_lora
from on_gpu.bench import Bench, tried
from on_gpu.random_bases import random_base, random_loras

BATCHES, TIMED_AT, TIMES = (1, 4, 8, 16, 32), 8, 8


@dataclass(frozen=True)
class _Forward:
    """One forward of `count` pictures, timed `times` times, and a LoRA to put on in place."""

    bench: Bench
    base: BaseModel
    unet: GuidedUnet
    lora: dict[str, LoraModule]
    given: tuple[Tensor, Tensor, Tensor]
    count: int
    times: int

    def ask(self) -> Tensor:
        """It, in eager mode."""
        with torch.no_grad():
            return self.unet(*self.given)

    def milliseconds(self, work: Callable[[], object]) -> float:
        """A picture, of `work` in its place."""
        return _milliseconds(self.bench, work, self.count, self.times)


def measured(bench: Bench, folder: Path) -> Iterator[tuple[str, Any]]:
    """Figure by figure."""
    base_folder = random_base(folder / "base", "sd1", bench, torch.bfloat16)
    base = load_base(find_base(str(base_folder)), torch.bfloat16, bench.device)
    (lora_path,) = random_loras(folder, base, 1, 4 if bench.is_rehearsal else 32)
    lora = {name: one for name, one in read_lora(lora_path).modules.items() if isinstance(one, LoraModule)}
    side = 8 if bench.is_rehearsal else 64
    at, times = (2, 2) if bench.is_rehearsal else (TIMED_AT, TIMES)
    yield "channels_first_ms", tried(lambda: _milliseconds(bench, _plain(base, _given(base, at, side)), at, times))
    unet = GuidedUnet(base.unet)
    for count in BATCHES[:2] if bench.is_rehearsal else BATCHES:
        given = _given(base, count, side)
        yield (
            f"batch_{count}_ms",
            tried(lambda given=given, count=count: _milliseconds(bench, _ours(unet, given), count, times)),
        )
    yield "change_ms", tried(lambda: _changes(bench, base, lora))
    yield "vae_ms", tried(lambda: _milliseconds(bench, lambda: decode(base, _given(base, at, side)[0]), at, times))
    yield (
        "text_ms",
        tried(lambda: 1000 * bench.median_seconds(lambda: read_prompts(base, ["a photo of a person"]), times)),
    )
    setting = _Forward(bench, base, unet, lora, _given(base, at, side), at, times)
    yield "graph", tried(lambda: _graph(setting))
    yield "compiled", tried(lambda: _compiled(setting))


def _given(base: BaseModel, count: int, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Latents (N, 4, side, side), a timestep, texts (2N, 77, width)."""
    unet: Any = base.unet
    place = {"device": base.device, "dtype": unet.dtype}
    draw = torch.Generator().manual_seed(0)
    latents = torch.randn(count, 4, side, side, generator=draw).to(**place)
    text = torch.randn(2 * count, 77, unet.config["cross_attention_dim"], generator=draw).to(**place)
    return latents, torch.full((1,), 500.0, device=base.device), text


@torch.no_grad()
def _milliseconds(bench: Bench, work: Callable[[], object], pictures: int, times: int) -> float:
    return round(1000 * bench.median_seconds(work, times) / pictures, 3)


def _ours(unet: Callable[..., Tensor], given: tuple[Tensor, Tensor, Tensor]) -> Callable[[], Tensor]:
    return torch.no_grad()(lambda: unet(*given))


def _plain(base: BaseModel, given: tuple[Tensor, Tensor, Tensor]) -> Callable[[], Tensor]:
    latents, timestep, text = given
    unet: Any = base.unet
    return torch.no_grad()(
        lambda: unet(torch.cat([latents, latents]), timestep, encoder_hidden_states=text, return_dict=False)[0]
    )


def _changes(bench: Bench, base: BaseModel, lora: dict[str, LoraModule]) -> dict[str, float]:
    other = {name: replace(one, alpha=one.alpha / 2) for name, one in lora.items()}
    patched = PatchedModel(base)
    patched.put_on(lora)
    figures = {"other_weight": round(1000 * bench.seconds(lambda: patched.put_on(other)), 2)}
    fresh = {name: LoraModule(one.down.clone(), one.up.clone(), one.alpha) for name, one in lora.items()}
    figures["new_file"] = round(1000 * bench.seconds(lambda: patched.put_on(fresh)), 2)
    patched.take_off()
    return figures


def _graph(setting: _Forward) -> dict[str, Any]:
    if not setting.bench.on_gpu:
        return {"not_measured": "CUDA graphs need CUDA"}
    ask = setting.ask
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            ask()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        answer = ask()
    figures: dict[str, Any] = {"ms": setting.milliseconds(graph.replay)}

    def replayed() -> Tensor:
        graph.replay()
        return answer.clone()

    return {**figures, **_follows(setting, replayed)}


def _compiled(setting: _Forward) -> dict[str, Any]:
    from torch._dynamo.utils import counters

    mode = "reduce-overhead" if setting.bench.on_gpu else "default"
    if setting.bench.is_rehearsal:
        compiled = torch.compile(setting.ask, backend="eager")
    else:
        compiled = torch.compile(setting.ask, mode=mode)
    began = setting.bench.seconds(compiled)
    figures: dict[str, Any] = {"first_seconds": round(began, 1), "ms": setting.milliseconds(compiled)}
    graphs = counters["stats"]["unique_graphs"]
    followed = _follows(setting, lambda: compiled().clone())
    return {**figures, **followed, "recompiled": counters["stats"]["unique_graphs"] - graphs}


def _follows(setting: _Forward, fast: Callable[[], Tensor]) -> dict[str, Any]:
    """What is recorded, against eager mode, with the base's weights and with a LoRA put on in place."""
    patched = PatchedModel(setting.base)
    before = fast()
    patched.put_on({name: one for name, one in setting.lora.items() if name.startswith("lora_unet")})
    after, wanted = fast(), setting.ask()
    off = float((after - wanted).abs().max() / wanted.abs().max())
    patched.take_off()
    return {"follows_weights": bool((after - before).abs().max() > 0), "off": float(f"{off:.2e}")}
