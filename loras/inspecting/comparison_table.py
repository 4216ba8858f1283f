"""A comparison of two LoRA files for a terminal."""

from __future__ import annotations

from rich.text import Text

from foundation.printing import console_on, print_lines, shown
from foundation.terminal_tables import Row, TableColumn, fitting, table_lines
from loras.inspecting.compare_loras import LEADING, BlockComparison, Comparison
from loras.inspecting.inspection_table import figure

# With what each is worth on a narrow terminal.
HEADINGS = {
    "block": 9,
    "modules": 4,
    "cosine": 9,
    "|B| / |A|": 8,
    "|A|": 2,
    "|B|": 2,
    "shared outputs": 6,
    "shared inputs": 6,
    "by chance": 6,
}
MEANING = (
    "cosine of the two deltas: 1 is the same change, 0 has nothing in common, -1 takes it back. shared: how much of "
    f"the span of either's {LEADING} leading directions lies in the other's; by chance: what random ones would share"
)


def print_comparison(comparison: Comparison) -> None:
    """Print it on stdout; every column in one line where that is a file or a pipe."""
    console = console_on()
    print_lines(comparison_lines(comparison, console.width), console)


def comparison_lines(comparison: Comparison, width: int) -> list[Text]:
    """Verdict, a row a block and one for all, and the modules that only one of the files has."""
    blocks = (*comparison.blocks, comparison.total)
    cells = [_row(block) for block in blocks]
    columns = [
        TableColumn(heading, [row[at] for row in cells], is_right=at > 0, worth=worth)
        for at, (heading, worth) in enumerate(HEADINGS.items())
    ]
    rows = [Row("bold" if block is comparison.total else "") for block in blocks]
    names = {"A": comparison.a, "B": comparison.b}
    lines = [Text(f"{which}  {shown(str(path))}", no_wrap=True) for which, path in names.items()]
    lines += [Text(comparison.verdict, style="bold"), Text(), *table_lines(fitting(columns, width), rows, width)]
    lines.append(Text(MEANING, style="dim"))
    for which, only in (("A", comparison.only_a), ("B", comparison.only_b)):
        if only:
            lines.append(Text(f"! {len(only)} modules are in {which} only, first `{only[0]}`", style="yellow"))
    return lines


def _row(block: BlockComparison) -> list[str]:
    shares = (block.shared_outputs, block.shared_inputs, block.shared_by_chance)
    return [
        block.block,
        str(block.modules),
        figure(block.cosine, "+.3f"),
        figure(block.norm_ratio, ".3f"),
        figure(block.norm_a, ".3g"),
        figure(block.norm_b, ".3g"),
        *(figure(share, ".3f") for share in shares),
    ]
