"""What a Postgres server says by number, in words: no server is needed for it."""

from __future__ import annotations

import re

import psycopg
import pytest

from eval.store.databases.postgres_faults import in_words


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("57P01", "broke off"),
        ("08006", "broke off"),
        ("25P03", "broke off"),
        ("40P01", "is in use"),
        ("53100", "make room"),
        ("53300", "no connection to spare"),
        ("53200", "no memory"),
        ("58030", "the server's disk"),
        ("XX001", "is damaged .*pg_amcheck"),
        ("42P01", "another version"),
    ],
)
def test_what_a_server_says_by_number_is_told_in_words(number: str, said: str) -> None:
    words = in_words(psycopg.errors.lookup(number)("the server's own words"), is_connecting=False)
    assert words is not None
    assert re.search(said, words)
    assert "the server's own words" in words


def test_a_mistake_of_this_program_is_not_told_as_the_users() -> None:
    assert in_words(psycopg.errors.SyntaxError("near FROM"), is_connecting=False) is None
