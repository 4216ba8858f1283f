"""What file names, manifests and trainers' samples tell; and which LoRA file pictures mean."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import torch

from eval.importing.collected import Ways, collect
from eval.importing.containers.picture_sources import find_pictures
from eval.importing.lora_files import lora_folders
from eval.importing.metadata.told import ToldLora, UnclearPictureError
from eval.importing.naming.file_pattern import read_pattern
from eval.importing.naming.manifest import read_manifest
from eval.importing.naming.trainer_samples import SampleNames
from foundation.errors import ConfigurationError
from loras.lora_file import LoraFile, LoraModule, write_lora
from picture_bytes import png

PROMPTS = ("photo of a ohwx woman", "photo of a woman, blonde")
PATTERN = "{checkpoint}_{strength}_{prompt}_{seed}.png"


def test_a_pattern_tells_checkpoint_weight_prompt_and_seed() -> None:
    told = read_pattern(PATTERN, None, ()).told("my_lora-000003_0.75_photo of a ohwx woman_42", ())
    assert told is not None
    assert told.loras == (ToldLora("my_lora-000003", 0.75, 0.75),)
    assert (told.prompt, told.seed) == ("photo of a ohwx woman", 42)


def test_a_number_for_a_prompt_is_one_of_the_list() -> None:
    told = read_pattern("{checkpoint}_u{unet}_t{te}_{prompt}.png", 7, PROMPTS).told("kat_u1_t-.5_01", ())
    assert told is not None
    assert (told.loras, told.prompt, told.seed) == ((ToldLora("kat", 1.0, -0.5),), PROMPTS[1], 7)


def test_the_base_model_and_an_epoch() -> None:
    base = read_pattern(PATTERN, None, ()).told("base_0_a woman_1", ())
    epoch = read_pattern("{checkpoint} e{epoch} {strength} {prompt} {seed}", None, PROMPTS).told("kat e3 1.0 0 9", ())
    assert base is not None
    assert base.loras == ()
    assert epoch is not None
    assert epoch.loras == (ToldLora("kat-000003", 1.0, 1.0),)


def test_a_name_that_can_be_read_in_two_ways_is_not_guessed_unless_a_file_is_known() -> None:
    pattern = read_pattern(PATTERN, None, ())
    name = "kat_2_0.8_a woman_3"
    with pytest.raises(UnclearPictureError, match="two ways"):
        pattern.told(name, ())
    told = pattern.told(name, {"kat_2"})
    assert told is not None
    assert told.loras == (ToldLora("kat_2", 0.8, 0.8),)


@pytest.mark.parametrize(
    ("pattern", "name", "why"),
    [
        ("{checkpoint}_{prompt}_{seed}", "kat_a_1", "tells no weight"),
        ("{checkpoint}_{strength}_{prompt}", "kat_1_a", "tells no seed"),
        ("{checkpoint}_{strength}_{seed}", "kat_1_1", "tells no prompt"),
        ("{checkpoint}_{strength}_{prompt}_{seed}", "kat_1_7_1", "prompt number 7"),
    ],
)
def test_what_a_name_does_not_tell_is_named(pattern: str, name: str, why: str) -> None:
    with pytest.raises(UnclearPictureError, match=why):
        read_pattern(pattern, None, PROMPTS).told(name, ())


@pytest.mark.parametrize(
    ("text", "why"), [("{lora}.png", "no field"), ("x.png", "no field"), ("{seed}{seed}", "twice")]
)
def test_a_pattern_of_no_sense_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        read_pattern(text, None, ())


def test_a_manifest_goes_before_all_else_and_its_faults_are_named(tmp_path: Path) -> None:
    for number, name in enumerate(("a.png", "b.png", "c.png", "d.png", "e.png")):
        (tmp_path / name).write_bytes(png(number))
    csv = tmp_path / "list.csv"
    csv.write_text(
        "File;LoRA;Strength;Also;Prompt;Seed\n"
        "a.png;kat.safetensors;0.8;first:unet=0.5,te=0;photo of a ohwx woman;3\n"
        "./b.png;;;;photo of a woman;3\nc.png;kat;;;photo;1\nd.png;kat;1;;photo;x\nzz.png;kat;1;;photo;1\n",
        encoding="utf-8-sig",
    )
    manifest = read_manifest(csv)
    collected = collect(find_pictures([tmp_path]), Ways(manifest, None, SampleNames((), None)))
    read = {one.source.name: one.told for one in collected.read}
    assert read["a.png"].loras == (ToldLora("kat", 0.8, 0.8), ToldLora("first", 0.5, 0.0))
    assert read["b.png"].loras == ()
    reasons = {Path(place).name: why for place, why in collected.unclear.items()}
    assert reasons.keys() == {"c.png", "d.png", "e.png"}
    assert "weight of `kat`" in reasons["c.png"]
    assert "seed" in reasons["d.png"]
    assert manifest.unused == ["zz.png"]


@pytest.mark.parametrize("text", ["file,prompt,seed\n", "", 'file,checkpoint,prompt,seed\n"a,b'])
def test_a_manifest_without_its_columns_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(ConfigurationError, match=r"list\.csv"):
        read_manifest(tmp_path / "list.csv")


SAMPLES = {
    "kat_e000003_01_20260101120000_42.png": (ToldLora("kat-000003", 1.0, 1.0), 42, 1),
    "kat_v2_000250_00_20260101120000_42.png": (ToldLora("kat_v2-step00000250", 1.0, 1.0), 42, 0),
    "kat_e000000_00_20260101120000_42.png": (None, 42, 0),
    "kat/samples/1700000000000__000000250_1.jpg": (ToldLora("kat_000000250", 1.0, 1.0), 9, 1),
    "0 - photo/2026-01-01_12-00-00-training-sample-250-3-10.png": (ToldLora("save-250-3-10", 1.0, 1.0), 9, 0),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_trainers_samples(tmp_path: Path, name: str) -> None:
    lora, seed, prompt = SAMPLES[name]
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(1))
    ways = Ways(None, None, SampleNames(PROMPTS, 9))
    told = collect(find_pictures([tmp_path]), ways).read[0].told
    assert (told.loras, told.seed, told.prompt) == ((lora,) if lora else (), seed, PROMPTS[prompt])
    unclear = collect(find_pictures([tmp_path]), Ways(None, None, SampleNames((), None))).unclear
    assert "does not tell its prompt" in next(iter(unclear.values()))


def lora_file(path: Path, seed: int, **metadata: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = torch.Generator().manual_seed(seed)
    module = LoraModule(torch.randn(2, 8, generator=rng), torch.randn(8, 2, generator=rng), 1.0)
    write_lora(LoraFile({"lora_unet_mid_block_attentions_0_proj_in": module}, metadata), path)
    return path


def behind_header(path: Path) -> str:
    data = path.read_bytes()
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


def test_a_file_is_found_by_every_hash_that_tools_tell(tmp_path: Path) -> None:
    kat = lora_file(tmp_path / "renamed.safetensors", 1)
    lora_file(tmp_path / "kat.safetensors", 2)
    folders = lora_folders([tmp_path])
    whole = hashlib.sha256(kat.read_bytes()).hexdigest()
    for told in (whole[:10], whole[:12], whole, behind_header(kat)[:12], behind_header(kat)):
        assert folders.find(ToldLora("kat", 1, 1, told)) == kat


def test_another_file_of_that_name_is_not_taken(tmp_path: Path) -> None:
    kat = lora_file(tmp_path / "kat.safetensors", 2)
    folders = lora_folders([tmp_path])
    assert folders.find(ToldLora("kat", 1, 1, "0123456789ab")) is None
    assert str(kat) in folders.doubts["kat"]
    assert folders.find(ToldLora("kat", 1, 1)) == kat


def test_of_two_files_of_one_name_the_folder_tells_or_none_is_taken(tmp_path: Path) -> None:
    first = lora_file(tmp_path / "a" / "kat.safetensors", 1)
    lora_file(tmp_path / "b" / "kat.safetensors", 2)
    folders = lora_folders([tmp_path])
    assert folders.find(ToldLora("a/kat", 1, 1)) == first
    assert folders.find(ToldLora("kat", 1, 1)) is None
    assert "several files" in folders.doubts["kat"]
    shutil.copyfile(first, tmp_path / "b" / "kat.safetensors")
    assert lora_folders([tmp_path]).find(ToldLora("kat", 1, 1)) is not None


def test_a_runs_last_file_has_no_number_and_a1111_may_use_the_name_within(tmp_path: Path) -> None:
    last = lora_file(tmp_path / "kat.safetensors", 1, ss_epoch="8", ss_output_name="katherine")
    folders = lora_folders([tmp_path])
    assert folders.find(ToldLora("kat-000008", 1, 1)) == last
    assert folders.find(ToldLora("kat-000007", 1, 1)) is None
    assert folders.find(ToldLora("kat_v2", 1, 1)) is None
