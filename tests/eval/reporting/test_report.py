"""The report: one file, whole, offline, and true to the ranking it is made from."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markupsafe import escape
from PIL import Image
from rich.console import Console, Group

from eval.ranking.evidence import Evidence
from eval.ranking.ranking import rank
from eval.ranking.scores import score
from eval.ranking.verdict import verdict
from eval.reporting.ranking_table import ranking_lines, trends_of
from eval.reporting.report import ReportData, write_report
from eval.reporting.svg_charts import HeatCell, heat_map, line_chart, ticks
from eval.reporting.trade_off import trade_off_of
from eval.store.store import KeptPicture
from loras.weights import Weights
from synthetic_evidence import make_evidence, of_a_teapot

VOID = {"meta", "img", "br", "input", "link", "hr"}


class Balanced(HTMLParser):
    """Fails on a tag that is closed without being open, or left open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def grid_of(seed: int = 0) -> Evidence:
    """Four epochs x two UNet weights x two text-encoder weights."""
    weights = [(unet, te) for unet in (0.6, 1.0) for te in (0.0, 1.0)]
    identities = [0.15 + 0.1 * epoch + 0.1 * unet + 0.05 * te for epoch in range(4) for unet, te in weights]
    evidence = make_evidence(identities, seed=seed)
    cells = [
        replace(cell, checkpoint=f"hina-{at // 4:06d}", epoch=at // 4, weights=Weights.of(*weights[at % 4]))
        for at, cell in enumerate(evidence.cells)
    ]
    return replace(evidence, cells=cells)


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[[str | None, int], KeptPicture]:
    def picture(cell: str | None, unit: int) -> KeptPicture:
        path = tmp_path / f"{cell}-{unit}.png"
        if not path.exists() and cell != "cell000":
            Image.new("RGB", (32, 32), (unit * 9 % 256, 120, 200)).save(path)
        return KeptPicture(path, None if path.exists() else "not made")

    return picture


def report_of(
    evidence: Evidence, pictures: Callable[[str | None, int], KeptPicture], path: Path, title: str = "hina"
) -> str:
    write_report(ReportData(title, evidence, rank(evidence), pictures, {"sampler": "Euler a, 30 steps"}), path)
    return path.read_text(encoding="utf-8")


def test_report_is_one_file_that_asks_nothing_of_the_network(
    tmp_path: Path, pictures: Callable[[str | None, int], KeptPicture]
) -> None:
    text = report_of(grid_of(), pictures, tmp_path / "out" / "report.html")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["report.html"]
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|<script|<link|@import|url\(", text)
    assert all(source.startswith("data:image/webp;base64,") for source in re.findall(r'src="([^"]*)"', text))
    page = Balanced()
    page.feed(text)
    assert page.open == []


def test_report_says_what_the_ranking_says(tmp_path: Path, pictures: Callable[[str | None, int], KeptPicture]) -> None:
    evidence = grid_of()
    rows = rank(evidence)
    text = report_of(evidence, pictures, tmp_path / "report.html")
    assert f"{rows[0].checkpoint} at {rows[0].weights}" in text
    for row in rows:
        assert f'<td class="right">{row.identity:.3f}</td>' in text
    assert "UNet and text-encoder weights" in text
    assert "Over the epochs" in text
    assert "epoch 3" in text
    assert "Euler a, 30 steps" in text
    assert evidence.face_model in text
    for sentence in verdict(rows, evidence, score(evidence)).all:
        assert str(escape(sentence)) in text
    for sentence in trends_of(rows):
        assert str(escape(sentence)) in text
    assert "not made" in text, "the last row's pictures are not there, and the page says so"


OF_PEOPLE = re.compile(r"\b(face|faces|faceless|people|person|stranger|strangers)\b", re.IGNORECASE)


def overcooked(evidence: Evidence) -> Evidence:
    """The same evidence whose last checkpoint bleeds and has failed pictures, so that all there is to say is said."""
    bleed = [at for at, unit in enumerate(evidence.units) if unit.role == "bleed"]
    faces, failed = evidence.faces.copy(), evidence.failed.copy()
    faces[-4:, bleed] = evidence.references[0]
    failed[-4:, :3] = True
    return replace(evidence, faces=faces, failed=failed)


def test_of_a_subject_without_a_face_no_word_is_said_of_faces_or_people(
    tmp_path: Path, pictures: Callable[[str | None, int], KeptPicture]
) -> None:
    def said(evidence: Evidence) -> str:
        page = re.sub(
            r"data:[^\"]*|<style>.*?</style>", "", report_of(evidence, pictures, tmp_path / "r.html"), flags=re.S
        )
        table = Console(width=200, record=True, quiet=True)
        table.print(Group(*ranking_lines(rank(evidence), evidence, 200)))
        return page + table.export_text() + "; ".join(flag for row in rank(evidence) for flag in row.flags)

    teapot = said(of_a_teapot(overcooked(grid_of())))
    assert "the face rate does not apply" in teapot
    assert OF_PEOPLE.findall(teapot.replace("the face rate", "")) == []
    for words in (
        "other subjects take on its looks",
        "<h2>Other subjects</h2>",
        "<h2>Failed pictures</h2>",
        "bleeds into other subjects",
        "Likeness and prompt by CLIP: drawn scenes",
    ):
        assert words in teapot
    person = said(overcooked(grid_of()))
    for words in (
        "other people take on the face",
        "<h2>Other people</h2>",
        "no face",
        "how far the faces have gone towards a training picture",
    ):
        assert words in person


def test_every_row_is_a_dot_and_the_front_is_marked(
    tmp_path: Path, pictures: Callable[[str | None, int], KeptPicture]
) -> None:
    evidence = grid_of()
    rows = rank(evidence)
    text = report_of(evidence, pictures, tmp_path / "report.html")
    styles = re.findall(r'<g class="dot (\w+)">', text)
    assert len(styles) == len(rows)
    assert styles[-1] == "best", "the first row is drawn last, over all others"
    found = trade_off_of(rows)
    assert found is not None
    classes = {"first row": "best", "no row beats it in both": "front", "beaten": "behind", "over a limit": "broken"}
    assert sorted(styles) == sorted(classes[one.place] for one in found.points)
    assert len({*styles}) > 1


def test_a_winner_that_is_blended_at_one_epoch_alone_is_a_named_dot_beside_the_line_without_the_other(
    tmp_path: Path, pictures: Callable[[str | None, int], KeptPicture]
) -> None:
    evidence = make_evidence([0.3, 0.4, 0.5, 0.7])
    blended = replace(evidence.cells[2], id="blended", also="style:unet=0.3,te=0.2")
    evidence = replace(evidence, cells=[*evidence.cells[:3], blended])
    text = report_of(evidence, pictures, tmp_path / "report.html")
    keys = re.findall(r'<span class="key (\w+)"><i( class="dot")?></i>([^<]*)</span>', text)
    assert keys == [
        ("first", ' class="dot"', "hina-000003 alone, at unet=0.8,te=0.6 with style:unet=0.3,te=0.2"),
        ("second", "", "at unet=0.8,te=0.6"),
    ]


def test_who_bleeds_is_shown_beside_the_first_and_is_hollow_over_the_epochs(
    tmp_path: Path, pictures: Callable[[str | None, int], KeptPicture]
) -> None:
    evidence = make_evidence([0.7, 0.6, 0.5], bleed_prompts=4)
    faces = evidence.faces.copy()
    faces[1, evidence.where("bleed")] = evidence.references[0]
    bleeding = replace(evidence, faces=faces)
    text = report_of(bleeding, pictures, tmp_path / "report.html")
    assert "bleeds most: hina-000002 at unet=0.8,te=0.6" in text
    assert text.count('<circle class="hollow"') == 1
    assert "bleeds most" not in report_of(evidence, pictures, tmp_path / "clean.html")


def test_bleed_below_zero_counts_as_zero_in_the_scatter(
    tmp_path: Path, pictures: Callable[[str | None, int], KeptPicture]
) -> None:
    evidence = grid_of()
    rows = rank(evidence)
    assert any(row.bleed is not None and row.bleed < -0.001 for row in rows)
    text = report_of(evidence, pictures, tmp_path / "report.html")
    across = [float(value) for value in re.findall(r": [\d.]+, ([+-][\d.]+)</title>", text)]
    assert across == pytest.approx([max(0.0, row.bleed or 0.0) for row in reversed(rows)], abs=5e-4)


def test_report_escapes_what_users_wrote(tmp_path: Path, pictures: Callable[[str | None, int], KeptPicture]) -> None:
    evidence = grid_of()
    units = [replace(unit, prompt=f"<b>{unit.prompt}</b> & co") for unit in evidence.units]
    cells = [replace(cell, checkpoint=f"<i>{cell.checkpoint}", epoch=None) for cell in evidence.cells]
    text = report_of(replace(evidence, units=units, cells=cells), pictures, tmp_path / "r.html", title="<u>me</u>")
    assert not re.search(r"<b>ohwx|<i>hina|<u>me", text)
    assert "&lt;i&gt;hina" in text


@pytest.mark.parametrize("count", [1, 2])
def test_report_of_a_tiny_grid(tmp_path: Path, pictures: Callable[[str | None, int], KeptPicture], count: int) -> None:
    evidence = make_evidence([0.5, 0.6][:count], prompts=1, seeds=1, references=1, training=0)
    subject = evidence.where("subject")
    alone = replace(
        evidence,
        units=[evidence.units[at] for at in subject],
        **{name: getattr(evidence, name)[:, subject] for name in ("faces", "face_counts", "pictures", "failed")},
        **{name: getattr(evidence, f"{name}")[subject] for name in ("faces_control", "face_counts_control")},
        **{name: getattr(evidence, f"{name}")[subject] for name in ("pictures_control", "prompts")},
    )
    text = report_of(alone, pictures, tmp_path / "report.html")
    assert "nan" not in re.sub(r"data:[^\"]*", "", text).lower()
    assert "Other people" not in text


def test_charts_are_well_formed_and_place_the_higher_value_higher() -> None:
    fields = {(0, 0): HeatCell(0.2, "", "a < b"), (0, 1): HeatCell(0.9, "best", "x")}
    map_ = ElementTree.fromstring(heat_map(["1"], ["0.6", "<1>"], fields, (0.2, 0.9)))
    faint, strong = (float(rect.get("fill-opacity", "")) for rect in map_.iter("rect"))
    assert faint < strong
    rows = rank(make_evidence([0.2, 0.6]))
    assert rows
    chart = ElementTree.fromstring(line_chart(["1"], [], {"base": 0.1, "real": 0.7}, "epoch"))
    base, real = (float(line.get("y1", "")) for line in chart.iter("line") if line.get("class") == "level")
    assert real < base


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.113, 0.147), (-0.31, 0.62), (0.5, 0.5)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert len(found) <= 8
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)
