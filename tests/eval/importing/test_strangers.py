"""Damaged, foreign and hostile pictures are named, each with its reason; none is guessed, and none takes the memory."""

from __future__ import annotations

import json
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comfy_graphs import chain, ends, exact_blend, node
from eval.importing.collected import Collected, Ways, collect
from eval.importing.containers.picture_sources import find_pictures
from eval.importing.naming.trainer_samples import SampleNames
from foreign_kinds import Drawn
from picture_bytes import chunk, exif_picture, packed_chunk, pixels, png, text_chunk

DRAWN = Drawn((("kat", 0.8, 0.8),), "photo of a ohwx woman", 7)
WAYS = Ways(None, None, SampleNames((), None))


def a1111(prompt: str = "a cat <lora:kat:0.8>", rest: str = "", seed: object = 7, size: str = "16x24") -> bytes:
    text = f"{prompt}\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: {seed}, Size: {size}{rest}"
    return png(1, text_chunk("parameters", text))


def graph(changed: Callable[[dict[str, Any]], None]) -> bytes:
    made = chain(DRAWN)
    changed(made)
    return png(1, text_chunk("prompt", json.dumps(made)))


def _put(key: str, **inputs: object) -> Callable[[dict[str, Any]], None]:
    return lambda made: made[key]["inputs"].update(inputs)


def _circle(made: dict[str, Any]) -> None:
    made["20"]["inputs"]["model"] = ["21", 0]
    made["21"] = node("ModelSamplingDiscrete", sampling="v_prediction", model=["20", 0])


def _unknown_loader(made: dict[str, Any]) -> None:
    made["21"] = node("SomebodysSuperLora", lora="x", model=["4", 0], clip=["4", 1])
    made["20"]["inputs"] |= {"model": ["21", 0]}


def _blended(**inputs: object) -> bytes:
    made = exact_blend(DRAWN)
    made["20"]["inputs"].update(inputs)
    return png(1, text_chunk("prompt", json.dumps(made)))


def _second_saver(made: dict[str, Any]) -> None:
    other = ends(Drawn((), "a dog", 8), ["4", 0], ["4", 1])
    made |= {f"1{key}": node(one["class_type"], **one["inputs"]) for key, one in other.items()}
    made["18"]["inputs"]["samples"] = ["13", 0]
    made["19"]["inputs"]["images"] = ["18", 0]


def _other_negative(made: dict[str, Any]) -> None:
    made["7"]["inputs"]["clip"] = ["4", 1]


def _refiner(made: dict[str, Any]) -> None:
    first = made["3"]["inputs"]
    made["61"] = node("KSampler", **{**first, "model": ["4", 0], "latent_image": ["3", 0]})
    made["8"]["inputs"]["samples"] = ["61", 0]


def _loaded(made: dict[str, Any]) -> None:
    made["70"] = node("LoadImage", image="me.png")
    made["9"]["inputs"]["images"] = ["70", 0]


WHOLE = a1111()
DEEP = '{"3": ' * 100_000 + "1" + "}" * 100_000
STRANGERS: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", ".png", "is no PNG"),
    "noise": (b"\x00\x01\x02" * 400, ".png", "is no PNG"),
    "gif": (b"GIF89a" + b"\0" * 50, ".png", "is no PNG"),
    "cut": (WHOLE[: len(WHOLE) // 2], ".png", "is cut off"),
    "no end": (WHOLE[:-12], ".png", "is cut off"),
    "checksum": (WHOLE.replace(b"Seed: 7", b"Seed: 8"), ".png", "its checksum is another"),
    "camera": (exif_picture(1, "JPEG", b"", {0x010F: "Canon"}), ".jpg", "tells nothing"),
    "silent": (png(1), ".png", "tells nothing"),
    "comment": (exif_picture(1, "JPEG", b"ASCII\0\0\0holiday 2024"), ".jpg", "tells nothing"),
    "half a jpeg": (exif_picture(1, "JPEG", b"")[:30], ".jpg", "is cut off"),
    "webp cut": (exif_picture(1, "WEBP", b"ASCII\0\0\0x")[:-9], ".webp", "is cut off"),
    "bomb": (png(1, packed_chunk("parameters", b"a" * 60_000_000)), ".png", "more than 8 MB of text"),
    "many bombs": (png(1, *[packed_chunk(f"k{at}", b"a" * 1_000_000) for at in range(12)]), ".png", "more than 8 MB"),
    "long json": (png(1, text_chunk("prompt", json.dumps({"3": "x" * 5_000_000}))), ".png", "are not read"),
    "deep json": (png(1, text_chunk("prompt", DEEP)), ".png", "is no JSON"),
    "no json": (png(1, text_chunk("prompt", "{'3': 4}")), ".png", "is no JSON"),
    "a list": (png(1, text_chunk("prompt", "[1, 2]")), ".png", "is no JSON object"),
    "long number": (png(1, text_chunk("prompt", '{"3": ' + "9" * 9000 + "}")), ".png", "is no JSON"),
    "bad packing": (png(1, chunk(b"zTXt", b"parameters\0\0" + b"not packed")), ".png", "a damaged text"),
    "no seed": (a1111(seed="x"), ".png", "its seed is not told"),
    "random seed": (a1111(seed=-1), ".png", "its seed is not told"),
    "no weight": (a1111("a cat <lora:kat:much>"), ".png", "not told as a number"),
    "nan": (a1111("a cat <lora:kat:nan>"), ".png", "not told as a number"),
    "three numbers": (a1111("a cat <lora:kat:1:1:32>"), ".png", "two are understood"),
    "blocks": (a1111("a cat <lora:kat:1:lbw=OUTD>"), ".png", "`lbw=`"),
    "twice": (a1111("a cat <lora:kat:1> <lora:kat:0.5>"), ".png", "twice"),
    "hypernetwork": (a1111("a cat <hypernet:old:1>"), ".png", "a hypernetwork"),
    "old hypernetwork": (a1111("a cat", ", Hypernet: old(abcd), Hypernet strength: 1"), ".png", "not understood"),
    "hash alone": (a1111("a cat", ', Lora hashes: "kat: 0123456789ab"'), ".png", "no weight of it is told"),
    "sheet": (a1111(size="8x12"), ".png", "a sheet of several"),
    "xyz sheet": (a1111("a cat", ", Hires upscale: 2, Script: X/Y/Z plot, X Type: Seed"), ".png", "a whole sheet"),
    "detailer's own": (a1111(rest=', ADetailer prompt: "face <lora:other:1>"'), ".png", "LoRAs of its own"),
    "detailer without": (a1111(rest=', ADetailer prompt: "a face"'), ".png", "leaves out the LoRA"),
    "comfy's saver": (a1111("a cat", ", Version: ComfyUI"), ".png", "may have LoRAs"),
    "other module": (
        a1111("a", ", AddNet Enabled: True, AddNet Module 1: LoHa, AddNet Model 1: k(01234567), AddNet Weight 1: 1"),
        ".png", "puts on a LoHa",
    ),
    "circle": (graph(_circle), ".png", "in a circle"),
    "unknown loader": (graph(_unknown_loader), ".png", "`SomebodysSuperLora`"),
    "merged blend": (_blended(method="ties"), ".png", "merges or compresses"),
    "compressed blend": (_blended(rank="auto"), ".png", "merges or compresses"),
    "blend by block": (_blended(more="a.safetensors:unet=1,blocks=OUTALL"), ".png", "are not two numbers"),
    "blend by encoder": (_blended(more="a.safetensors:te1=1,te2=0"), ".png", "are not two numbers"),
    "two savers": (graph(_second_saver), ".png", "which it is is not told"),
    "other negative": (graph(_other_negative), ".png", "negative prompt is read with other LoRAs"),
    "refiner": (graph(_refiner), ".png", "draw with different LoRAs"),
    "loaded": (graph(_loaded), ".png", "no sampler drew"),
    "batch": (graph(_put("5", batch_size=4)), ".png", "one of a batch of 4"),
    "nowhere": (graph(_put("3", model=["99", 0])), ".png", "which is not there"),
    "seed from nowhere": (graph(lambda made: made.update({"50": node("MysterySeed"),
                          "3": node("KSampler", **{**made["3"]["inputs"], "seed": ["50", 0]})})),
                          ".png", "`MysterySeed`"),
    "strength missing": (graph(_put("20", strength_clip=None)), ".png", "not told as a number"),
    "strength endless": (graph(_put("20", strength_model=1e999)), ".png", "not told as a number"),
    "tag without loader": (graph(_put("6", text="x <lora:ghost:1>")), ".png", "no loader puts it on"),
    "swarm weights": (
        png(1, text_chunk("parameters", json.dumps({"sui_image_params": {"prompt": "x", "seed": 1, "loras": ["a", "b"],
                                                                         "loraweights": ["1"]}}))),
        ".png", "2 LoRAs are told with 1 weights",
    ),
    "swarm weights of nothing": (
        png(1, text_chunk("parameters", json.dumps({"sui_image_params": {"prompt": "x", "seed": 1,
                                                                         "loraweights": ["1"]}}))),
        ".png", "0 LoRAs are told with 1 weights",
    ),
}  # fmt: skip


def collected_from(folder: Path) -> Collected:
    return collect(find_pictures([folder]), WAYS)


@pytest.mark.parametrize("name", STRANGERS)
def test_each_is_named_with_its_reason(tmp_path: Path, name: str) -> None:
    data, suffix, why = STRANGERS[name]
    path = tmp_path / f"picture{suffix}"
    path.write_bytes(data)
    collected = collected_from(tmp_path)
    assert collected.read == []
    assert list(collected.unclear) == [str(path)]
    assert why in collected.unclear[str(path)]


def test_what_they_say_is_never_longer_than_a_few_lines(tmp_path: Path) -> None:
    for name, (data, suffix, _) in STRANGERS.items():
        (tmp_path / f"{name}{suffix}").write_bytes(data)
    collected = collected_from(tmp_path)
    assert len(collected.unclear) == len(STRANGERS)
    assert all(len(why) < 400 for why in collected.unclear.values())


def test_bombs_take_no_more_memory_than_is_read(tmp_path: Path) -> None:
    for name in ("bomb", "many bombs", "long json"):
        (tmp_path / f"{name}.png").write_bytes(STRANGERS[name][0])
    tracemalloc.start()
    collected_from(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 60 * 2**20
    tracemalloc.stop()


def _entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def test_an_archive_is_read_where_it_lies_and_its_tricks_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "grid.zip", "w") as archive:
        archive.writestr(_entry("out/good.png"), WHOLE)
        archive.writestr(_entry("../../evil.png"), WHOLE)
        archive.writestr(_entry("/abs.png"), WHOLE)
        archive.writestr(_entry("link.png", 0o120777), "/etc/passwd")
        archive.writestr(_entry("bomb.png"), b"\0" * 30_000_000)
        archive.writestr(_entry("__MACOSX/._good.png"), b"x")
        archive.writestr(_entry("notes.txt"), b"x")
    collected = collected_from(tmp_path)
    assert [str(picture.source) for picture in collected.read] == [f"{tmp_path / 'grid.zip'}: out/good.png"]
    reasons = {place.rpartition(": ")[2]: why for place, why in collected.unclear.items()}
    assert reasons.keys() == {"../../evil.png", "/abs.png", "link.png", "bomb.png"}
    assert "leads out" in reasons["../../evil.png"]
    assert reasons["link.png"] == "is a link"
    assert "times smaller" in reasons["bomb.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grid.zip"]


def test_a_damaged_archive_and_a_damaged_member_are_named(tmp_path: Path) -> None:
    (tmp_path / "none.zip").write_bytes(b"PK\x03\x04 no")
    whole = tmp_path / "half.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr(_entry("a.png"), WHOLE)
    data = bytearray(whole.read_bytes())
    data[60:90] = bytes(30)
    whole.write_bytes(bytes(data))
    reasons = collected_from(tmp_path).unclear
    assert "no zip archive" in reasons[str(tmp_path / "none.zip")]
    assert "unpacked" in reasons[f"{whole}: a.png"]


@pytest.mark.parametrize(("at", "value", "why"), [(6, 1, "is encrypted"), (8, 99, "cannot be unpacked")])
def test_a_member_that_cannot_be_unpacked_is_named(at: int, value: int, why: str, tmp_path: Path) -> None:
    """`at`: where the field stands in a member's own header; two bytes farther on in the archive's directory."""
    archive = tmp_path / "odd.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr(_entry("a.png"), WHOLE)
    data = bytearray(archive.read_bytes())
    for place in (data.index(b"PK\3\4") + at, data.index(b"PK\1\2") + at + 2):
        data[place] = value
    archive.write_bytes(data)
    assert why in collected_from(tmp_path).unclear[f"{archive}: a.png"]


def test_two_keys_of_one_name_the_first_counts(tmp_path: Path) -> None:
    second = text_chunk("parameters", "a dog\nSteps: 1, Seed: 3, Size: 16x24")
    (tmp_path / "a.png").write_bytes(WHOLE[:33] + png(1)[33:33] + WHOLE[33:-12] + second + WHOLE[-12:])
    assert [one.told.seed for one in collected_from(tmp_path).read] == [7]


def test_a_picture_is_read_without_its_pixels(tmp_path: Path) -> None:
    """So ten thousand of them are a matter of seconds."""
    broken = WHOLE.replace(zlib.compress(pixels(1).tobytes())[:4], b"\0\0\0\0")
    (tmp_path / "a.png").write_bytes(broken)
    assert len(collected_from(tmp_path).read) == 1
