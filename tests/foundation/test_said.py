"""Sentences that know what they were made of are text like any other."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as some

from foundation.wording.said import Said, in_series, listed, listed_with_and, say, say_many, some_of


@given(some.text(), some.text())
def test_it_is_the_text_that_it_reads_as(row: str, other: str) -> None:
    """Values are put in once: none reads another, whatever braces it has."""
    said = say("Take {row}, or {other}.", row=row, other=other)
    assert said == f"Take {row}, or {other}."
    assert hash(said) == hash(str(said))
    assert json.loads(json.dumps([said])) == [f"Take {row}, or {other}."]
    assert said.values == {"row": row, "other": other}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda said: pickle.loads(pickle.dumps(said))])
def test_a_copy_knows_what_it_was_made_of_too(copied: type) -> None:
    said = say("{what}: {count}", what=say_many("{count} row", "{count} rows", 3), count=3)
    other = copied(said)
    assert (other, other.template, other.values) == (said, said.template, said.values)
    assert isinstance(other.values["what"], Said)
    assert other.values["what"].several == "{count} rows"


@pytest.mark.parametrize(("count", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_a_number_chooses_the_form(count: int, text: str) -> None:
    assert say_many("{count} row", "{count} rows", count) == text


def test_a_value_may_come_later_and_a_name_without_one_stays() -> None:
    said = say("bleed into {others}")
    assert said == "bleed into {others}"
    assert said.with_values(others="other people") == "bleed into other people"


def test_lists_are_as_people_say_them() -> None:
    names = ["a", "b", "c", "d"]
    assert (in_series(names), listed(names), listed_with_and(names)) == ("a; b; c; d", "a, b, c, d", "a, b, c and d")
    assert (in_series([]), listed([]), listed_with_and([]), listed_with_and(["a"])) == ("", "", "", "a")
    assert (some_of(names, 4), some_of(names, 3)) == ("a, b, c and d", "a, b, c and 1 more")
