"""A blend from files to a file: exact over every kind, as small as asked, with the error that is stated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import InputOverwrittenError, LoraFileError
from foundation.progress import Silent
from foundation.safetensors_header import read_metadata
from lora_kinds import CONV_KINDS, LINEAR_KINDS, random_module
from loras.base_bound_kinds import DoraModule, OftModule
from loras.blend import BlendError, Term, blend, plain_factors, summed
from loras.blending.blend_files import BlendRequest, write_blend
from loras.blending.blend_metadata import RECIPE
from loras.blending.block_weights import FORMS, BlockWeights
from loras.blending.merge_methods import Merge, dropped, ties
from loras.blending.rank_rule import RankError, RankRule
from loras.blending.weighted_lora import WeightedLora
from loras.blending.written_lora import WrittenLora
from loras.lora_family import MixedFamiliesError
from loras.lora_file import LoraFile, LoraModule, Module, read_lora, write_modules
from loras.low_rank import Product
from loras.module_kinds import Additive
from loras.weights import WeightsError

LINEAR, CONV, TEXT = (
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
    "lora_unet_up_blocks_1_resnets_0_conv1",
    "lora_te_text_model_encoder_layers_0_mlp_fc1",
)
SHAPES = {LINEAR: (8, 6), CONV: (6, 4, 3, 3), TEXT: (4, 10)}

term = st.tuples(
    st.sampled_from(CONV_KINDS),
    st.integers(1, 4),
    st.sampled_from([0.5, 1.0, 4.0, -2.0]),
    st.sampled_from([-1.0, -0.3, 0.0, 0.7, 1.0]),
    st.integers(0, 999),
)


def modules(kind: str, rank: int, alpha: float, seed: int) -> dict[str, Module]:
    linear = kind if kind in LINEAR_KINDS else "lora"
    return {
        name: random_module(kind if name == CONV else linear, shape, rank, alpha, seed + number)
        for number, (name, shape) in enumerate(SHAPES.items())
    }


def file(folder: Path, name: str, found: dict[str, Module]) -> Path:
    path = folder / f"{name}.safetensors"
    write_modules(LoraFile(found, {"ss_epoch": "2", "ss_output_name": name}), path)
    return path


def asked(*texts: str, **changes: object) -> BlendRequest:
    parts = tuple(WeightedLora.parse(text) for text in texts)
    return BlendRequest(parts, **{"dtype": torch.float32, **changes})  # pyright: ignore[reportArgumentType]


def moved(path: Path) -> dict[str, torch.Tensor]:
    found = read_lora(path).modules
    return {name: module.delta().double() for name, module in found.items() if isinstance(module, Additive)}


@settings(max_examples=60)
@given(terms=st.lists(term, min_size=1, max_size=4))
def test_every_kind_adds_up_exactly(terms: list[tuple[str, int, float, float, int]]) -> None:
    """To 1e-6 of the terms' norms together, so that cancellation is judged fairly."""
    files = [(modules(kind, rank, alpha, seed), weight) for kind, rank, alpha, weight, seed in terms]
    for name, shape in SHAPES.items():
        acting = [(found[name], weight) for found, weight in files if weight]
        if not acting:
            continue
        wanted = [
            weight * module.delta().double().reshape(shape) for module, weight in acting if isinstance(module, Additive)
        ]
        got = summed([Term(plain_factors(module, name), weight) for module, weight in acting], name)
        assert got.shape == shape
        size = sum(delta.norm().item() for delta in wanted)
        assert (got.delta().double() - torch.stack(wanted).sum(0)).norm() <= 1e-6 * size


@settings(max_examples=40)
@given(
    sides=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    rank=st.integers(1, 30),
    repeated=st.integers(0, 8),
    kept=st.integers(1, 30),
    seed=st.integers(0, 999),
)
def test_compression_is_the_optimum(sides: tuple[int, int], rank: int, repeated: int, kept: int, seed: int) -> None:
    """The error is within 1e-4 of the dense SVD's, relative to the delta's norm: for deficient factors too."""
    draw = torch.Generator().manual_seed(seed)
    up, down = torch.randn(sides[0], rank, generator=draw), torch.randn(rank, sides[1], generator=draw)
    if repeated:
        down[: min(repeated, rank)] = down[:1]
        up[:, rank // 2 :] *= 1e-3
    delta = up.double() @ down.double()
    best = Product.of(LoraModule(down, up, float(rank))).spectrum().truncated(kept)
    values = torch.linalg.svdvals(delta)
    optimum = values[kept:].square().sum().sqrt()
    assert best.rank <= kept
    assert (best.delta().double() - delta).norm() - optimum <= 1e-4 * delta.norm() + 1e-12


def test_nothing_compresses_to_nothing() -> None:
    best = Product.of(LoraModule(torch.zeros(3, 5), torch.randn(4, 3), 1.0)).spectrum().truncated(2)
    assert best.shape == (4, 5)
    assert not best.delta().any()


def test_a_files_blend_holds_the_weighted_sum(tmp_path: Path) -> None:
    one = file(tmp_path, "one", modules("loha core", 2, 1.0, 1))
    other = file(tmp_path, "other", modules("lokr factored", 3, 2.0, 2))
    output = tmp_path / "out.safetensors"
    blended = write_blend(asked(f"{one}:unet=0.8,te=0.5", f"{other}:unet=-0.3,te=0", output=output), Silent())
    parents = moved(one), moved(other)
    for name, delta in moved(output).items():
        first, second = (0.5, 0.0) if name == TEXT else (0.8, -0.3)
        wanted = first * parents[0][name].reshape(delta.shape) + second * parents[1][name].reshape(delta.shape)
        assert torch.allclose(delta, wanted, atol=1e-5 * wanted.norm())
    assert blended.error < 1e-6
    recipe = json.loads(read_metadata(output)[RECIPE])
    assert [parent["name"] for parent in recipe["parents"]] == ["one", "other"]
    assert read_metadata(output)["ss_output_name"] == "out"


def test_the_written_lora_is_the_files(tmp_path: Path) -> None:
    paths = [file(tmp_path, str(seed), modules("lora", 4, 2.0, seed)) for seed in (1, 2)]
    output = tmp_path / "out.safetensors"
    request = asked(*map(str, paths), output=output, rank=RankRule.parse("3"), dtype=torch.float16)
    blended = write_blend(request, Silent())
    exact = {name: sum(moved(path)[name] for path in paths) for name in SHAPES}
    there = moved(output)
    missing = sum((exact[name] - there[name]).square().sum() for name in SHAPES)
    whole = sum(delta.square().sum() for delta in exact.values())
    assert blended.error == pytest.approx(float((missing / whole) ** 0.5), rel=1e-3)
    assert blended.ranks == (3, 3)
    assert {block.block for block in blended.blocks} == {"BASE", "IN01", "OUT03"}
    assert blended.error > 0.1


def test_auto_keeps_the_energy(tmp_path: Path) -> None:
    paths = [file(tmp_path, str(seed), modules("lora", 4, 2.0, seed)) for seed in (1, 2)]
    errors: list[WrittenLora] = []
    for rule in ("energy=0.9", "auto", "energy=1"):
        request = asked(*map(str, paths), output=tmp_path / "out.safetensors", rank=RankRule.parse(rule))
        errors.append(write_blend(request, Silent()))
    assert errors[0].error <= 0.1**0.5
    assert errors[1].error <= 0.01**0.5
    assert errors[2].error < 1e-5


@pytest.mark.parametrize("text", ["0", "-3", "many", "energy=2", "sv_ratio=0.5", "half=3", "2.5"])
def test_a_rank_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(RankError, match="--rank"):
        RankRule.parse(text)


def test_rank_rules() -> None:
    values = torch.tensor([10.0, 5.0, 1.0, 0.1], dtype=torch.float64)
    chosen = {text: RankRule.parse(text).of(values) for text in ("3", "sv_ratio=2", "sv_ratio=10", "sv_fro=0.99")}
    assert chosen == {"3": 3, "sv_ratio=2": 2, "sv_ratio=10": 3, "sv_fro=0.99": 2}


def test_ties_keeps_what_agrees() -> None:
    """Worked by hand: trimmed to half, the greater total elects the sign, those that agree are averaged."""
    one, other = torch.tensor([[4.0, -1.0, 3.0, 0.5]]), torch.tensor([[2.0, 0.1, -5.0, 0.2]])
    assert torch.equal(ties([one, other], 0.5), torch.tensor([[3.0, 0.0, -5.0, 0.0]]))
    assert torch.equal(ties([one], 1.0), one)


def test_dare_keeps_the_mean_and_is_drawn_from_the_seed() -> None:
    delta = torch.ones(400, 400)
    draws = [dropped(delta, 0.25, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert draws[0].mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("method", ["ties", "dare"])
def test_whole_delta_merges_do_not_depend_on_order(tmp_path: Path, method: str) -> None:
    paths = [file(tmp_path, str(seed), modules("lora", 2, 2.0, seed)) for seed in (1, 2)]
    found = []
    for number, order in enumerate((paths, paths[::-1])):
        output = tmp_path / f"out{number}.safetensors"
        merge, rule = Merge(method, 0.5, seed=3), RankRule.parse("energy=1")
        write_blend(asked(*map(str, order), output=output, merge=merge, rank=rule), Silent())
        found.append(moved(output))
    for name in SHAPES:
        assert torch.allclose(found[0][name], found[1][name], atol=1e-4)


def test_whole_delta_merges_want_a_rank(tmp_path: Path) -> None:
    path = file(tmp_path, "one", modules("lora", 2, 2.0, 1))
    with pytest.raises(BlendError, match="--rank"):
        write_blend(asked(str(path), output=tmp_path / "out.safetensors", merge=Merge("ties", 0.5)), Silent())


@pytest.mark.parametrize(
    "module",
    [
        DoraModule(LoraModule(torch.ones(1, 6), torch.ones(8, 1), 1.0), torch.ones(8, 1)),
        OftModule(torch.zeros(2, 4, 4), 0.0),
    ],
)
def test_what_does_not_add_up_is_refused_and_the_way_out_is_named(tmp_path: Path, module: Module) -> None:
    path = file(tmp_path, "one", {LINEAR: module})
    with pytest.raises(BlendError, match=r"eval bake.*eval extract"):
        write_blend(asked(str(path), output=tmp_path / "out.safetensors"), Silent())
    assert list(tmp_path.iterdir()) == [path]


def test_other_shapes_and_other_families_are_refused(tmp_path: Path) -> None:
    one = file(tmp_path, "one", {LINEAR: random_module("lora", (8, 6), 2, 1.0, 1)})
    wider = file(tmp_path, "wider", {LINEAR: random_module("lora", (8, 4), 2, 1.0, 1)})
    sdxl = file(tmp_path, "xl", {"lora_unet_input_blocks_4_1_proj_in": random_module("lora", (8, 4), 2, 1.0, 1)})
    for other, error, message in ((wider, BlendError, "different models"), (sdxl, MixedFamiliesError, "SDXL")):
        with pytest.raises(error, match=message):
            write_blend(asked(str(one), str(other), output=tmp_path / "out.safetensors"), Silent())


def test_a_broken_parent_is_named(tmp_path: Path) -> None:
    broken = file(tmp_path, "one", {LINEAR: LoraModule(torch.full((1, 6), torch.nan), torch.ones(8, 1), 1.0)})
    with pytest.raises(LoraFileError, match=r"one\.safetensors.*NaN"):
        write_blend(asked(str(broken), output=tmp_path / "out.safetensors"), Silent())


def test_block_weights_act_on_their_blocks() -> None:
    only_up = BlockWeights.parse("OUTALL")
    assert [only_up.on(name) for name in SHAPES] == [0.0, 1.0, 1.0]
    halved = BlockWeights.parse("*attn1*=0.5;lora_te*=0")
    assert [halved.on(name) for name in SHAPES] == [0.5, 1.0, 0.0]
    numbers = BlockWeights.parse(",".join(str(number) for number in range(26)))
    assert numbers.on(LINEAR) == FORMS[26].index("IN01")
    assert numbers.on(TEXT) == 0
    seventeen = BlockWeights.parse(",".join(["1"] * 17))
    assert seventeen.on("lora_unet_up_blocks_0_resnets_0_conv1") == 0, "blocks that the form does not list are 0"


@pytest.mark.parametrize("text", ["1,2,3", "UP", "1," * 25 + "x"])
def test_block_weights_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(WeightsError):
        BlockWeights.parse(text)


def test_one_lora_keeps_its_tensors() -> None:
    one = LoraFile(modules("lora", 2, 2.0, 1), {})
    kept = blend([(one, WeightedLora.parse("x:unet=1").weights)])
    first = one.modules[LINEAR]
    assert isinstance(first, LoraModule)
    assert torch.equal(kept.modules[LINEAR].down, first.down)


def test_a_blend_has_one_alpha(tmp_path: Path) -> None:
    """diffusers reads a kohya file of several alphas as if most modules had the commonest one."""
    paths = [file(tmp_path, str(seed), modules("loha" if seed == 1 else "lora", 2, 2.0, seed)) for seed in (1, 2)]
    for number, rule in enumerate((None, "3", "energy=0.8")):
        output = tmp_path / f"out{number}.safetensors"
        rank = None if rule is None else RankRule.parse(rule)
        write_blend(asked(*map(str, paths), output=output, rank=rank), Silent())
        assert len({module.stored_alpha for module in read_lora(output).modules.values()}) == 1
    together = blend([(read_lora(path), WeightedLora.parse("x:unet=1").weights) for path in paths])
    assert len({module.alpha for module in together.modules.values()}) == 1


def test_a_parent_is_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under whatever name the file is asked for."""
    monkeypatch.chdir(tmp_path)
    path = file(tmp_path, "a", modules("lora", 4, 4.0, 0))
    link = tmp_path / "link.safetensors"
    link.symlink_to(path)
    before = path.read_bytes()
    for output in (path, Path(path.name), link):
        with pytest.raises(InputOverwrittenError, match="is one of the inputs, which would be lost"):
            write_blend(asked(f"{path}:unet=0.5", output=output), Silent())
    assert path.read_bytes() == before
