"""Captions beyond 75 tokens are cut and joined as kohya does it: by hand, token by token."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from base_models.base_model import BaseModel, load_base
from base_models.prompts.conditioning import encode_tokens
from tiny import tiny_base
from trainer.data.dataset import Sample
from trainer.data.latents import too_long
from trainer.data.long_captions import joined, tokenize_in_chunks
from trainer.data.training_inputs import CaptionReader


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    return load_base(str(tiny_base(tmp_path_factory.mktemp("base"))))


def _ids(base: BaseModel, text: str) -> list[int]:
    return [base.tokenizers[0].get_vocab()[f"{letter}</w>"] for letter in text]


@pytest.mark.parametrize("count", [0, 74, 75, 76, 149, 150, 151])
def test_every_chunk_has_a_start_75_tokens_and_an_end(base: BaseModel, count: int) -> None:
    tokenizer, letters = base.tokenizers[0], ("abcdefg" * 30)[:count]
    start, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    rows = tokenize_in_chunks(tokenizer, " ".join(letters), 2).tolist()
    words = [*_ids(base, letters), *[end] * 200]
    assert rows == [[start, *words[:75], end], [start, *words[75:150], end]]


@pytest.mark.parametrize(("count", "first", "second"), [(3, "wwwep", "epp"), (75, "www", "epp"), (150, "www", "www")])
def test_where_padding_is_a_token_of_its_own_an_end_follows_the_words(
    base: BaseModel, count: int, first: str, second: str
) -> None:
    """SD2's and SDXL's second tokenizer pads with 0: a chunk of no word begins with an end, a full one ends with it."""

    class Padded:
        bos_token_id, eos_token_id, pad_token_id, model_max_length = 500, 501, 0, 77

        def __call__(self, text: str, **_: object) -> object:
            return type("Read", (), {"input_ids": [7] * len(text.split())})

    rows = tokenize_in_chunks(Padded(), "w " * count, 2).tolist()  # pyright: ignore[reportArgumentType]
    sign = {7: "w", 501: "e", 0: "p"}
    spelt = ["".join(sign[one] for one in row[1:]) for row in rows]
    assert [row[0] for row in rows] == [500, 500]
    assert [spelt[0][: len(first)], spelt[1][: len(second)]] == [first, second]
    assert spelt[0][-1] == ("p" if count == 3 else "e")
    assert spelt[1][-1] == ("e" if count == 150 else "p")


def test_answers_are_joined_without_the_ends_between() -> None:
    text = torch.arange(2 * 3 * 77).reshape(6, 77, 1)
    whole = joined(text, 3)
    assert whole.shape == (2, 227, 1)
    wanted = [0, *range(1, 76), *range(78, 153), *range(155, 230), 230]
    assert whole[0, :, 0].tolist() == wanted
    assert (whole[1, :, 0] - 231).tolist() == wanted


def test_a_reader_of_long_captions_answers_for_every_word(base: BaseModel) -> None:
    caption, other = " ".join("abcde" * 18), "short"
    reader = CaptionReader(base, 1, frozen=False, chunks=2)
    answer = reader.read([caption, other, caption]).text
    assert answer.shape[:2] == (3, 152)
    assert torch.equal(answer[0], answer[2])
    rows = tokenize_in_chunks(base.tokenizers[0], caption, 2)
    apart = encode_tokens(base, [rows], 1).text
    torch.testing.assert_close(answer[0], torch.cat([apart[0, :76], apart[1, 1:]]), rtol=1e-5, atol=1e-6)
    changed = reader.read([caption[:-1] + "z"]).text
    assert not torch.allclose(changed[0], answer[0])  # the 90th word, which 75 tokens would not reach
    cut = CaptionReader(base, 1, frozen=False)
    assert torch.equal(cut.read([caption]).text, cut.read([caption[:-1] + "z"]).text)


def test_what_is_too_long_hangs_on_how_much_is_read(base: BaseModel, tmp_path: Path) -> None:
    samples = [Sample(tmp_path / str(count), "a " * count, 1, "") for count in (75, 76, 150, 151)]
    counted = [len(too_long(base.tokenizers[0], samples, chunks)) for chunks in (1, 2, 3)]
    assert counted == [3, 1, 0]
