"""Merge methods are rows of a table: the command, its help, its errors and the recipe read them there."""

from __future__ import annotations

import hashlib

import pytest
import torch
import typer
from typer.testing import CliRunner

from loras.blend import Term
from loras.blending import blend_command, merge_methods
from loras.blending.merge_methods import (
    MERGE_METHODS,
    Merge,
    MergeMethod,
    MergeMethodError,
    dropped,
    merge_called,
    method_names,
    ties,
)
from loras.lora_file import LoraModule

DELTAS = [torch.randn(6, 5, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2, 3)]
TERMS = [
    Term(LoraModule(delta, torch.eye(6), 6.0), weight) for delta, weight in zip(DELTAS, (1.0, -0.5, 2.0), strict=True)
]


def whole(merge: Merge) -> torch.Tensor:
    """What the method makes of TERMS, files x, y and z, for the module a."""
    product = merge.product(TERMS, "a", ["x", "y", "z"])
    return product.up @ product.down


def helped() -> str:
    """The command's help, in one line."""
    app = typer.Typer()
    blend_command.register(app)
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "500"}, catch_exceptions=False).stdout
    return " ".join(shown.replace("│", " ").split())


def test_a_name_that_no_method_has_names_the_nearest() -> None:
    with pytest.raises(MergeMethodError, match=r"`tise` \(did you mean `ties`\?\); known: ties, dare, della, "):
        Merge("tise", 0.5)
    with pytest.raises(
        MergeMethodError, match=r"--method: unknown method `som` \(did you mean `sum`\?\); known: sum, "
    ):
        merge_called("som", 0.5, 0)
    with pytest.raises(MergeMethodError, match=r"unknown method `###` \(did you mean `"):
        merge_called("###", 0.5, 0)


def test_the_exact_sum_merges_nothing() -> None:
    assert merge_called("sum", 0.5, 0) is None
    assert merge_called("dare", 0.25, 3) == Merge("dare", 0.25, 3)
    assert merge_called("project", None, 0) == Merge("project", 0.9)


def test_every_row_says_what_it_does_and_whose_it_is() -> None:
    said = helped()
    assert "sum|ties|dare|della|knots|tsv|project" in said
    for name, row in MERGE_METHODS.items():
        assert f"{name}: {row.says} ({row.source})" in said
    assert "ties, dare, della, knots: the share of entries kept; tsv: the share of each" in said
    assert "dare, della: which entries are dropped." in said
    assert "so with --rank, are ties, dare, della." in said
    assert "Unless said: ties 0.5, dare 0.5, della 0.5, knots 0.5, tsv 1, project 0.9." in said


def test_a_recipe_says_method_density_and_seed() -> None:
    assert str(Merge("ties", 0.5)) == "ties density=0.5 seed=0"
    assert str(Merge("dare", 0.125, 7)) == "dare density=0.125 seed=7"


def test_a_further_method_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = MergeMethod(lambda given: given.deltas[0], {}, "nobody", "takes the first")
    monkeypatch.setitem(merge_methods.MERGE_METHODS, "first", row)
    assert method_names() == ["sum", "ties", "dare", "della", "knots", "tsv", "project", "first"]
    merge = merge_called("first", 0.5, 0)
    assert merge is not None
    assert torch.equal(whole(merge), TERMS[0].weight * DELTAS[0])
    assert str(merge) == "first seed=0"


def test_rows_are_the_papers_functions_to_the_bit() -> None:
    """DARE's draws are those of sha256 of seed, file and module, so that files made before are made again."""
    weighed = [term.weight * term.module.delta() for term in TERMS]
    assert torch.equal(whole(Merge("ties", 0.4)), ties(weighed, 0.4))
    found = whole(Merge("dare", 0.5, 3))
    digests = [hashlib.sha256(f"3\n{label}\na".encode()).digest() for label in "xyz"]
    draws = [torch.Generator().manual_seed(int.from_bytes(digest[:7], "little")) for digest in digests]
    kept = [dropped(delta, 0.5, draw) for delta, draw in zip(weighed, draws, strict=True)]
    assert torch.equal(found, torch.stack(kept).sum(0))
