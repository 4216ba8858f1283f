"""The commands of eval: wrong input gets one or two lines and exit code 2, never a traceback."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from eval.store.connection import StoreError
from eval.store.store import open_store
from grid_folders import GridFolder, write_grid
from typed_commands import type_command


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return type_command("eval", *words)


def change(made: GridFolder, old: str, new: str) -> None:
    text = made.spec.read_text(encoding="utf-8")
    assert old in text
    made.spec.write_text(text.replace(old, new), encoding="utf-8")


def wrong_family(made: GridFolder) -> None:
    name = "lora_te2_text_model_encoder_layers_0_self_attn_q_proj"
    tensors = {f"{name}.lora_down.weight": torch.ones(2, 1280), f"{name}.lora_up.weight": torch.ones(1280, 2)}
    save_file(tensors, made.folder / "runs of hina ö" / "hina.safetensors")


def no_references(made: GridFolder) -> None:
    for path in (made.folder / "references").iterdir():
        path.unlink()


def no_base(made: GridFolder) -> None:
    change(made, '"miniature"', '"no/such base"')
    change(made, "[store]", '[score]\nfaces = "buffalo_l"\nclip = "ViT-B-32/laion2b_s34b_b79k"\n[store]')


FAULTS: dict[str, tuple[Callable[[GridFolder], object], str]] = {
    "a missing LoRA": (lambda made: change(made, "*.safetensors", "none-*.safetensors"), "no LoRA file matches"),
    "a LoRA of another family": (wrong_family, "this LoRA is for SDXL"),
    "no prompts": (
        lambda made: change(made, '"photo of a ohwx person, smiling, red hoodie, blue background", "photo', '"" , "'),
        "no prompt contains the trigger",
    ),
    "an empty list of prompts": (
        lambda made: made.spec.write_text(
            "\n".join("texts = []" if line.startswith("texts") else line for line in made.spec.read_text().splitlines())
        ),
        "at least one prompt",
    ),
    "zero references": (no_references, "zero reference pictures"),
    "an unknown key": (lambda made: change(made, "steps =", "stesp ="), "did you mean `sampler.steps`|`steps`"),
    "an unknown sampler": (
        lambda made: change(made, "[sampler]", '[sampler]\nname = "dpmpp_2n_karras"'),
        "did you mean `dpmpp_2m_karras`",
    ),
    "no such base": (no_base, "no such file or folder"),
    "a missing specification": (lambda made: made.spec.unlink(), "no such file"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_input_gets_one_clear_message(tmp_path: Path, fault: str) -> None:
    made = write_grid(tmp_path, steps=1)
    spoil, message = FAULTS[fault]
    spoil(made)
    result = run("grid", str(made.spec))
    assert result.returncode == 2, result.stderr
    # What was looked at before the fault may stand above the message, on a slow machine with how long it took.
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1, result.stderr
    assert lines[-2:].count(errors[0]) == 1, result.stderr
    assert any(part.strip("`") in errors[0] for part in message.split("|")), result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_rank_json_is_one_document_with_the_contracts_keys(rendered_grid: GridFolder) -> None:
    result = run("rank", str(rendered_grid.store), "--json")
    rows = json.loads(result.stdout)
    keys = (
        "cell checkpoint unet te identity identity_low identity_high identity_normalised prompt face_rate bleed copy "
        "spread pictures tied_with_best flags"
    )
    assert result.returncode == 0
    assert set(keys.split()) <= rows[0].keys()


def test_a_folder_that_is_no_store(tmp_path: Path) -> None:
    result = run("rank", str(tmp_path))
    assert result.returncode == 2
    assert "not a store" in result.stderr
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "grid.sqlite").touch()
    with pytest.raises(StoreError, match=f"name {tmp_path / 'eval'}"):
        open_store(tmp_path)


def test_help_explains_every_command() -> None:
    for command in ("grid", "rank", "report", "export"):
        assert len(run(command, "--help").stdout) > 200
