"""What a tool does with a file, as rows of a table: which modules it leaves out, which it reads otherwise, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from loras.verifying.facts import FileFacts, ModuleFacts

Fits = Callable[[ModuleFacts, FileFacts], bool]
Effect = Literal["ignored", "changed"]


@dataclass(frozen=True)
class Rule:
    """What happens to the modules that `fits` picks; the first rule that picks a module counts.

    `ignored`: they do nothing there. `changed`: they act, but otherwise than they were made to; `times` is by how much,
    where it is a number. `why` is said of them together.
    """

    fits: Fits
    effect: Effect
    why: str
    times: Callable[[ModuleFacts, FileFacts], float] | None = None


@dataclass(frozen=True)
class Refusal:
    """Modules of which one is enough for the tool to give the whole file up; `why` is what it stumbles over."""

    fits: Fits
    why: str


@dataclass(frozen=True)
class Tool:
    """A program that reads LoRA files: its name, the version and the sources that the rules were read off, and them.

    `families` are those that it draws or trains; `rules` and `refusals` count in order. `converted`: what `eval
    convert --for` takes to write a file for it, by family where that differs.
    """

    key: str
    name: str
    version: str
    source: str
    families: frozenset[str]
    rules: Sequence[Rule]
    refusals: Sequence[Refusal] = ()
    converted: str = "kohya"
    converted_for: Mapping[str, str] = field(default_factory=dict[str, str])
    reads_embeddings: bool = False
    ends_on_embeddings: bool = False

    def target(self, family: str) -> str:
        """What `--for` of `eval convert` is for a file of this family."""
        return self.converted_for.get(family, self.converted)


def spelled(*forms: str) -> Fits:
    """Modules whose keys are of one of these forms."""
    return lambda module, file: module.form in forms


def not_spelled(*forms: str) -> Fits:
    """Modules whose keys are of none of these forms."""
    return lambda module, file: module.form not in forms


def has(*suffixes: str) -> Fits:
    """Modules that have one of these tensors, by kohya's and LyCORIS' names."""
    return lambda module, file: bool(module.suffixes & set(suffixes))


def with_prefix(family: Sequence[str], *prefixes: str) -> Fits:
    """Modules of these families' files whose keys begin so."""
    return lambda module, file: file.family in family and module.prefix in prefixes


def all_of(*tests: Fits) -> Fits:
    """Modules that every test picks."""
    return lambda module, file: all(test(module, file) for test in tests)


def alpha_is_0(module: ModuleFacts, file: FileFacts) -> bool:
    """Whether the alpha tensor is 0."""
    return module.alpha == 0


def scaled_by_configuration(module: ModuleFacts, file: FileFacts) -> bool:
    """Whether the strength stands in the adapter's configuration alone, and is not 1."""
    return module.alpha is None and module.configured is not None and module.configured != module.rank


def without_configuration(module: ModuleFacts, file: FileFacts) -> float:
    """Times how much a tool acts that takes the scale for 1."""
    return (module.rank or 1) / (module.configured or 1)


LYCORIS = ("hada_w1_a", "lokr_w1", "lokr_w1_a", "oft_blocks", "diff", "w_norm", "b_norm", "diff_b")
CONFIGURATION = (
    "its strength stands in the adapter's configuration alone, which is not read here: the scale is taken for 1"
)
