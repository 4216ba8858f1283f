"""A comparison of two LoRA files for a terminal."""

from __future__ import annotations

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from foundation.terminal_tables import PIPE_WIDTH
from loras.header_in_words import printable
from loras.inspecting.compare_loras import LEADING, BlockComparison, Comparison
from loras.inspecting.inspection_table import figure

HEADINGS = ("block", "modules", "cosine", "|B| / |A|", "|A|", "|B|", "shared outputs", "shared inputs", "by chance")
MEANING = (
    "cosine of the two deltas: 1 is the same change, 0 has nothing in common, -1 takes it back. shared: how much of "
    f"the span of either's {LEADING} leading directions lies in the other's; by chance: what random ones would share"
)


def print_comparison(comparison: Comparison) -> None:
    """Print it on stdout; every column in one line where that is a file or a pipe."""
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(width=PIPE_WIDTH, highlight=False)
    console.print(comparison_report(comparison))


def comparison_report(comparison: Comparison) -> Group:
    """Verdict, a row a block and one for all, and the modules that only one of the files has."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "block" else "right")
    for block in (*comparison.blocks, comparison.total):
        table.add_row(*_row(block), style="bold" if block is comparison.total else "")
    lines = [Text(f"A  {printable(str(comparison.a))}"), Text(f"B  {printable(str(comparison.b))}")]
    lines += [Text(comparison.verdict, style="bold"), Text()]
    below = [Text(MEANING, style="dim")]
    for which, names in (("A", comparison.only_a), ("B", comparison.only_b)):
        if names:
            below.append(Text(f"! {len(names)} modules are in {which} only, first `{names[0]}`", style="yellow"))
    return Group(*lines, table, *below)


def _row(block: BlockComparison) -> list[Text]:
    shares = (block.shared_outputs, block.shared_inputs, block.shared_by_chance)
    cells = (
        block.block,
        str(block.modules),
        figure(block.cosine, "+.3f"),
        figure(block.norm_ratio, ".3f"),
        figure(block.norm_a, ".3g"),
        figure(block.norm_b, ".3g"),
        *(figure(share, ".3f") for share in shares),
    )
    return [Text(cell) for cell in cells]
