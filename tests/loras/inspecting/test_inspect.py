"""Inspecting LoRA files: every planted fault is named, no healthy file is accused, and the figures are right."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
import torch
import typer
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from foundation.errors import MissingFileError
from lora_kinds import CONV_KINDS, random_module
from loras.checkpoints.base_weights import open_base
from loras.inspecting import compare_command, inspect_command
from loras.inspecting.delta_size import size_of
from loras.inspecting.header_in_words import metadata_in_words
from loras.inspecting.inspect_lora import EmptyFolderError, LoraReport, inspect_lora, lora_files
from loras.inspecting.inspection_table import print_reports
from loras.lora_file import LoraFile, LoraModule, write_lora
from miniature.paths import FOLDERS, SUBJECT
from planted_loras import FAULTS, healthy, lora_of, plant_folder, write

FIRST = SUBJECT / "first.safetensors"
NAME = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant_folder(tmp_path_factory.mktemp("planted files ü"))


@pytest.fixture(scope="module")
def reports(planted: Path) -> list[LoraReport]:
    return [inspect_lora(path) for path in lora_files([planted])]


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and stdout of the commands, in this process."""
    app = typer.Typer()
    for command in (inspect_command, compare_command):
        command.register(app)
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


@pytest.mark.parametrize("fault", FAULTS)
def test_every_planted_fault_is_named(reports: list[LoraReport], fault: str) -> None:
    count, _, verdict, reason, _ = FAULTS[fault]
    found = [report for report in reports if report.path.name.startswith(f"{fault},")]
    assert len(found) == count
    for report in found:
        assert report.verdict.name == verdict, (report.path.name, report.verdict)
        assert re.search(reason, report.verdict.reason), (report.path.name, report.verdict)


def test_no_healthy_file_is_accused(reports: list[LoraReport]) -> None:
    found = [report for report in reports if report.path.name.startswith("healthy")]
    assert len(reports) >= 200
    assert len(found) >= 100
    assert {str(report.verdict) for report in found if report.verdict.name != "healthy"} == set()


def test_families_and_kinds_are_told(reports: list[LoraReport]) -> None:
    for report in (report for report in reports if report.path.name.startswith("healthy")):
        assert report.contents is not None
        *_, family = report.path.stem.split()
        assert report.contents.family.name == family, (report.path.name, report.contents.family)
        assert report.path.stem.split()[2] in report.contents.kinds


def test_a_folder_is_one_document_and_one_table(
    planted: Path, reports: list[LoraReport], capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = run("inspect", str(planted), "--json")
    rows = json.loads(text)
    assert code == 1
    assert len(rows) == len(lora_files([planted]))
    assert {"file", "verdict", "reason"} <= rows[0].keys()
    print_reports(reports)
    table = capsys.readouterr().out
    assert f"{len(rows)} files: " in table
    assert all(report.path.name in table for report in reports)


def test_healthy_files_exit_with_zero_and_wrong_requests_are_errors(tmp_path: Path) -> None:
    code, text = run("inspect", str(FIRST))
    assert code == 0
    assert "healthy" in text
    assert "epoch" in text
    with pytest.raises(MissingFileError, match="no such LoRA"):
        run("inspect", str(tmp_path / "nothing.safetensors"))
    with pytest.raises(EmptyFolderError, match=r"no \.safetensors file"):
        run("inspect", str(tmp_path))


@pytest.mark.parametrize("kind", [*CONV_KINDS])
def test_sizes_agree_with_the_singular_values(kind: str) -> None:
    for seed, rank in ((0, 1), (1, 3), (2, 9)):
        module = random_module(kind, (8, 6, 3, 3) if kind in CONV_KINDS[5:] or seed else (8, 6), rank, 2.0, seed)
        values = torch.linalg.svdvals(module.delta().flatten(1).double())
        size = size_of(module)
        assert (size.outputs, size.columns) == module.delta().flatten(1).shape
        assert size.squares == pytest.approx(values.square().sum().item(), rel=1e-4)
        expected = values.square().sum().item() ** 2 / values.pow(4).sum().item()
        assert size.effective_rank == pytest.approx(expected, rel=1e-4)


def test_effective_rank_counts_equal_directions(tmp_path: Path) -> None:
    up, down = torch.linalg.qr(torch.randn(32, 5)).Q, torch.linalg.qr(torch.randn(24, 5)).Q.T
    module = LoraModule(down.contiguous(), up.contiguous(), 5.0)
    write_lora(LoraFile({NAME: module}, {}), tmp_path / "a.safetensors", torch.float32)
    contents = inspect_lora(tmp_path / "a.safetensors").contents
    assert contents is not None
    assert contents.total.effective_rank == pytest.approx(5, rel=1e-5)
    assert contents.total.norm == pytest.approx(5**0.5, rel=1e-5)


def test_against_a_base_sizes_are_of_its_own_weights() -> None:
    with open_base("miniature") as base:
        contents = inspect_lora(FIRST, base).contents
    assert contents is not None
    assert contents.misfits == ()
    weights = load_file(FOLDERS["base"] / "unet" / "diffusion_pytorch_model.safetensors")
    block = next(block for block in contents.blocks if block.block == "M00")
    squares = sum(
        tensor.double().square().sum().item()
        for key, tensor in weights.items()
        if re.match(r"mid_block\.attentions.*(attn\d\.to_|proj_|ff\.net).*weight", key)
    )
    assert block.norm is not None
    assert block.relative == pytest.approx(block.norm / squares**0.5, rel=1e-3)


def test_a_base_that_does_not_fit_is_said(tmp_path: Path) -> None:
    path = write(healthy(random.Random(3), "lora", "SD1", 4, 1e-3), tmp_path / "a.safetensors")
    with open_base("miniature") as base:
        report = inspect_lora(path, base)
    assert report.verdict.name == "healthy"
    assert any("Is it the base" in note for note in report.notes)


def test_the_hash_is_checked_over_the_bytes(tmp_path: Path) -> None:
    module = LoraModule(torch.randn(2, 8) / 9, torch.randn(8, 2) / 9, 2.0)
    path = tmp_path / "a.safetensors"
    write_lora(LoraFile({NAME: module}, {}), path, torch.float32)
    hashes = [_hash_of(path)]
    changed = bytearray(path.read_bytes())
    changed[-3] ^= 1
    path.write_bytes(bytes(changed))
    hashes.append(_hash_of(path))
    save_file({f"{NAME}.lora_down.weight": module.down, f"{NAME}.lora_up.weight": module.up}, path)
    assert [*hashes, _hash_of(path)] == ["matches", "does not match", "absent"]


def _hash_of(path: Path) -> str:
    contents = inspect_lora(path).contents
    assert contents is not None
    return contents.hash_check


def test_dora_and_oft_are_measured_through_the_base(tmp_path: Path) -> None:
    """A DoRA that was never trained has the base's norms for magnitudes: it moves nothing, but only a base tells."""
    weights = load_file(FOLDERS["base"] / "unet" / "diffusion_pytorch_model.safetensors")
    weight = weights["mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight"].float()
    dora = {
        f"{NAME}.lora_down.weight": torch.randn(2, weight.shape[1]),
        f"{NAME}.lora_up.weight": torch.zeros(weight.shape[0], 2),
        f"{NAME}.dora_scale": weight.norm(dim=1, keepdim=True),
    }
    save_file(dora, tmp_path / "dora.safetensors")
    blocks = 0.01 * torch.randn(weight.shape[0] // 4, 4, 4)
    save_file({f"{NAME}.oft_blocks": blocks}, tmp_path / "oft.safetensors")
    assert inspect_lora(tmp_path / "dora.safetensors").verdict.name == "healthy"
    assert inspect_lora(tmp_path / "oft.safetensors").verdict.name == "healthy"
    with open_base("miniature") as base:
        assert inspect_lora(tmp_path / "dora.safetensors", base).verdict.name == "vanished"
        measured = inspect_lora(tmp_path / "oft.safetensors", base).contents
    guessed = inspect_lora(tmp_path / "oft.safetensors").contents
    assert measured is not None
    assert guessed is not None
    assert measured.total.relative == pytest.approx(guessed.total.relative, rel=0.1)


def test_no_bytes_make_it_fall_over(tmp_path: Path) -> None:
    """Files with bytes changed at random, mostly in the header, get a report each."""
    draw, path = random.Random(5), tmp_path / "a.safetensors"
    whole = write(lora_of(draw, parts="unet"), path).read_bytes()
    for _ in range(150):
        changed = bytearray(whole)
        for _ in range(draw.randrange(1, 6)):
            changed[draw.randrange(min(len(whole), 3000))] = draw.randrange(256)
        path.write_bytes(bytes(changed))
        json.dumps(inspect_lora(path).as_json(), allow_nan=False)


@pytest.mark.parametrize(
    "tensors",
    [
        {f"{NAME}.lora_down.weight": torch.ones(3), f"{NAME}.lora_up.weight": torch.ones(3)},
        {f"{NAME}.hada_{half}": torch.ones(3) for half in ("w1_a", "w1_b", "w2_a", "w2_b")},
        {f"{NAME}.lokr_w1": torch.ones(3), f"{NAME}.lokr_w2": torch.ones(3)},
        {f"{NAME}.lora_down.weight": torch.ones(0, 3), f"{NAME}.lora_up.weight": torch.ones(3, 0)},
        {"unet.mid_block.attentions.0.attn2.to_k.lora_A.weight": torch.ones(3)},
        {"lora_unet_mid_block_attn2_to_k.lora_down.weight": torch.ones(3)},
    ],
)
def test_senseless_shapes_are_broken(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file(tensors, tmp_path / "a.safetensors")
    assert inspect_lora(tmp_path / "a.safetensors").verdict.name == "broken"


def test_metadata_is_said_in_words_and_cannot_harm_a_terminal() -> None:
    said = metadata_in_words(
        {
            "ss_epoch": "3",
            "ss_num_epochs": "10",
            "ss_output_name": "evil\x1b[2Jname",
            "ss_tag_frequency": '{"1_a": {"smile": 4}, "2_b": {"smile": 1, "hat": 2}}',
            "ss_seed": "None",
            "lora_studio.recipe": "{broken",
        }
    )
    assert said == {"name": "evil [2Jname", "epoch": "3 of 10", "tags": "smile (5), hat (2)"}
