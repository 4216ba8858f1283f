"""One LoRA file in another tool's spelling: read, split or joined, scaled, compared with what was read, written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from base_models.families.known import FAMILIES
from foundation.files import check_is_no_input, sha256_of
from foundation.progress import Reporter
from loras.blending.blend_metadata import family_keys
from loras.converting.pieces import Factors, joined, shares_of, split
from loras.converting.scales import in_factors, in_factors_where_exact, one_alpha
from loras.converting.targets import ConvertError, Style, Target
from loras.families.family import ReadableFamily
from loras.lora_family import LoraFamily
from loras.lora_file import LoraFile, LoraModule, Module, OpenedLora, check_nothing_is_lost, open_lora, write_tensors
from loras.module_kinds import Additive
from loras.spelling.reordered_halves import in_original_order
from loras.value_checks import check_values

EXACT = 1e-6  # of a delta's norm
MOST_RANK = 512  # of a module of another kind that is written as plain factors


@dataclass(frozen=True)
class Converted:
    """A written file: what it is for, its modules, how many projections were split or joined, its type, its error.

    `error` is the greatest distance of a module's delta from that which was read, relative to its norm.
    """

    path: Path
    sha256: str
    family: str
    target: str
    modules: int
    split: int
    joined: int
    plain: int
    dtype: str
    error: float

    def as_json(self) -> dict[str, object]:
        """Plain values, as `--json` prints them."""
        return {
            "file": str(self.path),
            "sha256": self.sha256,
            "family": self.family,
            "for": self.target,
            "modules": self.modules,
            "split": self.split,
            "joined": self.joined,
            "made_plain": self.plain,
            "dtype": self.dtype,
            "error": self.error,
        }

    def lines(self) -> Sequence[str]:
        """What was done, and how exactly."""
        done = [
            f"{count} {what}"
            for count, what in (
                (self.split, "fused projections split"),
                (self.joined, "joined"),
                (self.plain, "modules of other kinds written as plain factors"),
            )
            if count
        ]
        said = f" ({', '.join(done)})" if done else ""
        return [
            f"wrote {self.path}: {self.family} for {self.target}, {self.modules} modules{said}, {self.dtype}",
            f"  read back bit for bit; every module moves as before, to {self.error:.1e} of its delta",
        ]


@dataclass(frozen=True)
class _Read:
    """A file's modules: plain factors, and those of other kinds."""

    plain: dict[str, Factors]
    others: dict[str, Module]
    made_plain: int


def convert(path: Path, output: Path, target: Target, dtype: torch.dtype | None, reporter: Reporter) -> Converted:
    """Write `path` for `target`. `dtype` None keeps the file's own type, and float32 where a scale asks for it.

    Raises ConvertError for what the target cannot hold, and what reading and writing raise; then nothing is written.
    """
    check_is_no_input(output, (path,))
    with open_lora(path) as opened:
        check_nothing_is_lost(opened)
        family = _family(opened)
        style = target.style_for(family)
        read = _read(opened, family, style, reporter)
        found, metadata = opened.family, dict(opened.metadata)
    arranged, counts = _arranged(read.plain, family, style)
    modules = _cast(_scaled(arranged, style), dtype)
    error = _greatest_distance(read.plain, modules, family)
    if dtype is None and error > EXACT:
        raise ConvertError(f"{path}: a module would move by {error:.1e} of its delta otherwise; nothing was written")
    written: dict[str, Module] = {
        one: _in_place(module, one, family, style) for one, module in {**modules, **read.others}.items()
    }
    tensors = _tensors(written, family, style)
    write_tensors(tensors, LoraFile(written, _metadata(metadata, written, found, output.stem)), output)
    kind = str(next(iter(_types(modules) or [torch.float32]))).removeprefix("torch.")
    return Converted(
        output, sha256_of(output), found.name, target.key, len(written), *counts, read.made_plain, kind, error
    )


def _family(opened: OpenedLora) -> ReadableFamily:
    families = opened.family.readable
    if not families:
        raise ConvertError(
            f"{opened.path}: {opened.family.because}, so its family cannot be told, nor its modules' names elsewhere"
        )
    strange = next((name for name in opened.names if families[0].to_kohya(name) is None), None)
    if strange is not None:
        raise ConvertError(
            f"{opened.path}: `{strange}` is no module of {families[0].name}'s public models, whose names other tools "
            "know; for diffusers, `python -m eval blend FILE -o NEW --format diffusers --base MODEL` takes the base's"
        )
    return families[0]


def _read(opened: OpenedLora, family: ReadableFamily, style: Style, reporter: Reporter) -> _Read:
    plain: dict[str, Factors] = {}
    others: dict[str, Module] = {}
    made_plain = 0
    advance = reporter.task("reading", len(opened.names))
    for name in opened.names:
        module = check_values(opened.module(name), name, opened.path)
        stays = not isinstance(module, LoraModule) and module.kind in style.kinds and not _moves(family, style, name)
        if stays:
            others[name] = module
        else:
            made_plain += not isinstance(module, LoraModule)
            plain[name] = _factors(module, name, family, style)
        advance(1)
    return _Read(plain, others, made_plain)


def _moves(family: ReadableFamily, style: Style, name: str) -> bool:
    """Whether the module is split or joined on the way."""
    return bool(family.whole(name)) if style.takes_whole(family) else bool(family.fused(name))


def _factors(module: Module, name: str, family: ReadableFamily, style: Style) -> Factors:
    if isinstance(module, LoraModule):
        return Factors.of(module)
    why = "is split or joined there" if _moves(family, style, name) else "has to be plain factors there"
    if not isinstance(module, Additive) or (module.kind == "full" and module.delta().dim() < 2):
        raise ConvertError(
            f"`{name}` is of the kind {module.kind}, which cannot be plain factors without the base model, and {why}; "
            "`python -m eval bake` puts the file into a model, `python -m eval extract` makes a plain LoRA of it"
        )
    low = module.low_rank()
    if low.rank > MOST_RANK:
        raise ConvertError(
            f"`{name}` is of the kind {module.kind} and {why}: exact plain factors would have rank {low.rank}; make a "
            "smaller one with `python -m eval blend FILE -o OUT --rank auto` first"
        )
    return Factors.of(low)


def _arranged(
    found: Mapping[str, Factors], family: ReadableFamily, style: Style
) -> tuple[dict[str, Factors], tuple[int, int]]:
    """Modules as the style has them, and how many projections were split and joined."""
    made: dict[str, Factors] = {}
    groups: dict[str, dict[str, Factors]] = {}
    splits = 0
    for name, factors in found.items():
        whole = family.whole(name) if style.takes_whole(family) else None
        if whole is not None:
            groups.setdefault(whole, {})[name] = factors
        elif not style.takes_whole(family) and (shares := shares_of(family, name)):
            made.update(split(factors, shares, name))
            splits += 1
        else:
            made[name] = factors
    for whole, parts in groups.items():
        made[whole] = joined(parts, shares_of(family, whole), whole)
    return made, (splits, len(groups))


def _scaled(found: Mapping[str, Factors], style: Style) -> dict[str, LoraModule]:
    if style.alphas == "one":
        return one_alpha(found)
    return in_factors(found) if style.alphas == "none" else in_factors_where_exact(found)


def _types(modules: Mapping[str, LoraModule]) -> set[torch.dtype]:
    return {tensor.dtype for module in modules.values() for tensor in (module.down, module.up)}


def _cast(modules: Mapping[str, LoraModule], dtype: torch.dtype | None) -> dict[str, LoraModule]:
    """In one type: the one asked for, the file's own where all have it, else float32, which holds them all."""
    types = _types(modules)
    kind = dtype or (types.pop() if len(types) == 1 else torch.float32)
    if kind.itemsize < 2:
        kind = torch.float32
    return {
        name: LoraModule(module.down.to(kind).contiguous(), module.up.to(kind).contiguous(), module.alpha)
        for name, module in modules.items()
    }


def _greatest_distance(found: Mapping[str, Factors], made: Mapping[str, LoraModule], family: ReadableFamily) -> float:
    """How far a module's delta is from that which was read, at most: parts of fused projections each by itself."""
    before, after = _by_part(found, family), _by_part({name: Factors.of(one) for name, one in made.items()}, family)
    distances = [0.0]
    for name, factors in after.items():
        there = factors.product()
        was = before[name].product() if name in before else None
        norm = was.squared_norm() if was is not None else 0.0
        if was is None or not norm:
            distances.append(0.0 if not there.squared_norm() else 1.0)
            continue
        distances.append((max(0.0, norm - 2 * was.inner(there) + there.squared_norm()) / norm) ** 0.5)
    missing = [name for name, factors in before.items() if name not in after and factors.product().squared_norm()]
    return 1.0 if missing else max(distances)


def _by_part(found: Mapping[str, Factors], family: ReadableFamily) -> dict[str, Factors]:
    made: dict[str, Factors] = {}
    for name, factors in found.items():
        shares = shares_of(family, name)
        made.update(split(factors, shares, name) if shares else {name: factors})
    return made


def _in_place(module: Module, name: str, family: ReadableFamily, style: Style) -> Module:
    """With the dimensions that trainers' own layers have."""
    if not isinstance(module, LoraModule):
        return module
    if family.key in FAMILIES and name.endswith(("_proj_in", "_proj_out")):
        has_kernel = family.key == "sd1" or (family.key == "sd2" and style.naming == "kohya")
        ones = (1, 1) if has_kernel else ()
        return LoraModule(
            module.down.reshape(*module.down.shape[:2], *ones),
            module.up.reshape(*module.up.shape[:2], *ones),
            module.alpha,
        )
    return module


def _tensors(written: Mapping[str, Module], family: ReadableFamily, style: Style) -> dict[str, Tensor]:
    down, up = style.factors
    called = {"lora_down.weight": down, "lora_up.weight": up}
    tensors: dict[str, Tensor] = {}
    for name, module in written.items():
        stem = style.stem(family, name)
        plain = isinstance(module, LoraModule)
        found = module.tensors()
        if style.naming == "diffusers" and family.to_diffusers(name)[0].swapped:
            found = in_original_order(found, name)  # the same exchange of halves, the other way round
        for suffix, tensor in found.items():
            tensors[f"{stem}.{called[suffix] if plain else suffix}"] = tensor.contiguous()
        alpha = module.stored_alpha
        if alpha is not None and not (plain and style.alphas != "one" and alpha == module.rank):
            tensors[f"{stem}.alpha"] = torch.tensor(alpha, dtype=torch.float32)
    return tensors


def _metadata(kept: Mapping[str, str], written: Mapping[str, Module], family: LoraFamily, title: str) -> dict[str, str]:
    """The parent's own, without hashes and an adapter's configuration, with what says ranks, alphas and family now."""
    plain = [module for module in written.values() if isinstance(module, LoraModule)]
    said = {key: value for key, value in kept.items() if not key.startswith("sshs_") and key != "lora_adapter_metadata"}
    said |= {"ss_output_name": title, "modelspec.title": title}
    if plain:
        said["ss_network_dim"] = str(max(module.rank for module in plain))
        said["ss_network_alpha"] = f"{max(module.alpha for module in plain):g}"
        said.setdefault("ss_network_module", "networks.lora")
    return said | family_keys(kept, family)
