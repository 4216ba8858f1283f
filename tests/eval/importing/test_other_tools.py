"""Two hundred pictures by stand-ins for other tools: each is read as what it was told to draw."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.importing.collected import Ways, collect
from eval.importing.containers.picture_sources import find_pictures
from eval.importing.naming.trainer_samples import SampleNames
from foreign_kinds import Drawn, Variant
from two_hundred import VARIANTS, WANTED, write_variant

WAYS = Ways(None, None, SampleNames((), None))


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_lora_weights_prompt_and_seed_are_read_of_every_picture(tmp_path: Path, variant: Variant) -> None:
    wanted = write_variant(tmp_path, variant)
    collected = collect(find_pictures([tmp_path]), WAYS)
    assert collected.unclear == {}
    read = {picture.source.name: picture for picture in collected.read}
    assert read.keys() == wanted.keys()
    for name, drawn in wanted.items():
        told = read[name].told
        assert {(lora.stem, lora.unet, lora.te) for lora in told.loras} == set(drawn.loras)
        assert (told.prompt, told.seed) == (drawn.prompt, drawn.seed)
        assert told.negative.replace("\n", " ").startswith(drawn.negative)


def test_there_are_enough_of_them() -> None:
    assert len(VARIANTS) * len(WANTED) >= 200
    assert isinstance(WANTED[0], Drawn)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_pictures_of_one_tool_are_of_one_kind_of_settings(tmp_path: Path, variant: Variant) -> None:
    """What a LoRA adds to a text is no setting: the base model's pictures stand beside those with one."""
    from eval.importing.same_settings import largest_group

    write_variant(tmp_path, variant)
    kept, others = largest_group(collect(find_pictures([tmp_path]), WAYS).read)
    assert others == {}
    assert len(kept) == len(WANTED)
