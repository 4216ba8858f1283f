"""Weights in prompts, and long ones in chunks, as A1111 reads them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from base_models.base_model import BaseModel, load_base
from base_models.drawing.guidance import read_prompts
from base_models.prompts.conditioning import emphasised, encode_prompt
from base_models.prompts.prompt_chunks import BACKTRACK, chunks_of, split_at_commas
from base_models.prompts.prompt_weights import Passage, parse_weights, plain_text
from miniature.paths import FOLDERS
from tiny_families import tiny_folder

# What A1111 documents of its parser (prompt_parser.py, and the wiki's "Attention/emphasis").
READ = [
    ("normal text", [("normal text", 1.0)]),
    ("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
    ("(unbalanced", [("unbalanced", 1.1)]),
    (r"\(literal\]", [("(literal]", 1.0)]),
    ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
    ("((twice))", [("twice", 1.21)]),
    ("[less]", [("less", 1 / 1.1)]),
    ("(word:1.2)", [("word", 1.2)]),
    ("(word:.5) :1.2)", [("word", 0.5), (" :1.2)", 1.0)]),
    (
        "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
        [
            ("a ", 1.0), ("house", 1.573), (" ", 1.1), ("on", 1.0), (" a ", 1.1), ("hill", 0.55), (", sun, ", 1.1),
            ("sky", 1.4641), (".", 1.1),
        ],
    ),
    ("", []),
]  # fmt: skip
COMMA = 267


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(FOLDERS["base"] / "tokenizer")


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    return load_base(str(tiny_folder(request.param, tmp_path_factory.mktemp("base") / request.param)))


@pytest.mark.parametrize(("prompt", "passages"), READ)
def test_brackets(prompt: str, passages: list[tuple[str, float]]) -> None:
    (section,) = parse_weights(prompt)
    assert [passage.text for passage in section] == [text for text, _ in passages]
    assert [passage.weight for passage in section] == pytest.approx([weight for _, weight in passages])


def test_break_parts_sections() -> None:
    sections = parse_weights("a cat BREAK (a dog\nBREAK red) BREAKING")
    texts = [[passage.text for passage in section] for section in sections]
    assert texts == [["a cat"], ["a dog"], ["red", " BREAKING"]]
    assert [passage.weight for passage in sections[2]] == [1.1, 1.0]


@given(st.text(alphabet=st.characters(exclude_characters="\\()[]")))
def test_without_syntax_a_prompt_is_itself(prompt: str) -> None:
    if "BREAK" not in prompt:
        assert plain_text(prompt) == prompt


@given(st.text(alphabet="ab ,()[]:1.\\", max_size=40))
def test_any_brackets_are_read(prompt: str) -> None:
    assert all(passage.text for section in parse_weights(prompt) for passage in section)


def test_plain_text_is_what_is_said() -> None:
    assert plain_text(r"photo of a (cat:1.3), [dark] \(film\) BREAK ((red))") == "photo of a cat, dark (film) red"


def test_empty_sections_say_nothing() -> None:
    assert plain_text("BREAK a cat BREAK BREAK red BREAK") == "a cat red"


def test_a_comma_twenty_tokens_before_the_end_of_a_chunk_ends_it() -> None:
    """A1111's own default; one further away does not."""
    for at, sizes in ((55, [56, 44]), (54, [75, 25])):
        tokens = [(COMMA if place == at else 1000 + place, 1.0) for place in range(100)]
        assert [len(part) for part in split_at_commas(tokens, COMMA, 75)] == sizes


def test_tokens_are_clips(tokenizer: CLIPTokenizer) -> None:
    (chunk,) = chunks_of(parse_weights("a photo of a cat"), tokenizer)
    assert chunk.ids[:7] == (49406, 320, 1125, 539, 320, 2368, 49407)
    assert set(chunk.ids[7:]) == {49407}
    assert chunk.weights == (1.0,) * 77


@pytest.mark.parametrize(("cats", "full"), [(75, 1), (76, 2), (150, 2), (151, 3)])
def test_a_chunk_has_75_tokens_between_start_and_end(tokenizer: CLIPTokenizer, cats: int, full: int) -> None:
    chunks = chunks_of([[Passage("cat " * cats, 1.5)]], tokenizer)
    assert len(chunks) == full
    assert {(len(chunk.ids), len(chunk.weights)) for chunk in chunks} == {(77, 77)}
    assert [chunk.ids[0] for chunk in chunks] == [49406] * full
    assert [chunk.ids[-1] for chunk in chunks] == [49407] * full
    assert sum(weight == 1.5 for chunk in chunks for weight in chunk.weights) == cats


@given(count=st.integers(0, 320), commas=st.sets(st.integers(0, 320)))
def test_chunks_hold_every_token_once_and_end_at_near_commas(count: int, commas: set[int]) -> None:
    tokens = [(COMMA if at in commas else 1000 + at, 1.0 + at) for at in range(count)]
    parts = split_at_commas(tokens, COMMA, 75)
    assert [token for part in parts for token in part] == tokens
    assert all(0 < len(part) <= 75 for part in parts)
    done = 0
    for part in parts[:-1]:
        full = tokens[done : done + 75]
        near = [at for at, (token, _) in enumerate(full) if token == COMMA and 75 - at <= BACKTRACK]
        follows = tokens[done + 75][0]
        done += len(part)
        assert len(part) == (75 if follows == COMMA or not near else near[-1] + 1)


def test_break_fills_a_chunk_and_an_empty_section_is_one(tokenizer: CLIPTokenizer) -> None:
    for prompt, count in (("a BREAK b", 2), ("BREAK b", 2), ("a BREAK", 1), ("", 1), ("a BREAK BREAK b", 3)):
        assert len(chunks_of(parse_weights(prompt), tokenizer)) == count, prompt


def test_emphasis_multiplies_and_keeps_the_mean() -> None:
    text = torch.randn(2, 77, 8, generator=torch.Generator().manual_seed(0)) + 0.5
    weights = torch.ones(2, 77)
    weights[0, 3] = 1.5
    found = emphasised(text, weights)
    assert torch.equal(found[1], text[1])
    assert found[0].mean() == pytest.approx(text[0].mean().item(), rel=1e-4)
    assert torch.allclose(found[0, 3] / text[0, 3], 1.5 * found[0, 4] / text[0, 4])


def test_long_prompts_are_read_chunk_by_chunk(base: BaseModel) -> None:
    """Two sections are two prompts' texts end to end; the pooled text is the first one's."""
    first, second = (encode_prompt(base, text, 1) for text in ("a red cat", "a (dog:1.4)"))
    both = encode_prompt(base, "a red cat BREAK a (dog:1.4)", 1)
    assert torch.allclose(both.text, torch.cat([first.text, second.text], dim=1), atol=1e-5)
    assert not torch.allclose(second.text, encode_prompt(base, "a dog", 1).text, atol=1e-3)
    if first.pooled is not None:
        assert torch.allclose(both.pooled, first.pooled, atol=1e-5)


def test_prompt_and_negative_are_equally_long(base: BaseModel) -> None:
    """The shorter one is continued with chunks of nothing."""
    empty = encode_prompt(base, "", 1).text
    guidance = read_prompts(base, ["a cat", "a BREAK b BREAK c BREAK d"], negative="ugly BREAK blurry")
    assert [one.wanted.text.shape[1] // 77 for one in guidance] == [2, 4]
    assert all(one.wanted.text.shape == one.unwanted.text.shape for one in guidance)
    assert torch.equal(guidance[0].wanted.text[:, 77:], empty)
    assert torch.equal(guidance[1].unwanted.text[:, 3 * 77 :], empty)


def test_a_weight_moves_the_picture_of_its_word(base: BaseModel) -> None:
    plain, more, escaped = (encode_prompt(base, text, 1).text for text in ("a cat", "a (cat)", r"a \(cat\)"))
    assert not torch.equal(plain, more)
    assert not torch.equal(more, escaped)
    assert torch.equal(plain, encode_prompt(base, "(a cat:1.0)", 1).text)


def test_passages_are_values() -> None:
    assert parse_weights("(a)") == [[Passage("a", 1.1)]]
