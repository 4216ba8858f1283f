"""The table of rules, in words."""

from __future__ import annotations

from trainer.checking.rules.table import RULES


def rules_listing() -> list[str]:
    """Each rule: its key, how grave it is, what is found, what to do, where it comes from, its threshold."""
    lines: list[str] = []
    for rule in RULES:
        limit = f"; threshold {rule.limit} (`trainer check --explain {rule.limit}`)" if rule.limit else ""
        lines += [
            f"{rule.group} {rule.key} ({rule.severity}): {rule.title}",
            f"    do: {rule.advice}",
            f"    from: {rule.source}{limit}",
        ]
    return lines


def rules_table() -> str:
    """The same as a table of Markdown, for docs/checking.md."""
    rows = [
        f"| `{rule.key}` | {rule.severity} | {rule.title} | {rule.advice} | {rule.source} | "
        f"{f'`{rule.limit}`' if rule.limit else ''} |"
        for rule in RULES
    ]
    head = "| rule | | what is found | what to do | source | threshold |\n|---|---|---|---|---|---|"
    return "\n".join([head, *rows])
