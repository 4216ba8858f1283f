"""Reports on LoRA files for a terminal: one file in full, several as a table with a row each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from foundation.printing import console_on, print_lines, shown
from foundation.terminal_tables import (
    NOT_MEASURED,
    Row,
    TableColumn,
    fitting,
    pair_lines,
    table_lines,
)
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

# Over the rows of blocks, with what each is worth on a narrow terminal.
BLOCK_HEADINGS = {"block": 9, "modules": 9, "dead": 3, "|delta|": 2, "rms": 1, "moves": 9, "eff. rank": 4}


def print_reports(reports: Sequence[LoraReport]) -> None:
    """One report in full, several as a table, on stdout; every column where that is a file or a pipe."""
    console = console_on()
    made = full_report(reports[0], console.width) if len(reports) == 1 else report_table(reports, console.width)
    print_lines(made, console)


def full_report(report: LoraReport, width: int) -> list[Text]:
    """Verdict and notes, what the file holds, its blocks, and what its header says."""
    lines = [Text(shown(str(report.path)), style="bold", no_wrap=True), _verdict_line(report)]
    lines += [Text(f"! {note}", style="yellow") for note in report.notes]
    if report.contents is None:
        return lines
    held = report.contents
    return [*lines, Text(), *_facts(held, width), Text(), *_blocks(held, width), Text(), *_said(held, width)]


def _verdict_line(report: LoraReport) -> Text:
    name = report.verdict.name
    return Text.assemble((name, STYLES.get(name, "yellow")), f": {report.verdict.reason}")


def _facts(contents: LoraContents, width: int) -> list[Text]:
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
    return pair_lines(rows, width)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _blocks(contents: LoraContents, width: int) -> list[Text]:
    blocks = (*contents.blocks, contents.total)
    cells = [_block_row(block) for block in blocks]
    columns = [
        TableColumn(heading, [row[at] for row in cells], is_right=at > 0, worth=worth)
        for at, (heading, worth) in enumerate(BLOCK_HEADINGS.items())
    ]
    rows = [Row("bold" if block is contents.total else "") for block in blocks]
    against = contents.against or f"{contents.yardstick} (--base says which are meant)"
    meaning = (
        f"moves: |delta| / |W|, W: {against}; rms: root mean square of the delta's elements; eff. rank: (sum s^2)^2 / "
        "sum s^4 over singular values s, the number of directions that share the energy, mean over modules; - where it "
        "would take too long"
    )
    return [*table_lines(fitting(columns, width), rows, width), Text(meaning, style="dim")]


def _block_row(block: BlockReport) -> list[str]:
    cells = (block.block, str(block.modules), str(block.dead or ""), figure(block.norm, ".3g"), figure(block.rms))
    return [*cells, figure(block.relative), figure(block.effective_rank, ".1f")]


def _said(contents: LoraContents, width: int) -> list[Text]:
    if not contents.metadata:
        return [Text("its header says nothing of how it was made", style="dim")]
    return pair_lines(contents.metadata, width)


def report_table(reports: Sequence[LoraReport], width: int) -> list[Text]:
    """A row a file in at most `width` characters; below what is odd about it, why."""
    columns = [
        TableColumn("file", _names(reports), is_name=True),
        TableColumn("verdict", [report.verdict.name for report in reports]),
        *(_shown(column, reports) for column in COLUMNS),
    ]
    rows = [Row(STYLES.get(report.verdict.name, "yellow"), _remarks(report)) for report in reports]
    return [*table_lines(fitting(columns, width), rows, width), Text(summary(reports), style="bold")]


def _shown(column: Column, reports: Sequence[LoraReport]) -> TableColumn:
    cells = ["" if one.contents is None else column.show(one.contents) for one in reports]
    return TableColumn(column.heading, cells, worth=column.worth)


def _remarks(report: LoraReport) -> Sequence[str]:
    return report.notes if report.verdict.name == "healthy" else (report.verdict.reason,)


def _names(reports: Sequence[LoraReport]) -> list[str]:
    """File names, with their folders where two are alike."""
    names = [report.path.name for report in reports]
    return names if len(set(names)) == len(names) else [shown(str(report.path)) for report in reports]


def summary(reports: Sequence[LoraReport]) -> str:
    """How many files, and how many of each verdict, commonest first."""
    counts = Counter(report.verdict.name for report in reports)
    return f"{len(reports)} files: " + ", ".join(f"{count} {name}" for name, count in counts.most_common())
