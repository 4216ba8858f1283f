"""A LoRA file against a tool's rules: which modules it would load, leave out, or read otherwise, and what to do."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from foundation.printing import shown
from loras.verifying.facts import FileFacts, ModuleFacts
from loras.verifying.rules import Rule, Tool

NAMED = 3  # keys that a sentence names


@dataclass(frozen=True)
class Finding:
    """What happens to some modules, and why: `effect` is "ignored", "changed", "refused" or "embeddings".

    `times`: least and greatest factor on their strength, where it is known.
    """

    effect: str
    why: str
    keys: tuple[str, ...]
    modules: int
    times: tuple[float, float] | None = None

    def as_json(self) -> dict[str, object]:
        """Plain values; `keys` are all that it concerns."""
        return {
            "effect": self.effect,
            "why": self.why,
            "modules": self.modules,
            "times": self.times,
            "keys": list(self.keys),
        }

    def lines(self) -> list[str]:
        """How many modules, why, and the first of them."""
        at = ""
        if self.times is not None:
            low, high = self.times
            at = f" (times {low:.3g})" if low == high else f" (times {low:.3g} to {high:.3g})"
        what = {"changed": f"read otherwise{at}", "embeddings": "left out"}.get(self.effect, self.effect)
        named = ", ".join(f"`{shown(key)}`" for key in self.keys[:NAMED])
        more = f" and {len(self.keys) - NAMED} more" if len(self.keys) > NAMED else ""
        return [f"  {self.modules} {what}: {self.why}", f"    {named}{more}"]


@dataclass(frozen=True)
class Verification:
    """What one tool makes of one file. `known`: whether the tool draws or trains this family at all.

    `of_another_build`: how many modules no public model of the family has, so that no other base loads them.
    """

    path: Path
    family: str
    tool: Tool
    modules: int
    loaded: int
    findings: tuple[Finding, ...]
    known: bool
    target: str
    of_another_build: int = 0

    @property
    def verdict(self) -> str:
        """ "loads", "changed" (all act, some otherwise), "in part", "nothing", "refused" or "not its family"."""
        if not self.known:
            return "not its family"
        effects = {finding.effect for finding in self.findings}
        if "refused" in effects:
            return "refused"
        if not self.loaded:
            return "nothing"
        if effects & {"ignored", "embeddings"}:
            return "in part"
        return "changed" if effects else "loads"

    @property
    def is_good(self) -> bool:
        """Whether the tool does with the file what it was made to do."""
        return self.verdict == "loads"

    @property
    def next(self) -> str:
        """What to do."""
        if self.is_good:
            return "nothing: use it as it is"
        if not self.known:
            return f"use a tool that knows {self.family}"
        if any(finding.effect == "embeddings" for finding in self.findings):
            return "save it once more without its embeddings (OneTrainer: untick bundling), then convert it"
        written = self.path.with_name(f"{self.path.stem}_{self.target}.safetensors")
        file, output = shlex.quote(str(self.path)), shlex.quote(str(written))
        return f"python -m eval convert {file} -o {output} --for {self.target}"

    def as_json(self) -> dict[str, object]:
        """Plain values, as `--json` prints them."""
        return {
            "file": str(self.path),
            "family": self.family,
            "tool": self.tool.key,
            "version": self.tool.version,
            "source": self.tool.source,
            "verdict": self.verdict,
            "modules": self.modules,
            "loaded": self.loaded,
            "of_another_build": self.of_another_build,
            "findings": [finding.as_json() for finding in self.findings],
            "next": self.next,
        }

    def lines(self) -> list[str]:
        """The verdict in a sentence, what is wrong, and what to do."""
        tool = f"{self.tool.name} {self.tool.version}"
        if not self.known:
            return [f"{tool}: does not draw {self.family}", f"  next: {self.next}"]
        if self.verdict == "refused":
            head = f"{tool}: would give the file up, and load nothing"
        else:
            head = f"{tool}: {self.loaded} of {self.modules} modules would load"
        if self.is_good:
            return [f"{head}, at the strength that they were made to have"]
        return [head, *(line for finding in self.findings for line in finding.lines()), f"  next: {self.next}"]


def verify(facts: FileFacts, tool: Tool) -> Verification:
    """Hold a file against a tool's rules."""
    known = facts.family in tool.families
    findings = _findings(facts, tool) if known else ()
    lost = sum(finding.modules for finding in findings if finding.effect == "ignored")
    refused = any(finding.effect == "refused" for finding in findings)
    count = len(facts.modules)
    loaded = 0 if refused or not known else count - lost
    return Verification(
        facts.path,
        facts.family_name,
        tool,
        count,
        loaded,
        findings,
        known,
        tool.target(facts.family),
        facts.of_another_build,
    )


def _findings(facts: FileFacts, tool: Tool) -> tuple[Finding, ...]:
    refused = [
        _finding("refused", refusal.why, found, None, facts)
        for refusal in tool.refusals
        if (found := [module for module in facts.modules if refusal.fits(module, facts)])
    ]
    if facts.embeddings and tool.ends_on_embeddings:
        refused.append(_embeddings(facts, "refused", "embeddings stand beside the LoRA, which no key may there"))
    if refused:
        return tuple(refused)
    picked: dict[int, list[ModuleFacts]] = {}
    for module in facts.modules:
        at = next((at for at, rule in enumerate(tool.rules) if rule.fits(module, facts)), None)
        if at is not None:
            picked.setdefault(at, []).append(module)
    found = [_of_rule(tool.rules[at], modules, facts) for at, modules in sorted(picked.items())]
    if facts.embeddings and not tool.reads_embeddings:
        found.append(_embeddings(facts, "embeddings", "embeddings bundled with a LoRA are not read"))
    return tuple(found)


def _of_rule(rule: Rule, modules: Sequence[ModuleFacts], facts: FileFacts) -> Finding:
    return _finding(rule.effect, rule.why, modules, rule, facts)


def _finding(effect: str, why: str, modules: Sequence[ModuleFacts], rule: Rule | None, facts: FileFacts) -> Finding:
    times = None
    if rule is not None and rule.times is not None:
        factors = [rule.times(module, facts) for module in modules]
        times = min(factors), max(factors)
    keys = tuple(key for module in modules for key in module.keys)
    return Finding(effect, why, keys, len(modules), times)


def _embeddings(facts: FileFacts, effect: str, why: str) -> Finding:
    keys = tuple(f"bundle_emb.{word}" for word in facts.embeddings)
    return Finding(effect, f"{why}: {', '.join(facts.embeddings)}", keys, len(keys))
