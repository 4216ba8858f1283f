"""Reports on LoRA files for a terminal: one file in full, several as a table with a row each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from foundation.terminal_tables import NOT_MEASURED, PIPE_WIDTH
from loras.header_in_words import printable
from loras.inspecting.inspect_lora import BlockReport, LoraContents, LoraReport

STYLES = {"healthy": "green", "broken": "bold red", "exploded": "red"}
MOST_VALUES = 3


@dataclass(frozen=True)
class Column:
    """A heading, and how a readable file is shown in it; a narrow terminal drops low `worth` first."""

    heading: str
    show: Callable[[LoraContents], str]
    worth: int


def figure(value: float | None, form: str = ".2g") -> str:
    """A number in `form`, or a dash where nothing was measured."""
    return NOT_MEASURED if value is None else format(value, form)


def counted(values: Mapping[float, int] | Mapping[int, int]) -> str:
    """The commonest values, with the number of modules where there are several."""
    listed = [(f"{value:.4g}", count) for value, count in values.items()]
    if len(listed) == 1:
        return listed[0][0]
    shown = ", ".join(f"{value} ({count})" for value, count in listed[:MOST_VALUES])
    return (shown + (", .." if len(listed) > MOST_VALUES else "")) or NOT_MEASURED


def _range(values: Iterable[float]) -> str:
    found = list(values)
    if not found:
        return NOT_MEASURED
    low, high = min(found), max(found)
    return f"{low:.3g}" if low == high else f"{low:.3g}-{high:.3g}"


COLUMNS = (
    Column("family", lambda contents: contents.family.name, 5),
    Column("kinds", lambda contents: "+".join(contents.kinds), 4),
    Column("dialect", lambda contents: contents.dialect, 1),
    Column("modules", lambda contents: str(contents.total.modules), 1),
    Column("rank", lambda contents: _range(contents.ranks), 4),
    Column("alpha/rank", lambda contents: _range(contents.scales), 3),
    Column("moves", lambda contents: figure(contents.total.relative), 6),
    Column("eff. rank", lambda contents: figure(contents.total.effective_rank, ".1f"), 2),
    Column("hash", lambda contents: contents.hash_check, 0),
)


def print_reports(reports: Sequence[LoraReport]) -> None:
    """One report in full, several as a table, on stdout; every column where that is a file or a pipe."""
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(width=PIPE_WIDTH, highlight=False)
    console.print(full_report(reports[0]) if len(reports) == 1 else report_table(reports, console.width))


def full_report(report: LoraReport) -> Group:
    """Verdict and notes, what the file holds, its blocks, and what its header says."""
    lines = [Text(printable(str(report.path)), style="bold"), _verdict_line(report)]
    lines += [Text(f"! {note}", style="yellow") for note in report.notes]
    if report.contents is None:
        return Group(*lines)
    return Group(*lines, Text(), _facts(report.contents), Text(), _blocks(report.contents), *_said(report.contents))


def _verdict_line(report: LoraReport) -> Text:
    name = report.verdict.name
    return Text.assemble((name, STYLES.get(name, "yellow")), f": {report.verdict.reason}")


def _facts(contents: LoraContents) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    rows = {
        "family": f"{contents.family.name} ({contents.family.because})",
        "spelling": contents.dialect,
        "modules": f"{contents.total.modules} ({_listed(contents.parts)}); kinds: {_listed(contents.kinds)}",
        "rank": counted(contents.ranks),
        "alpha": counted(contents.alphas),
        "alpha / rank": counted(contents.scales),
        "not finite": ", ".join(contents.non_finite[:MOST_VALUES]) or "none",
        "dead modules": f"{len(contents.dead)} of {contents.total.modules}",
        "hash": f"{contents.hash_check} (sshs_model_hash)",
    }
    for heading, text in rows.items():
        table.add_row(Text(heading, style="dim"), Text(text))
    return table


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _blocks(contents: LoraContents) -> Group:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("block", "modules", "dead", "|delta|", "rms", "moves", "eff. rank"):
        table.add_column(heading, justify="left" if heading == "block" else "right")
    for block in (*contents.blocks, contents.total):
        table.add_row(*_block_row(block), style="bold" if block is contents.total else "")
    against = contents.against or "typical weights of Stable Diffusion (--base says which are meant)"
    meaning = (
        f"moves: |delta| / |W|, W: {against}; rms: root mean square of the delta's elements; eff. rank: (sum s^2)^2 / "
        "sum s^4 over singular values s, the number of directions that share the energy, mean over modules; - where it "
        "would take too long"
    )
    return Group(table, Text(meaning, style="dim"))


def _block_row(block: BlockReport) -> list[Text]:
    cells = (block.block, str(block.modules), str(block.dead or ""), figure(block.norm, ".3g"), figure(block.rms))
    return [Text(cell) for cell in (*cells, figure(block.relative), figure(block.effective_rank, ".1f"))]


def _said(contents: LoraContents) -> list[Text | Table]:
    if not contents.metadata:
        return [Text(), Text("its header says nothing of how it was made", style="dim")]
    table = Table(box=None, pad_edge=False, show_header=False)
    for heading, text in contents.metadata.items():
        table.add_row(Text(heading, style="dim"), Text(text))
    return [Text(), table]


def report_table(reports: Sequence[LoraReport], width: int) -> Group:
    """A row a file in at most `width` characters; the reason stands beside what is not healthy."""
    names = [printable(name) for name in _names(reports)]
    rows = [["" if one.contents is None else column.show(one.contents) for one in reports] for column in COLUMNS]
    taken = {
        column.heading: max(len(column.heading), *(len(cell) for cell in cells)) + 2
        for column, cells in zip(COLUMNS, rows, strict=True)
    }
    shown = _fitting(taken, width - max(map(len, names)) - 60)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("file", "verdict", *(column.heading for column in COLUMNS if column.heading in shown), "why"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "why")
    for at, report in enumerate(reports):
        cells = [rows[number][at] for number, column in enumerate(COLUMNS) if column.heading in shown]
        why = "; ".join(report.notes) if report.verdict.name == "healthy" else report.verdict.reason
        name = Text(report.verdict.name, style=STYLES.get(report.verdict.name, "yellow"))
        table.add_row(Text(names[at]), name, *map(Text, cells), Text(why, style="dim"))
    return Group(table, Text(summary(reports), style="bold"))


def _names(reports: Sequence[LoraReport]) -> list[str]:
    """File names, with their folders where two are alike."""
    names = [report.path.name for report in reports]
    return names if len(set(names)) == len(names) else [str(report.path) for report in reports]


def _fitting(taken: Mapping[str, int], width: int) -> set[str]:
    """The columns without those of least worth, until what is left fits."""
    kept = dict(taken)
    for column in sorted(COLUMNS, key=lambda column: column.worth):
        if sum(kept.values()) <= width:
            break
        del kept[column.heading]
    return set(kept)


def summary(reports: Sequence[LoraReport]) -> str:
    """How many files, and how many of each verdict, commonest first."""
    counts = Counter(report.verdict.name for report in reports)
    return f"{len(reports)} files: " + ", ".join(f"{count} {name}" for name, count in counts.most_common())
